// SPDX-License-Identifier: GPL-2.0

//! Unbind during a probe waits for it; then remove, drop of the driver data, release of devres.

use std::process::ExitCode;

use lifecycle::event::Call;
use lifecycle::laws::unbind_waits;
use lifecycle::ProbeType;
use selftests::bench::{good_image, Driver};
use selftests::firmware_dir::FirmwareDir;
use selftests::{ensure, ktap, modules, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 2;

/// Unbinds device 0, whose probe is under way, and looks at what is left.
fn unbind_waits(bench: &mut Bench) -> Result<(), Failure> {
    let device = sysfs::device(0);
    bench.write(Call::Unbind, &device)?;
    ensure("driver after unbind", &sysfs::driver_of(&device), &None)?;
    ensure(
        "link of the driver after unbind",
        &sysfs::driver_lists(&device),
        &false,
    )?;
    bench.keeps(&unbind_waits::LAW, 1)?;

    bench.join()?;
    bench.wait_for_ends(DEVICES)?;
    let other = sysfs::device(1);
    ensure(
        "driver of the other device",
        &sysfs::driver_of(&other).as_deref(),
        &Some(sysfs::DRIVER),
    )
}

fn async_probe(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.load(order, DEVICES, driver, "async_probe")?;
    bench.wait_for_probe(&sysfs::device(0))?;
    unbind_waits(bench)
}

/// The driver comes first: it has no `unbind` in sysfs before its registration returns
/// (`drivers/base/bus.c`, `bus_add_driver()`), which it does after the sync probes of the devices
/// that are there already.
fn sync_probe(bench: &mut Bench) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::ForceSynchronous);
    bench.insmod(modules::DRIVER, &driver.to_string())?;
    bench.insmod_in_background(modules::DEVICES, &format!("devices={DEVICES}"));
    bench.wait_for_probe(&sysfs::device(0))?;
    unbind_waits(bench)
}

/// The probe is that of a bind in another task.
fn manual_bind(bench: &mut Bench) -> Result<(), Failure> {
    let device = sysfs::device(0);
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    if FirmwareDir::machine_has(&device) {
        return Err(Failure::Skip(format!(
            "/lib/firmware has firmware for {device}"
        )));
    }
    // The files decide who is bound at first.
    bench.firmware().put(&sysfs::device(1), &good_image())?;
    bench.load(Order::DevicesFirst, DEVICES, driver.own_files(), "")?;
    ensure("driver without firmware", &sysfs::driver_of(&device), &None)?;

    bench.firmware().put(&device, &good_image())?;
    bench.write_in_background(Call::Bind, &device);
    bench.wait("the second probe of device 0 to begin", |events| {
        let probes = lifecycle::probe::probes(events);
        probes.iter().filter(|probe| probe.device == device).count() == 2
    })?;
    unbind_waits(bench)
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for order in Order::BOTH {
        tests.push(Test::new(
            format!("unbind_waits: during an async probe, {order}"),
            move |bench| async_probe(bench, order),
        ));
    }
    tests.push(Test::new(
        "unbind_waits: during a sync probe, driver first",
        sync_probe,
    ));
    tests.push(Test::new("unbind_waits: during a manual bind", manual_bind));
    ktap::run(tests)
}
