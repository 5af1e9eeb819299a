// SPDX-License-Identifier: GPL-2.0

//! Per device, probe and remove strictly alternate and never overlap; once the driver is
//! unregistered, it has let go of every device that it had bound.
//!
//! `drivers/base/dd.c`: every way to `really_probe()` and `__device_release_driver()` takes the
//! device lock; `driver_detach()` empties the driver's list of devices before
//! `driver_unregister()` returns.

use std::collections::BTreeMap;

use super::Bar;
use crate::laws::Violation;
use crate::recording::{Point, Recorded, Side};
use crate::{Event, What};

/// Where a device is in its life. One that the recording has not met yet may be anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Probing,
    Bound,
    Removing,
}

/// Judges every device; the cases are the probes.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("one_at_a_time", events);
    // By where the device is: its state, its driver, the task and since when.
    let mut devices: BTreeMap<u64, (State, Option<u64>, u32, usize)> = BTreeMap::new();
    let began: BTreeMap<usize, usize> = bar
        .spans
        .iter()
        .enumerate()
        .map(|(span, of)| (of.began, span))
        .collect();
    let ended: BTreeMap<usize, usize> = bar
        .spans
        .iter()
        .enumerate()
        .filter_map(|(span, of)| Some((of.ended?, span)))
        .collect();
    let mut cases = 0;
    for (place, event) in events.iter().enumerate() {
        let What::Recorded(Recorded { point, side, .. }) = &event.what else {
            continue;
        };
        let begins = matches!(side, Side::Begins(_));
        let place_of = if begins { &began } else { &ended };
        let Some(span) = place_of.get(&place).map(|span| &bar.spans[*span]) else {
            continue;
        };
        if let (Point::Unregister, false) = (point, begins) {
            for (state, by, _, since) in devices.values() {
                bar.demand(
                    by != &span.fetched.by || matches!(state, State::Free),
                    "the driver to be gone from every device",
                    &[*since, place],
                )?;
            }
        }
        let Some(at) = span.fetched.at else {
            continue;
        };
        let known = devices.get(&at).copied();
        let state = known.map(|(state, ..)| state);
        let by_itself = known.is_some_and(|(_, _, pid, _)| pid == span.pid);
        let may = |holds: bool| {
            let since = known.map_or(place, |(.., since)| since);
            bar.demand(
                holds,
                format!("what can follow for {}, which is {state:?}", span.device()),
                &[since, place],
            )
        };
        let next = match (point, begins) {
            (Point::Probe, true) => {
                cases += 1;
                may(matches!(state, None | Some(State::Free)))?;
                State::Probing
            }
            (Point::Probe, false) if span.ret == Some(0) => State::Bound,
            (Point::Probe, false) => State::Free,
            // A probe that fails cleans up. It removes, too, if it is the driver core that fails when
            // the driver has succeeded (`dev_groups_failed`): its result is negative then.
            (Point::Remove | Point::Cleanup, _) if state == Some(State::Probing) => {
                let ret = span.parent.and_then(|parent| bar.spans[parent].ret);
                may(by_itself && (*point == Point::Cleanup || ret.is_some_and(|ret| ret < 0)))?;
                continue;
            }
            (Point::Remove, _) => {
                may(matches!(state, None | Some(State::Bound)))?;
                State::Removing
            }
            (Point::Cleanup, _) => {
                may(
                    matches!(state, None | Some(State::Removing)) && (state.is_none() || by_itself)
                )?;
                State::Free
            }
            // Bound by hand, without a probe (`device_bind_driver()`).
            (Point::Bound, _) if state != Some(State::Probing) => State::Bound,
            (Point::Freed, _) => {
                may(matches!(state, None | Some(State::Free)))?;
                devices.remove(&at);
                continue;
            }
            _ => continue,
        };
        let by = match point {
            Point::Probe => span.fetched.by,
            _ => known.and_then(|(_, by, ..)| by),
        };
        devices.insert(at, (next, by, span.pid, place));
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        30 probe 0
        31 probe 1
        30 bound 0
        30 probe_end 0
        31 cleanup 1
        31 probe_end 2
        9 unregister
        9 release 0
        9 remove 0
        9 cleanup 0
        9 release_end
        9 unregister_end
        8 freed 0
        32 probe 1
        32 probe_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(3));
        assert_eq!(check(&recording("")), Ok(0));
        // A device that was bound before the recording began.
        assert_eq!(check(&recording("9 remove 0\n 9 cleanup 0")), Ok(0));
    }

    #[test]
    fn two_probes_at_once() {
        let events = doctored(GOOD, "31 probe 1", "31 probe 0");
        assert_broken(
            check(&events),
            "31 probe dev=\"d.0\"".trim_start_matches("31 "),
        );
    }

    #[test]
    fn removed_twice_or_while_probing() {
        assert_broken(
            check(&doctored(GOOD, "9 cleanup 0", "9 remove 0\n 9 cleanup 0")),
            "remove dev=\"d.0\"",
        );
        assert_broken(
            check(&doctored(GOOD, "31 probe 1", "31 probe 1\n 9 remove 1")),
            "remove dev=\"d.1\"",
        );
        assert_broken(
            check(&doctored(GOOD, "31 cleanup 1", "9 cleanup 1")),
            "cleanup dev=\"d.1\"",
        );
        assert_broken(
            check(&doctored(GOOD, "9 cleanup 0", "7 cleanup 0")),
            "cleanup",
        );
    }

    #[test]
    fn removed_by_its_own_probe() {
        let removed = doctored(GOOD, "31 cleanup 1", "31 remove 1\n 31 cleanup 1");
        assert_broken(check(&removed), "remove dev=\"d.1\"");
        // `dev_groups_failed`.
        let text = GOOD.replace("31 probe_end 2", "31 probe_end -12");
        let removed = doctored(&text, "31 cleanup 1", "31 remove 1\n 31 cleanup 1");
        assert_eq!(check(&removed), Ok(3));
    }

    #[test]
    fn still_bound_when_the_driver_is_gone() {
        let events = doctored(GOOD, "31 probe_end 2", "31 probe_end 0");
        assert_broken(check(&events), "unregister_end");
    }

    #[test]
    fn freed_while_bound() {
        let events = doctored(GOOD, "9 unregister", "8 freed 0\n 9 unregister");
        assert_broken(check(&events), "freed");
    }
}
