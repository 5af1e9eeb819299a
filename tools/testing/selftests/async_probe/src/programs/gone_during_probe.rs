// SPDX-License-Identifier: GPL-2.0

//! The removal of a device waits for its probe; then come remove, drop of the driver data, release
//! of devres.

//@ boots: two_nodes

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::gone_during_probe;
use lifecycle::{Event, ProbeType, What};
use nix::errno::Errno;

use crate::samples::{designs, write, Driver, Sample, BUS, PLATFORM};
use crate::{ensure, Bench, Failure, Order, Test};

/// The module of the devices goes, and all of them with it.
fn platform(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    const DEVICES: usize = 3;
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.load(order, DEVICES, driver, "async_probe")?;
    for number in 0..DEVICES {
        bench.wait_for_probe(&PLATFORM.device(number))?;
    }
    bench.rmmod(PLATFORM.devices)?;
    bench.keeps(&gone_during_probe::LAW, DEVICES)
}

/// One of two devices is removed.
fn bus(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    let (sample, device) = (Sample::from(design), BUS.device(0));
    bench.take_off(sample.order(), 2, Driver::slow(sample))?;
    bench.write(Call::Remove, &device)?;
    bench.keeps(&gone_during_probe::LAW, 1)?;
    bench.wait_for_ends(2)?;
    ensure("devices", &BUS.devices(), &vec![BUS.device(1)])
}

/// A device is there to be removed when its registration has returned. Until then the removal is
/// refused, and the device is none the worse for it.
fn being_added(bench: &mut Bench) -> Result<(), Failure> {
    let device = BUS.device(0);
    bench.take_off(Order::DriverFirst, 2, Driver::slow(Design::Sync))?;
    ensure(
        "remove during the registration",
        &write(Call::Remove, &device)?,
        &Err(Errno::EBUSY),
    )?;
    bench.join()?;
    ensure("devices bound", &BUS.bound(2), &2)?;
    bench.write(Call::Remove, &device)?;
    ensure("devices", &BUS.devices(), &vec![BUS.device(1)])
}

/// Asynchronous removal returns at once; the device goes after its probe.
fn remove_async(bench: &mut Bench) -> Result<(), Failure> {
    let device = BUS.device(0);
    bench.take_off(Order::DriverFirst, 2, Driver::slow(Design::DeviceRegister))?;
    bench.write(Call::RemoveAsync, &device)?;
    let of_device = |events: &[Event], wanted: fn(&What) -> bool| {
        events
            .iter()
            .any(|event| event.what.device() == Some("slow.0") && wanted(&event.what))
    };
    let ended = of_device(bench.events()?, |what| {
        matches!(what, What::ProbeEnded { .. })
    });
    ensure("the probe has ended at the return", &ended, &false)?;
    bench.wait("the device to be unbound", |events| {
        of_device(events, |what| matches!(what, What::DevresReleased { .. }))
    })?;
    BUS.wait_for_devices(1)?;
    ensure("devices", &BUS.devices(), &vec![BUS.device(1)])?;
    // Its number is free again.
    bench.add(Call::AddAsync, 1)?;
    BUS.wait_for_devices(2)
}

/// Devices of which there are none cannot be removed.
fn no_such_device(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(BUS.devices, "devices=1")?;
    let enodev = Err(Errno::ENODEV);
    for call in [Call::Remove, Call::RemoveAsync] {
        let what = format!("{call} of slow.7");
        ensure(&what, &write(call, "slow.7")?, &enodev)?;
    }
    bench.write(Call::Remove, "slow.0")?;
    let again = write(Call::Remove, "slow.0")?;
    ensure("a second remove", &again, &enodev)?;
    let count = crate::sysfs::read(&format!("{}/count", BUS.path))?;
    ensure("count", &count.as_str(), &"0")
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for order in Order::BOTH {
        tests.push(Test::new(
            format!("gone_during_probe: platform, {order}"),
            move |bench| platform(bench, order),
        ));
    }
    for design in designs().into_iter().filter(|one| *one != Design::Sync) {
        tests.push(Test::new(
            format!("gone_during_probe: bus, {design}"),
            move |bench| bus(bench, design),
        ));
    }
    tests.push(Test::new(
        "gone_during_probe: bus, sync, while it is added",
        being_added,
    ));
    tests.push(Test::new(
        "gone_during_probe: bus, remove_async",
        remove_async,
    ));
    tests.push(Test::new(
        "gone_during_probe: no device to remove",
        no_such_device,
    ));
    tests
}
