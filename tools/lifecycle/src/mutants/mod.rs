// SPDX-License-Identifier: GPL-2.0

//! The laws, and what breaks each of them: a checker that has never caught anything proves nothing.
//!
//! A mutant is a wrong driver or bus on a running kernel (`test_modules/mutants/`), or, where the
//! kernel makes that impossible, a log of a real kernel that has been doctored by one small edit
//! ([`doctor`]). The program `mutants` of the selftests runs them all: each must be caught by its
//! law, and no law may complain besides but those that are named here.

pub mod doctor;

use std::sync::LazyLock;

use doctor::Edit;

use crate::laws::mutant::{self, MutantKind};
use crate::laws::LAWS;

use crate::Probing;

/// The laws that can be broken on any kernel that is booted as usual.
const NAMES: &[&str] = &[
    "register_returns",
    "insmod_waits",
    "force_sync",
    "default_type",
    "manual_bind_sync",
    "convoy",
    "numa",
    "single_slot",
    "order_of_arrival",
    "autoprobe_off",
];

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

/// What a mutant is.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// A wrong driver or bus on the running kernel.
    Live,
    /// An edit of a recording.
    Recording(Edit),
    /// The same, by its life.
    Life(mutant::Edit),
    /// An edit of what the console has printed.
    Console(fn(&str) -> Option<String>),
}

const fn live(law: &'static str, name: &'static str, also: &'static [&'static str]) -> Mutant {
    Mutant {
        law,
        name,
        kind: Kind::Live,
        also,
        on: None,
    }
}

const fn doctored(
    law: &'static str,
    name: &'static str,
    edit: Edit,
    also: &'static [&'static str],
) -> Mutant {
    Mutant {
        law,
        name,
        kind: Kind::Recording(edit),
        also,
        on: None,
    }
}

/// The laws that can be broken on any kernel that is booted as usual.
pub fn laws() -> Vec<&'static str> {
    let new = LAWS.iter().filter(|law| !law.mutants.is_empty());
    NAMES
        .iter()
        .copied()
        .chain(new.map(|law| law.name))
        .collect()
}

/// All of them.
pub static MUTANTS: LazyLock<Vec<Mutant>> = LazyLock::new(|| {
    let new = LAWS.iter().flat_map(|law| {
        let of_law = |mutant: &mutant::Mutant| Mutant {
            law: law.name,
            name: mutant.name,
            kind: match mutant.kind {
                MutantKind::Live => Kind::Live,
                MutantKind::Recording(edit) => Kind::Life(edit),
                MutantKind::Console(edit) => Kind::Console(edit),
            },
            also: mutant.also,
            on: mutant.on,
        };
        law.mutants.iter().map(of_law)
    });
    OLD.iter().copied().chain(new).collect()
});

const OLD: &[Mutant] = &[
    live("register_returns", "match_waits", &[]),
    live("register_returns", "match_probes", &[]),
    doctored(
        "register_returns",
        "registration_waits",
        doctor::registration_waits,
        &["convoy"],
    ),
    live("insmod_waits", "work_is_left", &[]),
    doctored(
        "insmod_waits",
        "insmod_returns_early",
        doctor::insmod_returns_early,
        &["convoy"],
    ),
    live("force_sync", "match_prefers", &[]),
    doctored("force_sync", "says_force", doctor::says_force, &[]),
    live("default_type", "match_prefers", &[]),
    live("default_type", "match_forces", &[]),
    doctored("default_type", "says_default", doctor::says_default, &[]),
    live("manual_bind_sync", "work_is_left", &[]),
    doctored(
        "manual_bind_sync",
        "bind_in_a_worker",
        doctor::bind_in_a_worker,
        &[],
    ),
    live("convoy", "domain_is_registered", &[]),
    doctored(
        "convoy",
        "flush_returns_early",
        doctor::flush_returns_early,
        &[],
    ),
    live("numa", "node_is_forgotten", &[]),
    live("single_slot", "slot_is_ignored", &[]),
    doctored(
        "single_slot",
        "scheduled_twice",
        doctor::scheduled_twice,
        &["convoy", "insmod_waits"],
    ),
    live("order_of_arrival", "late_devices_refused", &[]),
    live("autoprobe_off", "autoprobe_is_ignored", &[]),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::laws::recorded;
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
        // What a recording is held against is a law.
        for (law, _) in recorded::judge(&[], Probing::Once) {
            assert!(laws().contains(&law), "{law}");
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
