// SPDX-License-Identifier: GPL-2.0

//! The probes of a FORCE driver run one after the other in the task that registers, the driver or
//! the devices; register and insmod return after the last.
//!
//! `drivers/base/dd.c`, `driver_allows_async_probing()`: never for `PROBE_FORCE_SYNCHRONOUS`, so
//! that `__driver_attach()` and `__device_attach()` call `driver_probe_device()` themselves.

use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::{Event, What};

/// Judges the insmod of `module`, the driver's or the devices', which makes `driver` probe
/// `devices` devices, more than one.
///
/// # Errors
///
/// How the law was broken.
pub fn check(
    events: &[Event],
    module: &str,
    driver: &str,
    devices: usize,
) -> Result<(), Violation> {
    check_as("force_sync", events, module, driver, devices)
}

/// Judges the only call of `kind` on `on`, which brings the devices that `driver` probes.
///
/// # Errors
///
/// How the law was broken.
pub fn check_call(
    events: &[Event],
    kind: Kind,
    on: &str,
    driver: &str,
    devices: usize,
) -> Result<(), Violation> {
    check_call_as("force_sync", events, kind, on, driver, devices)
}

/// The same for another law that expects synchronous probes.
pub(super) fn check_as(
    law: &'static str,
    events: &[Event],
    module: &str,
    driver: &str,
    devices: usize,
) -> Result<(), Violation> {
    check_call_as(law, events, Kind::Insmod, module, driver, devices)
}

/// The same for any call.
fn check_call_as(
    law: &'static str,
    events: &[Event],
    kind: Kind,
    on: &str,
    driver: &str,
    devices: usize,
) -> Result<(), Violation> {
    let court = Court { law, events };
    let (call, returned) = court.call(kind, on)?;
    let probes = court.first_probes(driver, devices)?;
    court.demand(
        devices > 1,
        "devices enough to have an order",
        format!("{devices}"),
    )?;

    let mut free = call.began;
    for probe in &probes {
        court.demand(
            !probe.asynchronous && probe.pid == call.pid,
            format!("probes in the task of {kind} {on}, pid {}", call.pid),
            court.at(probe.began),
        )?;
        court.demand(
            free < probe.began,
            format!(
                "the probe of {} to begin after the one before has ended",
                probe.device
            ),
            format!("it began before {}", court.at(free)),
        )?;
        free = probe.ended.unwrap_or(usize::MAX);
    }
    court.demand(
        free < returned,
        format!("{kind} of {on} to return after the last probe"),
        format!("{} after it", court.at(free)),
    )?;

    // Where the driver came first, its registration has nothing to wait for.
    let registered = events.iter().position(
        |event| matches!(&event.what, What::Registered { driver: name, .. } if name == driver),
    );
    if let Some(registered) = registered.filter(|at| (call.began..returned).contains(at)) {
        court.demand(
            free < registered,
            format!("the registration of {driver} to return after the last probe"),
            format!("{} after it", court.at(free)),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        call insmod m 9
        sync 0 9
        ended 0 0
        sync 1 9
        ended 1 0
        registered force_synchronous
        return insmod m 9 0
    ";

    #[test]
    fn holds() {
        check(&log(GOOD), "m", "d", 2).unwrap();
    }

    #[test]
    fn holds_where_the_driver_came_first() {
        let events = log("
            call insmod driver 8
            registered force_synchronous
            return insmod driver 8 0
            call insmod m 9
            sync 0 9
            ended 0 0
            sync 1 9
            ended 1 0
            return insmod m 9 0
        ");
        check(&events, "m", "d", 2).unwrap();
    }

    #[test]
    fn holds_for_a_write() {
        let events = log(&GOOD.replace("insmod m", "add m"));
        check_call(&events, Kind::Add, "m", "d", 2).unwrap();
        assert_broken(check(&events, "m", "d", 2), "0 of them");
    }

    #[test]
    fn another_task() {
        assert_broken(
            check(&doctored(GOOD, "sync 1 9", "sync 1 8"), "m", "d", 2),
            "pid=8",
        );
        assert_broken(
            check(&doctored(GOOD, "sync 1 9", "async 1"), "m", "d", 2),
            "async=1",
        );
    }

    #[test]
    fn at_once() {
        let events = log("
            call insmod m 9
            sync 0 9
            sync 1 9
            ended 0 0
            ended 1 0
            registered force_synchronous
            return insmod m 9 0
        ");
        assert_broken(check(&events, "m", "d", 2), "it began before");
    }

    #[test]
    fn returns_early() {
        let register = GOOD.replace("registered force_synchronous\n", "");
        let register = register.replace("sync 1 9\n", "sync 1 9\n registered force_synchronous\n");
        assert_broken(check(&log(&register), "m", "d", 2), "ended dev=d.1");

        let insmod = GOOD.replace("return insmod m 9 0\n", "");
        let insmod = insmod.replace("sync 1 9\n", "sync 1 9\n return insmod m 9 0\n");
        assert_broken(check(&log(&insmod), "m", "d", 2), "ended dev=d.1");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&log(""), "m", "d", 2), "0 of them");
        assert_broken(check(&log(GOOD), "m", "d", 3), "2 devices");
        let one = log("call insmod m 9\n sync 0 9\n ended 0 0\n return insmod m 9 0");
        assert_broken(check(&one, "m", "d", 1), "1");
    }
}
