// SPDX-License-Identifier: GPL-2.0

//! What laws look for in a life.

use crate::life::{Kind, Life, Span};

impl Span {
    /// Where in the log it begins and ends.
    pub(super) fn whole(&self) -> [usize; 2] {
        [self.began, self.end_place()]
    }
}

impl Life {
    /// The spans of a kind.
    pub(crate) fn each(&self, kind: Kind) -> impl Iterator<Item = &Span> + '_ {
        self.of(kind).map(|(_, span)| span)
    }

    /// The spans of a kind about the same device.
    pub(super) fn about<'s>(
        &'s self,
        span: &'s Span,
        kind: Kind,
    ) -> impl Iterator<Item = &'s Span> {
        let of_device = self.of_device(span).map(|(_, of)| of);
        of_device.filter(move |of| of.kind == kind)
    }

    /// A span, and those that begin while it is under way.
    pub(super) fn during(&self, at: usize) -> impl Iterator<Item = &Span> + '_ {
        let end = self.spans[at].end_place();
        self.spans[at..].iter().take_while(move |of| of.began < end)
    }

    /// The innermost span of a kind around this one.
    pub(crate) fn around(&self, kind: Kind, span: usize) -> Option<&Span> {
        let around = self.within(span, |outer| outer.kind == kind);
        around.map(|around| &self.spans[around])
    }
}
