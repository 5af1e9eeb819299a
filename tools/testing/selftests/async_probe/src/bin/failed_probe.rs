// SPDX-License-Identifier: GPL-2.0

//! A failed probe calls no remove and leaves nothing bound; the other devices are untouched and
//! the device can be bound later.

use std::process::ExitCode;

use lifecycle::event::Call;
use lifecycle::laws::failed_probe;
use lifecycle::ProbeType;
use nix::errno::Errno;
use selftests::bench::{good_image, Driver};
use selftests::firmware_dir::FirmwareDir;
use selftests::{ensure, ktap, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

fn failed_probe(bench: &mut Bench, order: Order, probe_type: ProbeType) -> Result<(), Failure> {
    let failing = sysfs::device(1);
    if FirmwareDir::machine_has(&failing) {
        return Err(Failure::Skip(format!(
            "/lib/firmware has firmware for {failing}"
        )));
    }
    for device in [sysfs::device(0), sysfs::device(2)] {
        bench.firmware().put(&device, &good_image())?;
    }
    bench.load(order, DEVICES, Driver::slow(probe_type).own_files(), "")?;
    bench.wait_for_ends(DEVICES)?;

    ensure("driver of the device", &sysfs::driver_of(&failing), &None)?;
    ensure(
        "link of the driver to the device",
        &sysfs::driver_lists(&failing),
        &false,
    )?;
    let others_are_bound = || {
        [sysfs::device(0), sysfs::device(2)]
            .iter()
            .try_for_each(|device| {
                ensure(
                    &format!("driver of {device}"),
                    &sysfs::driver_of(device).as_deref(),
                    &Some(sysfs::DRIVER),
                )
            })
    };
    others_are_bound()?;

    // Without its firmware a bind fails again, and says why.
    ensure(
        "bind without firmware",
        &sysfs::write(Call::Bind, &failing)?,
        &Err(Errno::ENOENT),
    )?;
    ensure("driver of the device", &sysfs::driver_of(&failing), &None)?;

    bench.firmware().put(&failing, &good_image())?;
    bench.write(Call::Bind, &failing)?;
    ensure(
        "driver of the device after the repair",
        &sysfs::driver_of(&failing).as_deref(),
        &Some(sysfs::DRIVER),
    )?;
    others_are_bound()?;
    let enoent = -(Errno::ENOENT as i32);
    failed_probe::check(bench.events()?, sysfs::DRIVER, DEVICES, &[&failing], enoent)?;
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for probe_type in [ProbeType::PreferAsynchronous, ProbeType::ForceSynchronous] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("failed_probe: missing firmware, {probe_type}, {order}"),
                move |bench| failed_probe(bench, order, probe_type),
            ));
        }
    }
    ktap::run(tests)
}
