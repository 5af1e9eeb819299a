// SPDX-License-Identifier: GPL-2.0

//! How a law was broken.

use super::law::Violation;
use crate::Event;

/// A law at work on a log: makes the violations.
#[derive(Clone, Copy)]
pub(super) struct Court<'a> {
    /// The law's name.
    pub(super) law: &'static str,
    /// The log.
    pub(super) events: &'a [Event],
}

impl Court<'_> {
    /// The law is broken.
    pub(super) fn broken(self, expected: impl Into<String>, seen: impl Into<String>) -> Violation {
        Violation {
            law: self.law,
            expected: expected.into(),
            seen: seen.into(),
            events: self.events.to_vec(),
        }
    }

    /// `holds`, or the law is broken.
    pub(super) fn demand(
        self,
        holds: bool,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Result<(), Violation> {
        if holds {
            Ok(())
        } else {
            Err(self.broken(expected, seen))
        }
    }

    /// The event at a place in the log, for `seen`.
    pub(super) fn at(self, place: usize) -> String {
        self.events
            .get(place)
            .map_or_else(|| "nothing".to_owned(), ToString::to_string)
    }
}
