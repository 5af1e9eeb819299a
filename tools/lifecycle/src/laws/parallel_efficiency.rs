// SPDX-License-Identifier: GPL-2.0

//! PREFER devices are probed in parallel.

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "parallel_efficiency",
    promise: "The devices of a driver with PROBE_PREFER_ASYNCHRONOUS are probed at the same time. \
              From the call of the registration until all are bound it takes little longer than the \
              slowest probe.",
    kernel: "drivers/base/dd.c: __driver_attach() schedules the probe of every device at once; \
             kernel/async.c runs them on an unbound workqueue.",
    mend: "A lock or a resource that all probes need serialises them. Hold it only while it is used.",
    // How slow the probes are, and what is little.
    needs: &[Sight::Probes, Sight::Registrations, Sight::Expectation],
    check: |_| Ok(0),
    mutants: &[],
};

/// Judges the first probes of `driver` that belong together, and returns their parallel efficiency:
/// the slowest probe over the time until all devices are bound.
///
/// # Errors
///
/// How the law was broken.
pub fn check(life: &Life, driver: &str, devices: usize, at_least: f64) -> Result<f64, Violation> {
    let court = Court::of(LAW.name, life);
    let waves = life.waves();
    let Some(wave) = waves.iter().find(|wave| wave.driver == driver) else {
        return Err(court.broken(format!("probes by {driver}"), "none", &life.events));
    };
    court.demand_seen(
        devices > 1 && wave.total.bound == devices,
        format!("{devices} devices bound"),
        format!("{} devices bound", wave.total.bound),
    )?;
    court.demand_seen(
        wave.total.at_once == devices,
        format!("{devices} probes at once"),
        format!("{} probes at once", wave.total.at_once),
    )?;
    let efficiency = wave.efficiency.unwrap_or(0.0);
    court.demand_seen(
        efficiency >= at_least,
        format!("parallel efficiency of {at_least:.2} or better"),
        format!("{efficiency:.4}"),
    )?;
    Ok(efficiency)
}

#[cfg(test)]
mod tests {
    use super::super::test_life::seen;
    use super::*;
    use crate::parse::dmesg::parse;
    use crate::Probing;

    fn life(begins: u32, all: u32) -> Life {
        let events = parse(&format!(
            "\
[    1.001000] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=1.000
[    1.002000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=3 task=k
[    1.{begins:06}] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=0 pid=4 task=k
[    1.100000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=98.000
[    1.{all:06}] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=98.000
"
        ));
        Life::new(events.unwrap(), Probing::Once)
    }

    #[test]
    fn holds() {
        assert_eq!(check(&life(2_000, 100_000), "d", 2, 0.98), Ok(0.98));
    }

    #[test]
    fn broken() {
        let none = Life::new(vec![], Probing::Once);
        for (life, devices, at_least, says) in [
            (none, 2, 0.98, "none"),
            (life(2_000, 100_000), 3, 0.98, "2 devices bound"),
            (life(2_000, 101_000), 2, 0.98, "0.9703"),
            (life(100_000, 198_000), 2, 0.1, "1 probes at once"),
        ] {
            let verdict = check(&life, "d", devices, at_least);
            assert_eq!(seen(verdict.map(drop)), says);
        }
    }
}
