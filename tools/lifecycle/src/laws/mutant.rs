// SPDX-License-Identifier: GPL-2.0

//! What breaks a law: a checker that has never caught anything proves nothing.
//!
//! A mutant is a wrong driver or bus on a running kernel (`test_modules/mutants/`), or, where the
//! kernel makes that impossible, a log of a real kernel that has been changed by one small edit.
//! The program `mutants` of the selftests runs them all: each must be caught by its law, and no
//! other law may complain but those that the mutant names.

use crate::life::Life;
use crate::probing::Probing;
use crate::Event;

/// An edit of a recording; `None` if the recording has no place for it.
pub type Edit = fn(&Life) -> Option<Vec<Event>>;

/// Something that breaks a law.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// Its name: of a wrong driver, the value of the parameter `mutant=`.
    pub name: &'static str,
    /// What it is.
    pub kind: MutantKind,
    /// The laws that may complain besides, because they overlap.
    pub also: &'static [&'static str],
    /// Those that may complain besides on a kernel that probes twice.
    pub in_trials: &'static [&'static str],
    /// On which kernels it breaks the law, if not on all.
    pub on: Option<Probing>,
}

/// What a mutant is.
#[derive(Clone, Copy, Debug)]
pub enum MutantKind {
    /// A wrong driver or bus on the running kernel.
    Live,
    /// One that the machine does not survive: the program of the law's name has it.
    Apart,
    /// An edit of a recording.
    Recording(Edit),
    /// An edit of what the console has printed.
    Console(&'static Console, fn(&str) -> Option<String>),
}

/// A law of a console.
#[derive(Debug)]
pub struct Console {
    /// What a real one has printed.
    pub recorded: &'static str,
    /// Judges what one has printed; returns how many cases there were.
    ///
    /// # Errors
    ///
    /// How the law was broken, in one sentence.
    pub check: fn(&str) -> Result<usize, String>,
}

impl Mutant {
    const fn new(name: &'static str, kind: MutantKind) -> Self {
        Self {
            name,
            kind,
            also: &[],
            in_trials: &[],
            on: None,
        }
    }

    /// A wrong driver or bus.
    pub const fn live(name: &'static str) -> Self {
        Self::new(name, MutantKind::Live)
    }

    /// An edit of a recording.
    pub const fn doctored(name: &'static str, edit: Edit) -> Self {
        Self::new(name, MutantKind::Recording(edit))
    }

    /// An edit of what the console has printed.
    pub const fn console(
        name: &'static str,
        of: &'static Console,
        edit: fn(&str) -> Option<String>,
    ) -> Self {
        Self::new(name, MutantKind::Console(of, edit))
    }

    /// A wrong driver or bus that the machine does not survive.
    pub const fn apart(name: &'static str) -> Self {
        Self::new(name, MutantKind::Apart)
    }

    /// The same, about which these laws may complain besides.
    pub const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    /// The same, about whose trials these laws may complain besides.
    pub const fn in_trials(self, in_trials: &'static [&'static str]) -> Self {
        Self { in_trials, ..self }
    }

    /// The same, on kernels that probe so often.
    pub const fn on(self, probing: Probing) -> Self {
        Self {
            on: Some(probing),
            ..self
        }
    }

    /// Whether this law may complain about a mutant of the law `own` on a kernel that probes
    /// so often.
    pub fn may_break(&self, own: &str, law: &str, probing: Probing) -> bool {
        // A fault of a driver is a fault of its trials as well.
        let in_trials = probing == Probing::Twice
            && (matches!(law, "one_at_a_time" | "probe_remove_probe")
                || self.in_trials.contains(&law));
        law == own || self.also.contains(&law) || in_trials
    }

    /// Whether it breaks its law on a kernel that probes so often.
    pub fn is_on(&self, probing: Probing) -> bool {
        self.on.is_none_or(|on| on == probing)
    }
}
