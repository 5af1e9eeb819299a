// SPDX-License-Identifier: GPL-2.0

//! Per device, probe and remove strictly alternate and never overlap; once the driver is gone, it
//! has removed every device that it had bound.
//!
//! The second phase of a probe, if it has one, loads its firmware once, and is over before devres
//! is released.
//!
//! `drivers/base/dd.c`: every way to `really_probe()` and `__device_release_driver()` takes the
//! device lock (`__device_driver_lock()`); `driver_detach()` empties the driver's list of devices
//! before `driver_unregister()` returns.

use std::collections::BTreeMap;

use super::violation::Court;
use super::Violation;
use crate::{Event, What};

/// Where a device is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No driver; devres has been released.
    Free,
    /// Its probe is under way.
    Probing,
    /// Its probe failed; devres may still be released.
    Failed,
    /// Its probe succeeded.
    Bound,
    /// Its remove callback runs.
    Removing,
    /// Its driver data has been dropped.
    Unbound,
}

/// Where a device is with its firmware, since its last probe began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No firmware has arrived.
    First,
    /// It arrived during the probe; whether there is a second phase cannot be told yet.
    Loaded,
    /// It arrived after the probe, hence in a second phase.
    Second,
    /// The second phase has ended.
    Ready,
}

/// Judges every device of a whole log, which starts with no device bound.
///
/// Unlike the other laws it holds for a log without events: it goes with every run.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<(), Violation> {
    let court = Court {
        law: "one_at_a_time",
        events,
    };
    let mut devices: BTreeMap<&str, (State, &str)> = BTreeMap::new();
    let mut phases: BTreeMap<&str, Phase> = BTreeMap::new();
    for (at, event) in events.iter().enumerate() {
        let what = &event.what;
        if let What::Unregistered { driver, .. } = what {
            let left = devices.iter().find(|(_, (state, by))| {
                by == driver && !matches!(state, State::Free | State::Failed)
            });
            if let Some((device, (state, _))) = left {
                return Err(court.broken(
                    format!("{driver} to be gone from every device"),
                    format!("{device} is {state:?} at {event}"),
                ));
            }
        }
        let (Some(device), Some(driver)) = (what.device(), what.driver()) else {
            continue;
        };
        let (state, by) = devices
            .get(device)
            .copied()
            .unwrap_or((State::Free, driver));
        let phase = phases.entry(device).or_insert(Phase::First);
        match (*phase, what) {
            (_, What::ProbeBegan { .. }) => *phase = Phase::First,
            (Phase::First, What::FirmwareArrived { .. }) => {
                *phase = match state {
                    State::Probing => Phase::Loaded,
                    _ => Phase::Second,
                }
            }
            (Phase::Loaded | Phase::Second, What::Ready { .. }) => *phase = Phase::Ready,
            (_, What::FirmwareArrived { .. } | What::Ready { .. })
            | (Phase::Second, What::DevresReleased { .. }) => {
                return Err(court.broken(
                    format!("firmware, ready, devres_released in this order for {device}"),
                    court.at(at),
                ));
            }
            _ => {}
        }
        let next = match (state, what) {
            (
                State::Probing | State::Bound | State::Removing | State::Unbound,
                What::FirmwareArrived { .. } | What::Ready { .. },
            ) => Some(state),
            (State::Free | State::Failed, What::ProbeBegan { .. }) => Some(State::Probing),
            (State::Probing, What::ProbeEnded { ret: 0, .. }) => Some(State::Bound),
            (State::Probing, What::ProbeEnded { .. }) => Some(State::Failed),
            (State::Failed, What::DevresReleased { .. }) => Some(State::Free),
            (State::Bound, What::Removing { .. }) => Some(State::Removing),
            (State::Removing, What::Unbound { .. }) => Some(State::Unbound),
            (State::Unbound, What::DevresReleased { .. }) => Some(State::Free),
            _ => None,
        };
        let same = by == driver || matches!(what, What::ProbeBegan { .. });
        let Some(next) = next.filter(|_| same) else {
            return Err(court.broken(
                format!("what can follow for {device}, which is {state:?} with {by}"),
                court.at(at),
            ));
        };
        devices.insert(device, (next, driver));
    }
    Ok(())
}

