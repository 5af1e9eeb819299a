// SPDX-License-Identifier: GPL-2.0

//! Sysfs `bind` and `drivers_probe` return after the probe, which ran in the writer's task, whatever
//! the probe type; so does whoever else calls the same functions.
//!
//! `drivers/base/dd.c`: `device_driver_attach()` (`bind`) and `device_attach()` (`drivers_probe`,
//! through `bus_rescan_devices_helper()`) probe themselves and schedule nothing.

use super::Bar;
use crate::laws::Violation;
use crate::recording::Point;
use crate::Event;

/// Judges every call of the two functions; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("manual_bind_sync", events);
    let mut cases = 0;
    // What says that the device has got its driver.
    for (point, success) in [(Point::Bind, 0), (Point::Attach, 1)] {
        for (at, call) in bar.of(point) {
            cases += 1;
            let device = call.fetched.at;
            let scheduled = bar
                .async_probes()
                .into_iter()
                .map(|probe| probe.scheduled)
                .find(|scheduled| {
                    scheduled.is_at(device)
                        && scheduled.pid == call.pid
                        && call.spans(scheduled.began)
                })
                .map(|scheduled| scheduled.began);
            bar.demand(
                scheduled.is_none(),
                format!("no async probe of {}", call.device()),
                &[call.began, scheduled.unwrap_or(usize::MAX), call.end()],
            )?;
            let probes: Vec<_> = bar
                .of_device(Point::Probe, device)
                .filter(|(_, probe)| call.spans(probe.began))
                .collect();
            for (_, probe) in &probes {
                bar.demand(
                    probe.end() < call.end() || call.ended.is_none(),
                    format!("{point} of {} to return after its probe", call.device()),
                    &[call.began, probe.began, probe.end(), call.end()],
                )?;
            }
            if call.ret == Some(success) && point == Point::Bind {
                let own = bar
                    .in_span(Point::Probe, at)
                    .any(|(_, probe)| probe.is_at(device) && probe.ret == Some(0));
                bar.demand(
                    own,
                    format!("a probe of {} in the task of the caller", call.device()),
                    &[call.began, call.end()],
                )?;
            }
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 bind 0
        9 probe 0
        9 probe_end 0
        9 bind_end 0
        9 bind 1
        9 bind_end -16
        8 attach 1
        8 probe 1
        8 probe_end 2
        8 attach_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(3));
    }

    #[test]
    fn another_task() {
        let other = GOOD
            .replace("9 probe 0", "30 probe 0")
            .replace("9 probe_end 0", "30 probe_end 0");
        assert_broken(check(&recording(&other)), "bind_end");
        assert_broken(
            check(&doctored(GOOD, "9 bind_end -16", "9 bind_end 0")),
            "bind",
        );
    }

    #[test]
    fn returns_early() {
        let early = GOOD
            .replace("8 probe 1", "30 probe 1")
            .replace("        8 probe_end 2\n", "");
        let early = altered(&early, "8 attach_end 0", "8 attach_end 0\n 30 probe_end 2");
        assert_broken(check(&recording(&early)), "attach_end");
    }

    #[test]
    fn schedules() {
        let events = doctored(GOOD, "8 attach 1", "8 attach 1\n 8 schedule_device 1");
        assert_broken(check(&events), "schedule_device");
    }
}
