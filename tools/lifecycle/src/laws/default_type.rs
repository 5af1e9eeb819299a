// SPDX-License-Identifier: GPL-2.0

//! A DEFAULT driver is probed synchronously, unless the module parameter `async_probe` or
//! `driver_async_probe=` on the command line asks; FORCE ignores both.
//!
//! `drivers/base/dd.c`, `driver_allows_async_probing()`.

use super::violation::Court;
use super::{force_sync, Violation};
use crate::call::Kind;
use crate::Event;

/// How the driver is expected to be probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// In the task of insmod, one after the other.
    Synchronous,
    /// In async workers, all at once.
    Asynchronous,
}

/// Judges the insmod of `module`, the driver's or the devices', which makes `driver` probe
/// `devices` devices, more than one. The probes must be slow.
///
/// # Errors
///
/// How the law was broken.
pub fn check(
    events: &[Event],
    module: &str,
    driver: &str,
    devices: usize,
    strategy: Strategy,
) -> Result<(), Violation> {
    const LAW: &str = "default_type";
    if strategy == Strategy::Synchronous {
        return force_sync::check_as(LAW, events, module, driver, devices);
    }

    let court = Court { law: LAW, events };
    let (call, _) = court.call(Kind::Insmod, module)?;
    let probes = court.first_probes(driver, devices)?;
    for probe in &probes {
        court.demand(
            probe.pid != call.pid,
            format!("no probe in pid {}", call.pid),
            court.at(probe.began),
        )?;
    }
    court.in_parallel(&probes)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const SYNC: &str = "
        call insmod m 9
        sync 0 9
        ended 0 0
        sync 1 9
        ended 1 0
        registered default_strategy
        return insmod m 9 0
    ";

    const ASYNC: &str = "
        call insmod m 9
        registered default_strategy
        return insmod m 9 0
        async 0
        async 1
        ended 0 0
        ended 1 0
    ";

    #[test]
    fn holds() {
        check(&log(SYNC), "m", "d", 2, Strategy::Synchronous).unwrap();
        check(&log(ASYNC), "m", "d", 2, Strategy::Asynchronous).unwrap();
    }

    #[test]
    fn the_other_way_round() {
        assert_broken(
            check(&log(SYNC), "m", "d", 2, Strategy::Asynchronous),
            "async=0",
        );
        assert_broken(
            check(&log(ASYNC), "m", "d", 2, Strategy::Synchronous),
            "async=1",
        );
    }

    #[test]
    fn one_of_them_differs() {
        let check = |events: &[Event]| check(events, "m", "d", 2, Strategy::Asynchronous);
        assert_broken(check(&doctored(ASYNC, "async 1", "sync 1 9")), "async=0");
        assert_broken(check(&doctored(ASYNC, "ended 1 0", "")), "dev=d.1");
        let serial = log("
            call insmod m 9
            return insmod m 9 0
            async 0
            ended 0 0
            async 1
            ended 1 0
        ");
        assert_broken(check(&serial), "probe_began dev=d.1");
    }
}
