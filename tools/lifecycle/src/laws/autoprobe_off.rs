// SPDX-License-Identifier: GPL-2.0

//! Without `drivers_autoprobe` nothing is bound unasked.

use super::manual_bind_sync::check_write_as;
use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "autoprobe_off",
    promise:
        "While drivers_autoprobe of a bus is 0, neither the registration of a driver nor that \
              of a device binds a device. A write to drivers_probe binds the device, and probes in \
              the task of the writer.",
    kernel:
        "drivers/base/bus.c: bus_add_driver() and bus_probe_device() look at drivers_autoprobe, \
             drivers_probe_store() does not.",
    mend: "A driver or bus that attaches devices itself (driver_attach(), device_attach()) breaks \
           it. Leave the matching to the driver core, or look at drivers_autoprobe first.",
    // No log shows a write to drivers_autoprobe.
    needs: &[
        Sight::Probes,
        Sight::Registrations,
        Sight::Sysfs,
        Sight::Expectation,
    ],
    check: |_| Ok(0),
    mutants: &[Mutant::live("autoprobe_is_ignored")],
};

/// Judges a life in which `driver` and its devices were there without `drivers_autoprobe`, and in
/// which a write to `drivers_probe` binds `device`.
///
/// # Errors
///
/// How the law was broken.
pub fn check(life: &Life, driver: &str, device: &str) -> Result<(), Violation> {
    let court = Court::of(LAW.name, life);
    let call = court.call(Call::DriversProbe, device)?;
    let mut probes = life.each(Kind::Probe);
    let unasked = probes.find(|probe| probe.began < call.began || probe.on != device);
    court.demand(
        unasked.is_none(),
        format!("no probe but that of {device}, when asked"),
        unasked.map(|probe| probe.began).as_slice(),
    )?;
    let registered = life.each(Kind::Register).any(|register| {
        register.on == driver && register.ret == Some(0) && register.end_place() < call.began
    });
    let expected = format!("{driver} to be registered first");
    court.demand_seen(registered, expected, "it is not")?;
    check_write_as(&LAW, life, Call::DriversProbe, device)
}
