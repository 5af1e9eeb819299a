// SPDX-License-Identifier: GPL-2.0

//! The mutants of all laws, and the laws that an edited recording breaks.

use std::collections::BTreeSet;

use super::law::{Law, Verdict};
use super::mutant::Mutant;
use super::{judge, LAWS};
use crate::life::Life;
use crate::parse::recording as text;
use crate::parse::refusal::Refusal;
use crate::{Event, Probing};

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
    use super::super::mutant::MutantKind;
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
            for also in mutant.also.iter().chain(mutant.in_trials) {
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
                let more = more.find(|of| !mutant.may_break(law.name, of, probing));
                assert_eq!(more, None, "{}", mutant.name);
                caught += 1;
            }
            assert!(caught >= 15, "{caught}");
        }
    }
}
