// SPDX-License-Identifier: GPL-2.0

//! Unbind during a probe waits for it; then remove, then the Rust driver data is dropped, then
//! devres is released, and only then unbind returns.
//!
//! `drivers/base/dd.c`: `device_driver_detach()` takes the device lock, which the probe holds.
//! `__device_release_driver()` then calls `device_remove()` and `device_unbind_cleanup()`, which
//! drops the driver data (`post_unbind_rust`) before `devres_release_all()`.

use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::probe::probes;
use crate::{Event, What};

/// Judges the only write of `device` to `unbind`, made while its probe is under way.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], device: &str) -> Result<(), Violation> {
    check_as("unbind_waits", events, Kind::Unbind, device, device)
}

/// The same for another law, in which a call of `kind` on `on` unbinds the device.
pub(super) fn check_as(
    law: &'static str,
    events: &[Event],
    kind: Kind,
    on: &str,
    device: &str,
) -> Result<(), Violation> {
    let court = Court { law, events };
    let (call, returned) = court.call(kind, on)?;
    let probe = probes(events)
        .into_iter()
        .rfind(|probe| probe.device == device && probe.began < call.began);
    let Some(probe) = probe else {
        return Err(court.broken("a probe under way", court.at(call.began)));
    };
    court.demand(
        probe.ended.is_some_and(|ended| call.began < ended),
        format!("{kind} of {on} during the probe of {device}"),
        court.at(call.began),
    )?;
    court.demand(
        probe.ret == Some(0) && call.ret == Some(0),
        format!("probe and {kind} to succeed"),
        court.at(returned),
    )?;

    // All that happens to the device from the end of the probe until unbind returns.
    let ended = probe.ended.unwrap_or(usize::MAX);
    let happened: Vec<_> = events
        .iter()
        .enumerate()
        .filter(|(at, event)| {
            probe.began < *at && (event.what.device() == Some(device) || *at == returned)
        })
        .filter(|(at, event)| *at >= ended || !matches!(event.what, What::FirmwareArrived { .. }))
        .take(5)
        .collect();
    let in_order = matches!(
        happened
            .iter()
            .map(|(_, event)| &event.what)
            .collect::<Vec<_>>()[..],
        [
            What::ProbeEnded { .. },
            What::Removing { .. },
            What::Unbound { .. },
            What::DevresReleased { .. },
            What::CallReturned { .. }
        ]
    );
    court.demand(
        in_order,
        format!("probe_ended, removing, unbound, devres_released, return of {kind}"),
        happened
            .iter()
            .map(|(_, event)| event.to_string())
            .collect::<Vec<_>>()
            .join("; "),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        async 0
        async 1
        call unbind d.0 9
        arrived 0 0
        ended 1 0
        ended 0 0
        removing 0
        unbound 0
        devres_released 0
        return unbind d.0 9 0
        removing 1
    ";

    #[test]
    fn holds() {
        check(&log(GOOD), "d.0").unwrap();
    }

    #[test]
    fn every_other_order_is_broken() {
        let lines: Vec<_> = GOOD
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .collect();
        // From the end of the probe of d.0 to the return of unbind.
        for first in 5..9 {
            let mut swapped = lines.clone();
            swapped.swap(first, first + 1);
            let verdict = check(&log(&swapped.join("\n")), "d.0");
            assert!(verdict.is_err(), "{swapped:?}");
        }
    }

    #[test]
    fn what_is_missing_or_twice() {
        for line in ["removing 0", "unbound 0", "devres_released 0"] {
            assert_broken(check(&doctored(GOOD, line, ""), "d.0"), "probe_ended");
            let twice = format!("{line}\n{line}");
            assert_broken(check(&doctored(GOOD, line, &twice), "d.0"), "probe_ended");
        }
    }

    #[test]
    fn unbind_came_late() {
        let events = log("
            async 0
            ended 0 0
            call unbind d.0 9
            removing 0
            unbound 0
            devres_released 0
            return unbind d.0 9 0
        ");
        assert_broken(check(&events, "d.0"), "call_began");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&log(""), "d.0"), "0 of them");
        assert_broken(check(&doctored(GOOD, "async 0", ""), "d.0"), "call_began");
    }
}
