// SPDX-License-Identifier: GPL-2.0

//! A write to sysfs `bind` or `drivers_probe` returns after the probe, which ran in the writer's
//! task, whatever the probe type.
//!
//! `drivers/base/dd.c`: `device_driver_attach()` (`bind`) and `device_attach()` (`drivers_probe`,
//! through `bus_rescan_devices_helper()` in `drivers/base/bus.c`) probe themselves.

use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::probe::probes;
use crate::Event;

/// Judges the only write of `device` to `bind` or `drivers_probe`, which binds it.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], kind: Kind, device: &str) -> Result<(), Violation> {
    let court = Court {
        law: "manual_bind_sync",
        events,
    };
    let (call, returned) = court.call(kind, device)?;
    let probes: Vec<_> = probes(events)
        .into_iter()
        .filter(|probe| probe.device == device && call.began < probe.began)
        .collect();
    let [probe] = probes.as_slice() else {
        return Err(court.broken(
            format!("one probe of {device} from the write on"),
            format!("{} of them", probes.len()),
        ));
    };
    court.demand(
        !probe.asynchronous && probe.pid == call.pid,
        format!("a probe in the task of the writer, pid {}", call.pid),
        court.at(probe.began),
    )?;
    court.demand(
        probe.ended.is_some_and(|ended| ended < returned),
        format!("{kind} to return after the probe of {device}"),
        probe.ended.map_or("no end of it".to_owned(), |ended| {
            format!("{} after it", court.at(ended))
        }),
    )?;
    court.demand(
        call.ret == Some(0) && probe.ret == Some(0),
        format!("probe and {kind} to succeed"),
        court.at(returned),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        async 0
        ended 0 0
        call bind d.0 9
        sync 0 9
        ended 0 -2
        return bind d.0 9 0
    ";

    fn good() -> String {
        GOOD.replace("-2", "0")
    }

    #[test]
    fn holds() {
        check(&log(&good()), Kind::Bind, "d.0").unwrap();
    }

    #[test]
    fn another_task() {
        assert_broken(
            check(
                &doctored(&good(), "sync 0 9", "sync 0 8"),
                Kind::Bind,
                "d.0",
            ),
            "pid=8",
        );
        let worker = good().replace("sync 0 9", "async 0");
        assert_broken(check(&log(&worker), Kind::Bind, "d.0"), "async=1");
    }

    #[test]
    fn returns_early() {
        let events = log("
            call bind d.0 9
            sync 0 9
            return bind d.0 9 0
            ended 0 0
        ");
        assert_broken(check(&events, Kind::Bind, "d.0"), "probe_ended");
    }

    #[test]
    fn fails() {
        assert_broken(check(&log(GOOD), Kind::Bind, "d.0"), "ret=0");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&log(&good()), Kind::DriversProbe, "d.0"), "0 of them");
        assert_broken(
            check(&doctored(&good(), "sync 0 9", ""), Kind::Bind, "d.0"),
            "0 of them",
        );
    }
}
