// SPDX-License-Identifier: GPL-2.0

//! How a law was broken.

use std::fmt;

use crate::Event;

/// How many events a violation prints at most: its first and last halves.
const PRINTED: usize = 80;

/// A law, what it expected, what was seen instead, and the log.
///
/// `Display` prints one line each for the law, the expectation and what was seen, then the events.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Violation {
    /// The law's name.
    pub law: &'static str,
    /// What the law expected.
    pub expected: String,
    /// What was seen instead.
    pub seen: String,
    /// The log that the law was held against.
    pub events: Vec<Event>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "law: {}", self.law)?;
        writeln!(f, "expected: {}", self.expected)?;
        write!(f, "seen: {}", self.seen)?;

        let events = &self.events;
        let left_out = events.len().saturating_sub(PRINTED);
        for (at, event) in events.iter().enumerate() {
            if at < PRINTED / 2 || at >= PRINTED / 2 + left_out {
                write!(f, "\n{event}")?;
            } else if at == PRINTED / 2 {
                write!(f, "\n({left_out} events left out)")?;
            }
        }
        Ok(())
    }
}

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
