// SPDX-License-Identifier: GPL-2.0

//! PREFER devices are probed in parallel: from the call of the registration until all are bound it
//! takes little longer than the slowest probe.
//!
//! `drivers/base/dd.c`, `__driver_attach()` schedules every device's probe at once;
//! `kernel/async.c` runs them on an unbound workqueue.

use super::violation::Court;
use super::Violation;
use crate::timing::runs;
use crate::Event;

/// Judges the first run of `driver` in the log, and returns its parallel efficiency.
///
/// # Errors
///
/// How the law was broken.
pub fn check(
    events: &[Event],
    driver: &str,
    devices: usize,
    at_least: f64,
) -> Result<f64, Violation> {
    let court = Court {
        law: "parallel_efficiency",
        events,
    };
    let runs = runs(events);
    let Some(run) = runs.iter().find(|run| run.driver == driver) else {
        return Err(court.broken(format!("a registration of {driver}"), "none"));
    };
    court.demand(
        devices > 1 && run.bound() == devices,
        format!("{devices} devices bound"),
        format!("{} devices bound", run.bound()),
    )?;
    court.demand(
        run.at_once() == devices,
        format!("{devices} probes at once"),
        format!("{} probes at once", run.at_once()),
    )?;
    let efficiency = run.efficiency().unwrap_or(0.0);
    court.demand(
        efficiency >= at_least,
        format!("parallel efficiency of {at_least:.2} or better"),
        format!("{efficiency:.4}"),
    )?;
    Ok(efficiency)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::assert_broken;
    use super::*;
    use crate::parse::dmesg::parse;

    fn log(begins: u32, all: u32) -> Vec<Event> {
        parse(&format!(
            "\
[    1.001000] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=1.000
[    1.002000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=3 task=k
[    1.{begins:06}] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=0 pid=4 task=k
[    1.100000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=98.000
[    1.{all:06}] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=98.000
"
        ))
        .unwrap()
    }

    #[test]
    fn holds() {
        assert_eq!(check(&log(2_000, 100_000), "d", 2, 0.98), Ok(0.98));
    }

    #[test]
    fn too_slow() {
        assert_broken(check(&log(2_000, 101_000), "d", 2, 0.98), "0.9703");
    }

    #[test]
    fn one_after_the_other() {
        assert_broken(
            check(&log(100_000, 198_000), "d", 2, 0.1),
            "1 probes at once",
        );
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&[], "d", 2, 0.98), "none");
        assert_broken(check(&log(2_000, 100_000), "d", 3, 0.98), "2 devices bound");
    }
}