/// The devices that something has begun for and not ended: a probe, its second phase or a remove.
///
/// A log is whole only if there are none.
pub fn under_way(events: &[Event]) -> Vec<&str> {
    let mut open: BTreeMap<&str, (Option<&What>, bool)> = BTreeMap::new();
    for event in events {
        let what = &event.what;
        let Some(device) = what.device() else {
            continue;
        };
        let (step, second) = open.entry(device).or_default();
        match what {
            What::FirmwareArrived { .. } => {
                *second = !matches!(step, Some(What::ProbeBegan { .. }));
            }
            What::Ready { .. } => *second = false,
            What::ProbeEnded { .. } | What::DevresReleased { .. } => *step = None,
            what => *step = Some(what),
        }
    }
    open.into_iter()
        .filter_map(|(device, (step, second))| (step.is_some() || second).then_some(device))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        async 0
        registered prefer_asynchronous
        async 1
        arrived 0 0
        ended 0 0
        arrived 1 -2
        ended 1 -2
        devres_released 1
        removing 0
        unbound 0
        devres_released 0
        unregistered
        sync 0 9
        ended 0 -2
    ";

    #[test]
    fn holds() {
        check(&log(GOOD)).unwrap();
        check(&log("")).unwrap();
        assert!(under_way(&log(GOOD)).is_empty());
    }

    #[test]
    fn every_line_counts() {
        for line in ["async 0", "async 1", "ended 0 0", "removing 0", "unbound 0"] {
            assert!(check(&doctored(GOOD, line, "")).is_err(), "without {line}");
        }
        for line in [
            "async 0",
            "async 1",
            "ended 0 0",
            "ended 1 -2",
            "removing 0",
            "unbound 0",
            "devres_released 0",
            "devres_released 1",
        ] {
            let twice = format!("{line}\n{line}");
            assert!(
                check(&doctored(GOOD, line, &twice)).is_err(),
                "{line} twice"
            );
        }
    }

    #[test]
    fn the_driver_is_gone_too_early() {
        let early = GOOD
            .replace("unregistered\n", "")
            .replace("unbound 0\n", "unregistered\n unbound 0\n");
        assert_broken(check(&log(&early)), "d.0 is Removing");
        let during = GOOD.replace("registered prefer_asynchronous", "unregistered");
        assert_broken(check(&log(&during)), "d.0 is Probing");
    }

    #[test]
    fn another_driver_ends_it() {
        let mut events = log("async 0\n ended 0 0");
        if let What::ProbeEnded { driver, .. } = &mut events[1].what {
            *driver = "e".into();
        }
        assert_broken(check(&events), "driver=e");
    }

    const TWO_PHASES: &str = "
        async 0
        ended 0 0
        arrived 0 0
        async 1
        ready 0 0
        arrived 1 0
        ready 1 0
        ended 1 0
        removing 0
        unbound 0
        devres_released 0
        sync 0 9
        ended 0 0
        removing 0
        arrived 0 0
        unbound 0
        ready 0 0
        devres_released 0
        unregistered
    ";

    #[test]
    fn two_phases() {
        let lines: Vec<_> = TWO_PHASES.lines().collect();
        let without = |line: usize| {
            let mut lines = lines.clone();
            lines.remove(line);
            check(&log(&lines.join("\n")))
        };
        // The removing of d.1 is missing.
        assert_broken(check(&log(TWO_PHASES)), "d.1 is Bound");
        let good = lines[..lines.len() - 2].join("\n");
        check(&log(&good)).unwrap();
        assert!(under_way(&log(&good)).is_empty());

        for line in [3, 15, 17] {
            assert!(without(line).is_err(), "without {}", lines[line]);
        }
        for line in [3, 5, 15, 17] {
            let mut lines = lines.clone();
            lines.insert(line, lines[line]);
            let events = log(&lines.join("\n"));
            assert!(check(&events).is_err(), "{} twice", lines[line]);
        }
        let at = |count: usize| under_way(&log(&lines[..count].join("\n"))).join(" ");
        assert_eq!(at(3), "");
        assert_eq!(at(4), "d.0");
        assert_eq!(at(5), "d.0 d.1");
        assert_eq!(at(6), "d.1");
        assert_eq!(at(18), "d.0");
    }

    #[test]
    fn what_is_under_way() {
        let at = |lines: usize| {
            let lines: Vec<_> = GOOD.lines().take(lines).collect();
            under_way(&log(&lines.join("\n"))).len()
        };
        assert_eq!(at(4), 2);
        assert_eq!(at(6), 1);
        assert_eq!(at(8), 0);
        assert_eq!(at(10), 1);
    }
}
