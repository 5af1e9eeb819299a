// SPDX-License-Identifier: GPL-2.0

//! Removing a device during its probe waits for the probe, then unbinds the driver, and only then
//! returns.
//!
//! `drivers/base/core.c`, `device_del()`: `kill_device()` and, through `bus_remove_device()`,
//! `device_release_driver()` take the device lock, which the probe holds (`drivers/base/dd.c`).

use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::probe::probes;
use crate::{Event, What};

/// Judges the only call of `kind` on `on` that removes `device`, made while its probe is under way.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], kind: Kind, on: &str, device: &str) -> Result<(), Violation> {
    check_as("gone_during_probe", events, kind, on, device)
}

/// For a law in which a call of `kind` on `on` unbinds the device.
fn check_as(
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
        call remove d.0 9
        arrived 0 0
        ended 0 0
        removing 0
        unbound 0
        devres_released 0
        return remove d.0 9 0
        ended 1 0
    ";

    #[test]
    fn holds() {
        check(&log(GOOD), Kind::Remove, "d.0", "d.0").unwrap();
    }

    #[test]
    fn does_not_wait() {
        let early = GOOD
            .replace("return remove d.0 9 0\n", "")
            .replace("arrived 0 0\n", "return remove d.0 9 0\n arrived 0 0\n");
        let seen = check(&log(&early), Kind::Remove, "d.0", "d.0").unwrap_err();
        assert_eq!(seen.law, "gone_during_probe");
        assert_broken::<()>(Err(seen), "call_returned");
    }

    #[test]
    fn not_removed() {
        for line in ["removing 0", "unbound 0", "devres_released 0"] {
            let events = doctored(GOOD, line, "");
            assert_broken(check(&events, Kind::Remove, "d.0", "d.0"), "probe_ended");
        }
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&log(GOOD), Kind::Rmmod, "m", "d.0"), "0 of them");
        assert_broken(check(&log(GOOD), Kind::Remove, "d.0", "d.7"), "call_began");
    }
}
