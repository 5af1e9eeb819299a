// SPDX-License-Identifier: GPL-2.0

//! Functions from their beginning to their return.

use std::collections::BTreeMap;

use crate::event::point::Returns;
use crate::event::{Event, Fetched, Point, Recorded, Side, What};

/// One run of a function by one task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span<'a> {
    /// The function.
    pub point: Point,
    /// What was fetched at its beginning.
    pub fetched: &'a Fetched,
    /// The task that runs it.
    pub pid: u32,
    /// The name of that task.
    pub task: &'a str,
    /// The CPU that it began on.
    pub cpu: u32,
    /// Where in the log it began.
    pub began: usize,
    /// Where in the log it returned. Of a function whose return is not recorded, where it began.
    pub ended: Option<usize>,
    /// Its result, if it has one and has returned.
    pub ret: Option<i32>,
    /// To whom it returned, if it did, or else who called it, if that was fetched.
    pub caller: Option<&'a str>,
    /// The span that the task was in, by its place in the list.
    pub parent: Option<usize>,
}

impl Span<'_> {
    /// Where it ends, or the end of the log.
    pub fn end(&self) -> usize {
        self.ended.unwrap_or(usize::MAX)
    }

    /// Whether it is under way at this place in the log.
    pub fn spans(&self, place: usize) -> bool {
        self.began < place && place < self.end()
    }

    /// Whether it concerns this device.
    pub fn is_at(&self, at: Option<u64>) -> bool {
        at.is_some() && self.fetched.at == at
    }

    /// Name of the device, for messages.
    pub fn device(&self) -> &str {
        self.fetched.device.as_deref().unwrap_or("(no name)")
    }

    /// Name of the module or file, or action of the uevent.
    pub fn name(&self) -> &str {
        self.fetched.name.as_deref().unwrap_or("(no name)")
    }

    /// Whether it was called by the function of this name.
    pub fn called_by(&self, function: &str) -> bool {
        self.caller
            .and_then(|caller| caller.strip_prefix(function))
            .is_some_and(|rest| rest.starts_with('+'))
    }
}

/// All spans of a recording, in the order in which they began.
pub fn spans(events: &[Event]) -> Vec<Span<'_>> {
    let mut spans: Vec<Span<'_>> = Vec::new();
    let mut open: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let What::Recorded(Recorded {
            task,
            pid,
            cpu,
            point,
            side,
        }) = &event.what
        else {
            continue;
        };
        let open = open.entry(*pid).or_default();
        match side {
            Side::Begins(fetched) => {
                let instant = point.definition().returns == Returns::Unseen;
                spans.push(Span {
                    point: *point,
                    fetched,
                    pid: *pid,
                    task,
                    cpu: *cpu,
                    began: at,
                    ended: instant.then_some(at),
                    ret: None,
                    caller: fetched.caller.as_deref(),
                    parent: open.last().copied(),
                });
                if !instant {
                    open.push(spans.len() - 1);
                }
            }
            Side::Returns { caller, ret } => {
                // The parser has seen to it that this is what the task is in.
                let innermost = open.pop().filter(|span| spans[*span].point == *point);
                if let Some(span) = innermost.map(|span| &mut spans[span]) {
                    span.ended = Some(at);
                    span.ret = *ret;
                    span.caller = Some(caller);
                }
            }
        }
    }
    spans
}

/// Whether the span at this place in the list is within a span that satisfies the condition.
pub fn within<'s, 'a>(
    spans: &'s [Span<'a>],
    mut span: usize,
    mut wanted: impl FnMut(&Span<'a>) -> bool,
) -> Option<&'s Span<'a>> {
    while let Some(parent) = spans.get(span).and_then(|span| span.parent) {
        if wanted(&spans[parent]) {
            return Some(&spans[parent]);
        }
        span = parent;
    }
    None
}
