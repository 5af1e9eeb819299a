// SPDX-License-Identifier: GPL-2.0

//! A device that goes while its asynchronous probe is scheduled and has not begun is not probed.

use std::thread::sleep;
use std::time::Duration;

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::ProbeType;

use crate::samples::{ensure_free, Driver, Sample, BUS, PLATFORM};
use crate::{ensure, modules, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Longer than an rmmod takes that does not wait.
const MOMENT: Duration = Duration::from_millis(100);

/// The module of the devices goes while nothing that is scheduled can begin. A device of the other
/// bus is probed afterwards: it tells that their probes would have come.
fn platform(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::PreferAsynchronous).to_string();
    let devices = format!("devices={DEVICES}");
    let mut parameters = [(PLATFORM.devices, devices), (PLATFORM.module, driver)];
    if order == Order::DriverFirst {
        parameters.reverse();
    }
    let [(first, of_first), (second, of_second)] = parameters;
    bench.insmod(BUS.devices, "devices=1")?;
    bench.insmod(first, &of_first)?;
    bench.occupy_workers()?;
    bench.insmod(second, &format!("{of_second} async_probe"))?;
    let witness = Driver::slow(Design::PreferAsync);
    bench.insmod(BUS.module, &format!("{witness} async_probe"))?;

    // When its exit function has returned, it waits for all that is scheduled.
    bench.rmmod_in_background(PLATFORM.devices);
    sysfs::wait_for("the devices to go", || PLATFORM.devices().is_empty())?;
    let gone = bench.printed()?.len();
    bench.free_workers()?;
    bench.join()?;
    bench.wait_for_ends(1)?;
    ensure("the devices", &modules::is_loaded(PLATFORM.devices), &false)?;
    for number in 0..DEVICES {
        bench.never_probed(gone, &PLATFORM.device(number), &BUS.device(0))?;
    }
    Ok(())
}

/// Device 0 is removed while nothing that is scheduled can begin. Device 1 is probed afterwards.
fn bus(bench: &mut Bench, design: Design, order: Order) -> Result<(), Failure> {
    let (device, witness) = (BUS.device(0), BUS.device(1));
    let driver = Driver::slow(design);
    match order {
        Order::DevicesFirst => {
            bench.insmod(BUS.devices, "devices=2")?;
            bench.occupy_workers()?;
            bench.insmod(BUS.module, &format!("{driver} async_probe"))?;
        }
        Order::DriverFirst => {
            bench.load(order, 0, driver, "")?;
            bench.occupy_workers()?;
            bench.add(Sample::from(design).second(order).0, 2)?;
        }
    }
    ensure("devices bound", &BUS.bound(2), &0)?;
    bench.write(Call::Remove, &device)?;
    let gone = bench.printed()?.len();
    ensure_free(&device)?;

    bench.free_workers()?;
    bench.wait_for_ends(1)?;
    ensure("devices", &BUS.devices(), &vec![witness.clone()])?;
    // It waits until the memory of every device is released.
    bench.rmmod(BUS.module)?;
    bench.rmmod(BUS.devices)?;
    bench.never_probed(gone, &device, &witness)
}

/// The bus itself goes while its devices are about to be registered.
fn bus_gone_before(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(BUS.devices, "devices=0")?;
    bench.occupy_workers()?;
    bench.add(Call::AddAsync, 2)?;
    ensure("devices", &BUS.devices(), &Vec::new())?;
    bench.rmmod_in_background(BUS.devices);
    // It waits for the functions that would have registered the devices.
    sleep(MOMENT);
    ensure("the bus", &modules::is_loaded(BUS.devices), &true)?;
    bench.free_workers()?;
    bench.join()?;
    ensure("the bus in sysfs", &BUS.exists(), &false)
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for order in Order::BOTH {
        tests.push(Test::new(
            format!("gone_before_probe: platform, {order}"),
            move |bench| platform(bench, order),
        ));
    }
    for (design, order) in [
        (Design::PreferAsync, Order::DevicesFirst),
        (Design::PreferAsync, Order::DriverFirst),
        (Design::ExclusiveAttach, Order::DevicesFirst),
        (Design::ExclusiveAttach, Order::DriverFirst),
        (Design::DriverAttach, Order::DevicesFirst),
        (Design::ModuleInit, Order::DevicesFirst),
        (Design::DeviceRegister, Order::DriverFirst),
    ] {
        tests.push(Test::new(
            format!("gone_before_probe: bus, {design}, {order}"),
            move |bench| bus(bench, design, order),
        ));
    }
    tests.push(Test::new(
        "gone_before_probe: the bus itself",
        bus_gone_before,
    ));
    tests
}
