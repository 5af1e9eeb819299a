// SPDX-License-Identifier: GPL-2.0

//! No device is probed before its addition has made it ready.

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "ready_before_probe",
    promise: "No probe of a device begins before its addition has announced it to userspace, \
              whatever other tasks load meanwhile. A task that registers a driver while the device \
              is being added does not probe it yet; the task that adds it does so afterwards.",
    kernel:
        "drivers/base/core.c: device_add() calls dev_set_ready_to_probe() after it has sent the \
             uevent. drivers/base/dd.c: __driver_probe_device() returns -EPROBE_DEFER before that. \
             Linux 7.2 has no such check: there the law is broken if a driver is registered in the \
             moment between bus_add_device() and the uevent.",
    mend:
        "Code that calls the probe of a driver by itself, without the driver core, probes a device \
           that is not ready. Call device_attach() or device_driver_attach().",
    needs: &[Sight::Probes, Sight::Devices, Sight::Uevents],
    check,
    mutants: &[Mutant::doctored("too_early", too_early)],
};

/// Judges the first probe of each device whose addition is in the log.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let mut cases = 0;
    for (add, ready, probe) in first_probes(court.life) {
        cases += 1;
        court.demand(
            ready < probe.began,
            format!("the uevent of {} before its first probe", add.on),
            &[add.began, probe.began, ready],
        )?;
    }
    Ok(cases)
}

/// The additions, where each sends its uevent, and the first probes of what was added.
fn first_probes(life: &Life) -> impl Iterator<Item = (&Span, usize, &Span)> {
    life.of(Kind::Add).filter_map(|(at, add)| {
        let (_, ready) = life
            .inside(Kind::Uevent, at)
            .find(|(_, uevent)| uevent.same_device(add) && uevent.on == "add")?;
        let mut probes = life.about(add, Kind::Probe);
        let first = probes.find(|probe| add.began < probe.began)?;
        Some((add, ready.began, first))
    })
}

/// A device is announced after its probe has begun.
fn too_early(life: &Life) -> Option<Vec<Event>> {
    let (_, ready, probe) =
        first_probes(life).find(|(add, _, probe)| probe.began < add.end_place())?;
    Draft::of(life).shift(ready, probe.began).done()
}
