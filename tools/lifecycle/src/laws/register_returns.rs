// SPDX-License-Identifier: GPL-2.0

//! Registering a PREFER driver returns before any of its slow probes ends.
//!
//! `drivers/base/dd.c`, `__driver_attach()`: for a driver that allows asynchronous probing, the
//! probe of each device is scheduled with `async_schedule_dev()` and the device is left at that;
//! `driver_register()` does not wait.

use super::violation::Court;
use super::Violation;
use crate::{Event, ProbeType, What};

/// Judges the registration of `driver`, which is slow to probe and met `devices` devices.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], driver: &str, devices: usize) -> Result<(), Violation> {
    let court = Court {
        law: "register_returns",
        events,
    };
    let registered = events.iter().position(|event| {
        matches!(
            &event.what,
            What::Registered { driver: name, probe_type, ret: 0, .. }
                if name == driver && *probe_type == ProbeType::PreferAsynchronous
        )
    });
    let Some(registered) = registered else {
        return Err(court.broken(
            format!("a registration of {driver} as prefer_asynchronous"),
            "none",
        ));
    };
    for probe in court.first_probes(driver, devices)? {
        court.demand(
            probe.asynchronous,
            "probes in async workers",
            court.at(probe.began),
        )?;
        let ended = probe.ended.unwrap_or(usize::MAX);
        court.demand(
            registered < ended,
            format!(
                "the registration to return before the probe of {} ends",
                probe.device
            ),
            format!("{} before it", court.at(ended)),
        )?;
    }
    Ok(())
}

/// Judges the registration of `devices` devices, more than one, for which `driver` waits and is
/// slow to probe: each returned at once, so that the last probe begins before the first ends.
///
/// `drivers/base/dd.c`, `device_initial_probe()` schedules the probe and does not wait either.
///
/// # Errors
///
/// How the law was broken.
pub fn check_devices(events: &[Event], driver: &str, devices: usize) -> Result<(), Violation> {
    let court = Court {
        law: "register_returns",
        events,
    };
    court.demand(
        devices > 1,
        "devices enough to have an order",
        format!("{devices}"),
    )?;
    court.in_parallel(&court.first_probes(driver, devices)?)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        async 0
        registered prefer_asynchronous
        async 1
        ended 1 0
        ended 0 0
    ";

    #[test]
    fn holds() {
        check(&log(GOOD), "d", 2).unwrap();
    }

    #[test]
    fn a_probe_ends_first() {
        let events = log("
            async 0
            ended 0 0
            registered prefer_asynchronous
            async 1
            ended 1 0
        ");
        assert_broken(check(&events, "d", 2), "probe_ended dev=d.0");
    }

    #[test]
    fn the_registration_probes() {
        assert_broken(
            check(&doctored(GOOD, "async 0", "sync 0 9"), "d", 2),
            "async=0",
        );
    }

    #[test]
    fn the_devices_come_second() {
        let good = "
            registered prefer_asynchronous
            async 0
            async 1
            ended 1 0
            ended 0 0
        ";
        check_devices(&log(good), "d", 2).unwrap();
        assert_broken(
            check_devices(&doctored(good, "async 1", "sync 1 9"), "d", 2),
            "async=0",
        );
        let serial = log("async 0\n ended 0 0\n async 1\n ended 1 0");
        assert_broken(check_devices(&serial, "d", 2), "probe_began dev=d.1");
        assert_broken(check_devices(&log("async 0\n ended 0 0"), "d", 1), "1");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(
            check(&log("registered prefer_asynchronous"), "d", 2),
            "0 devices",
        );
        assert_broken(
            check(&doctored(GOOD, "ended 0 0", ""), "d", 2),
            "probe_began dev=d.0",
        );
        assert_broken(
            check(
                &doctored(
                    GOOD,
                    "registered prefer_asynchronous",
                    "registered default_strategy",
                ),
                "d",
                2,
            ),
            "none",
        );
        assert_broken(check(&log(GOOD), "e", 2), "none");
    }
}
