// SPDX-License-Identifier: GPL-2.0

//! What a law is, and what can come of holding a life against it.

use std::fmt;

use super::mutant::{Console, Mutant, MutantKind};
use crate::life::{Life, Sight};
use crate::Event;

/// A law: a promise of the kernel about the order of probe, bind, unbind and rmmod.
#[derive(Debug)]
pub struct Law {
    /// Its name.
    pub name: &'static str,
    /// What is promised.
    pub promise: &'static str,
    /// The functions of the kernel that keep the promise, with their files.
    pub kernel: &'static str,
    /// What a driver author has done where it is broken, and how to mend it.
    pub mend: &'static str,
    /// What the law has to see.
    pub needs: &'static [Sight],
    /// Looks for every case and returns how many there were.
    ///
    /// # Errors
    ///
    /// The first case in which the law is broken.
    pub check: fn(&Court<'_>) -> Result<usize, Violation>,
    /// What breaks it.
    pub mutants: &'static [Mutant],
}

/// What has come of holding a life against a law.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was kept in so many cases, which are more than none.
    Kept(usize),
    /// It was broken.
    Broken(Violation),
    /// There was no case that it could judge.
    NoCase,
    /// The sources of the life do not show this, which the law has to see.
    CannotBeSeen(Vec<Sight>),
}

impl Law {
    /// Holds a life against the law.
    pub fn verdict(&self, life: &Life) -> Verdict {
        let unseen = self.needs.iter().copied().filter(|need| !life.sees(*need));
        let unseen: Vec<Sight> = unseen.collect();
        if !unseen.is_empty() {
            return Verdict::CannotBeSeen(unseen);
        }
        let court = Court::of(self.name, life);
        match (self.check)(&court) {
            Ok(0) => Verdict::NoCase,
            Ok(cases) => Verdict::Kept(cases),
            Err(violation) => Verdict::Broken(violation),
        }
    }

    /// What judges a console, if the law is one of consoles.
    pub fn console(&self) -> Option<&'static Console> {
        self.mutants.iter().find_map(|mutant| match mutant.kind {
            MutantKind::Console(of, _) => Some(of),
            _ => None,
        })
    }

    /// Demands that the law was kept, in so many cases at least.
    ///
    /// # Errors
    ///
    /// How the law was broken; so it is by a life in which there were fewer cases, or that does not
    /// show what the law has to see.
    pub fn demand(&self, life: &Life, at_least: usize) -> Result<(), Violation> {
        let seen = match self.verdict(life) {
            Verdict::Kept(cases) if at_least <= cases => return Ok(()),
            Verdict::NoCase if at_least == 0 => return Ok(()),
            Verdict::Broken(violation) => return Err(violation),
            Verdict::Kept(cases) => format!("{cases}"),
            Verdict::NoCase => "none".to_owned(),
            Verdict::CannotBeSeen(needs) => {
                let needs: Vec<String> = needs.iter().map(ToString::to_string).collect();
                format!("a log without {}", needs.join(", "))
            }
        };
        let expected = format!("{at_least} cases at least");
        Err(Court::of(self.name, life).broken(expected, seen, &life.events))
    }
}

/// How many events a violation prints at most: its first and last halves.
const PRINTED: usize = 80;

/// How many events around those that break the law are quoted.
const AROUND: usize = 5;

/// A law, what it expected, what was seen instead, and the events around that.
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
    /// The events that show it, and those around them.
    pub events: Vec<Event>,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "law: {} (Documentation/laws.rst)", self.law)?;
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

/// A law at work on a life: makes the violations.
#[derive(Clone, Copy, Debug)]
pub struct Court<'a> {
    /// The law's name.
    pub law: &'static str,
    /// The life.
    pub life: &'a Life,
}

impl<'a> Court<'a> {
    /// A court that holds this life against the law of this name.
    pub(super) fn of(law: &'static str, life: &'a Life) -> Self {
        Self { law, life }
    }

    /// The law is broken.
    pub fn broken(
        &self,
        expected: impl Into<String>,
        seen: impl Into<String>,
        events: &[Event],
    ) -> Violation {
        Violation {
            law: self.law,
            expected: expected.into(),
            seen: seen.into(),
            events: events.to_vec(),
        }
    }

    /// `holds`, or the law is broken by the events at these places of the log. Places behind its end
    /// are left out.
    ///
    /// # Errors
    ///
    /// The law is broken.
    pub fn demand(
        &self,
        holds: bool,
        expected: impl Into<String>,
        places: &[usize],
    ) -> Result<(), Violation> {
        if holds {
            return Ok(());
        }
        let events = &self.life.events;
        let mut places = places.to_vec();
        places.retain(|place| *place < events.len());
        places.sort_unstable();
        places.dedup();
        let [Some(first), Some(last)] = [places.first(), places.last()] else {
            return Err(self.broken(expected, "nothing", events));
        };
        let seen = places.iter().map(|place| events[*place].to_string());
        let seen: Vec<String> = seen.collect();
        let from = first.saturating_sub(AROUND);
        let to = (last + AROUND + 1).min(events.len());
        Err(self.broken(expected, seen.join("; "), &events[from..to]))
    }
}
