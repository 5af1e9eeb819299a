// SPDX-License-Identifier: GPL-2.0

//! Per device, probe and remove strictly alternate and never overlap; once the driver is gone, it
//! has removed every device that it had bound.
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
        let next = match (state, what) {
            (State::Free | State::Failed, What::ProbeBegan { .. }) => Some(State::Probing),
            (State::Probing, What::FirmwareArrived { .. }) => Some(State::Probing),
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

/// The devices that something has begun for and not ended: a probe or a remove.
///
/// A log is whole only if there are none.
pub fn under_way(events: &[Event]) -> Vec<&str> {
    let mut last: BTreeMap<&str, bool> = BTreeMap::new();
    for event in events {
        if let Some(device) = event.what.device() {
            let under_way = !matches!(
                event.what,
                What::ProbeEnded { .. } | What::DevresReleased { .. }
            );
            last.insert(device, under_way);
        }
    }
    last.into_iter()
        .filter_map(|(device, under_way)| under_way.then_some(device))
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
            *driver = "e".to_owned();
        }
        assert_broken(check(&events), "driver=e");
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
