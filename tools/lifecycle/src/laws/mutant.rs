// SPDX-License-Identifier: GPL-2.0

//! What breaks a law: a checker that has never caught anything proves nothing.
//!
//! A mutant is a wrong driver or bus on a running kernel (`test_modules/mutants/`), or, where the
//! kernel makes that impossible, a log of a real kernel that has been changed by one small edit. The
//! program `mutants` of the selftests runs them all: each must be caught by its law, and no other
//! law may complain but those that the mutant names.

use std::collections::BTreeSet;

use super::law::{Law, Verdict};
use super::{judge, LAWS};
use crate::life::Life;
use crate::parse::recording as text;
use crate::parse::refusal::Refusal;
use crate::{Event, Probing};

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
    /// On which kernels it breaks the law, if not on all.
    pub on: Option<Probing>,
}

/// What a mutant is.
#[derive(Clone, Copy, Debug)]
pub enum MutantKind {
    /// A wrong driver or bus on the running kernel.
    Live,
    /// An edit of a recording.
    Recording(Edit),
    /// An edit of what the console has printed.
    Console(fn(&str) -> Option<String>),
}

impl Mutant {
    const fn new(name: &'static str, kind: MutantKind) -> Self {
        Self {
            name,
            kind,
            also: &[],
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
    pub const fn console(name: &'static str, edit: fn(&str) -> Option<String>) -> Self {
        Self::new(name, MutantKind::Console(edit))
    }

    /// The same, about which these laws may complain besides.
    pub const fn also(self, also: &'static [&'static str]) -> Self {
        Self { also, ..self }
    }

    /// The same, on kernels that probe so often.
    pub const fn on(self, probing: Probing) -> Self {
        Self {
            on: Some(probing),
            ..self
        }
    }
    /// Whether this law may complain about a mutant of the law `own` on a kernel that probes so often.
    pub fn may_break(&self, own: &Law, law: &str, probing: Probing) -> bool {
        // A fault of a driver is a fault of its trials as well.
        let in_trials =
            probing == Probing::Twice && matches!(law, "one_at_a_time" | "probe_remove_probe");
        law == own.name || self.also.contains(&law) || in_trials
    }

    /// Whether it breaks its law on a kernel that probes so often.
    pub fn is_on(&self, probing: Probing) -> bool {
        self.on.is_none_or(|on| on == probing)
    }
}

/// All mutants, each with its law.
pub fn all() -> impl Iterator<Item = (&'static Law, &'static Mutant)> {
    let laws = LAWS.iter();
    laws.flat_map(|law| law.mutants.iter().map(|mutant| (*law, mutant)))
}

/// The laws that a recording of a kernel that probes so often breaks. It is written and read again:
/// what the parser does not let through is no recording.
///
/// # Errors
///
/// What the parser finds wrong.
pub fn broken(events: &[Event], probing: Probing) -> Result<BTreeSet<&'static str>, Refusal> {
    let events = text::parse(&text::write("7.3.4", events))?;
    let verdicts = judge(&Life::new(events, probing)).into_iter();
    let broken = verdicts.filter(|(_, verdict)| matches!(verdict, Verdict::Broken(_)));
    Ok(broken.map(|(law, _)| law).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::{Point, Recorded};
    use crate::What;

    const RECORDING: &str = include_str!("../../tests/recordings/platform_and_bus.txt");

    #[test]
    fn every_law_with_mutants_has_one_on_each_kernel() {
        let with = || LAWS.iter().filter(|law| !law.mutants.is_empty());
        for probing in [Probing::Once, Probing::Twice] {
            for law in with() {
                let is_on = |mutant: &Mutant| mutant.is_on(probing);
                assert!(law.mutants.iter().any(is_on), "{} if {probing:?}", law.name);
            }
        }
        for (_, mutant) in all() {
            for also in mutant.also {
                assert!(with().any(|law| law.name == *also), "{also}");
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = all().map(|(law, of)| (law.name, of.name)).collect();
        assert_eq!(names.len(), all().count());
    }

    /// The recording as a kernel that probes twice would have made it.
    fn with_trials(events: &[Event]) -> Vec<Event> {
        let mut tried = Vec::new();
        for event in events {
            match &event.what {
                What::Recorded(bound) if bound.point == Point::Bound => {
                    tried.extend([Point::Remove, Point::Cleanup].map(|point| {
                        let of = bound.clone();
                        Event {
                            what: What::Recorded(Recorded { point, ..of }),
                            ..*event
                        }
                    }));
                }
                _ => {}
            }
            tried.push(event.clone());
        }
        tried
    }

    /// The edits that find their place in the recording of the tests.
    #[test]
    fn doctored_recordings_are_caught() {
        let mut once = text::parse(RECORDING).unwrap();
        once.retain(|event| matches!(event.what, What::Recorded(_)));
        let twice = with_trials(&once);
        for (probing, events) in [(Probing::Once, once), (Probing::Twice, twice)] {
            assert_eq!(broken(&events, probing), Ok(BTreeSet::new()));
            let life = Life::new(events, probing);
            let mut caught = 0;
            for (law, mutant) in all().filter(|(_, mutant)| mutant.is_on(probing)) {
                let MutantKind::Recording(edit) = mutant.kind else {
                    continue;
                };
                let Some(events) = edit(&life) else {
                    continue;
                };
                let broken = broken(&events, probing).unwrap();
                assert!(broken.contains(law.name), "{}: {broken:?}", mutant.name);
                let mut more = broken.iter();
                let more = more.find(|of| !mutant.may_break(law, of, probing));
                assert_eq!(more, None, "{}", mutant.name);
                caught += 1;
            }
            assert!(caught >= 15, "{caught}");
        }
    }
}
