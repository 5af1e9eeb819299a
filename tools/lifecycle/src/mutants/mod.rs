// SPDX-License-Identifier: GPL-2.0

//! What breaks each law: a checker that has never caught anything proves nothing.
//!
//! A mutant is a wrong driver or bus on a running kernel (`test_modules/mutants/`), or, where the
//! kernel makes that impossible, a log of a real kernel that has been changed by one small edit. The
//! program `mutants` of the selftests runs them all: each must be caught by its law, and no other
//! law may complain but those that the mutant names.

pub mod doctor;

use std::sync::LazyLock;

use crate::laws::mutant;
pub use crate::laws::mutant::MutantKind as Kind;
use crate::laws::LAWS;
use crate::Probing;

/// Something that breaks a law.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// The law.
    pub law: &'static str,
    /// Its name: of a wrong driver, the value of the parameter `mutant=`.
    pub name: &'static str,
    /// What it is.
    pub kind: Kind,
    /// The laws that may complain besides, because they overlap.
    pub also: &'static [&'static str],
    /// On which kernels it breaks the law, if not on all.
    pub on: Option<Probing>,
}

impl Mutant {
    /// Whether this law may complain on a kernel that probes so often.
    pub fn may_break(&self, law: &str, probing: Probing) -> bool {
        // What is wrong with a driver is wrong with its trials as well, and those are not folded
        // away then.
        let in_trials =
            probing == Probing::Twice && matches!(law, "one_at_a_time" | "probe_remove_probe");
        law == self.law || self.also.contains(&law) || in_trials
    }
}

/// The laws that can be broken on any kernel that is booted as usual.
pub fn laws() -> Vec<&'static str> {
    let laws = LAWS.iter().filter(|law| !law.mutants.is_empty());
    laws.map(|law| law.name).collect()
}

/// All of them.
pub static MUTANTS: LazyLock<Vec<Mutant>> = LazyLock::new(|| {
    let all = LAWS.iter().flat_map(|law| {
        let of_law = |mutant: &mutant::Mutant| Mutant {
            law: law.name,
            name: mutant.name,
            kind: mutant.kind,
            also: mutant.also,
            on: mutant.on,
        };
        law.mutants.iter().map(of_law)
    });
    all.collect()
});

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::recording as text;
    use crate::recording::{Point, Recorded};
    use crate::{Event, What};
    use std::collections::BTreeSet;

    const RECORDING: &str = include_str!("../../tests/recordings/platform_and_bus.txt");

    #[test]
    fn every_law_has_a_mutant() {
        for probing in [Probing::Once, Probing::Twice] {
            for law in laws() {
                let breaks =
                    |mutant: &Mutant| mutant.law == law && mutant.on.is_none_or(|on| on == probing);
                assert!(MUTANTS.iter().any(breaks), "{law} if {probing:?}");
            }
        }
        for mutant in MUTANTS.iter() {
            for law in mutant.also.iter().chain([&mutant.law]) {
                assert!(laws().contains(law), "{law}");
            }
        }
    }

    #[test]
    fn names_are_unique() {
        let names: BTreeSet<_> = MUTANTS.iter().map(|of| (of.law, of.name)).collect();
        assert_eq!(names.len(), MUTANTS.len());
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
        assert!(*Probing::Twice.fold(&twice) == *once);
        for (probing, events) in [(Probing::Once, once), (Probing::Twice, twice)] {
            assert_eq!(doctor::broken(&events, probing), Ok(BTreeSet::new()));
            let mut caught = 0;
            for mutant in MUTANTS.iter() {
                if mutant.on.is_some_and(|on| on != probing) {
                    continue;
                }
                let Some(events) = doctor::edit(mutant, &events, probing) else {
                    continue;
                };
                let broken = doctor::broken(&events, probing).unwrap();
                assert!(broken.contains(mutant.law), "{}: {broken:?}", mutant.name);
                let more: Vec<_> = broken
                    .iter()
                    .filter(|law| !mutant.may_break(law, probing))
                    .collect();
                assert!(more.is_empty(), "{}: {more:?}", mutant.name);
                caught += 1;
            }
            assert!(caught >= 15, "{caught}");
        }
    }
}
