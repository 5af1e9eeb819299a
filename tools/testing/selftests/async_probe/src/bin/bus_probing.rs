// SPDX-License-Identifier: GPL-2.0

//! On the sample bus the laws hold that hold on the platform bus: register_returns, insmod_waits,
//! force_sync, manual_bind_sync, unbind_waits, failed_probe, autoprobe_off.

use std::process::ExitCode;
use std::time::Duration;

use lifecycle::event::Call;
use lifecycle::laws::insmod_waits::{self, Insmod};
use lifecycle::laws::{
    autoprobe_off, failed_probe, force_sync, manual_bind_sync, register_returns, unbind_waits,
};
use lifecycle::What;
use nix::errno::Errno;
use selftests::bench::good_image;
use selftests::slow_bus::{self, Design, Driver, BUS_MODULE, DRIVER, DRIVER_MODULE};
use selftests::{ensure, ktap, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

fn register_returns(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    bench.load_bus(order, DEVICES, Driver::slow(Design::PreferAsync), "")?;
    bench.wait_for_ends(DEVICES)?;
    let events = bench.events()?;
    match order {
        Order::DevicesFirst => register_returns::check(events, DRIVER, DEVICES)?,
        Order::DriverFirst => register_returns::check_devices(events, DRIVER, DEVICES)?,
    }
    Ok(())
}

/// The driver's insmod; then that of the bus, which registers devices, cannot come second.
fn insmod_waits(bench: &mut Bench, parameter: &str, insmod: Insmod) -> Result<(), Failure> {
    let driver = Driver::slow(Design::PreferAsync);
    bench.load_bus(Order::DevicesFirst, DEVICES, driver, parameter)?;
    bench.wait_for_ends(DEVICES)?;
    insmod_waits::check(bench.events()?, DRIVER_MODULE, DRIVER, DEVICES, insmod)?;
    Ok(())
}

fn force_sync(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let design = Design::Sync;
    bench.load_bus(order, DEVICES, Driver::slow(design), "async_probe")?;
    let (call, on) = design.second(order);
    force_sync::check_call(bench.events()?, call, on, DRIVER, DEVICES)?;
    Ok(())
}

fn manual_bind_sync(bench: &mut Bench, design: Design, call: Call) -> Result<(), Failure> {
    let device = slow_bus::device(0);
    let order = match design {
        Design::DeviceRegister => Order::DriverFirst,
        _ => Order::DevicesFirst,
    };
    bench.load_bus(order, 1, Driver::slow(design), "async_probe")?;
    bench.wait_for_ends(1)?;
    bench.call_bus(Call::Unbind, &device)?;
    ensure("driver after unbind", &slow_bus::driver_of(&device), &None)?;
    bench.call_bus(call, &device)?;
    ensure(
        "driver after the write",
        &slow_bus::driver_of(&device).as_deref(),
        &Some(DRIVER),
    )?;
    manual_bind_sync::check(bench.events()?, call, &device)?;
    Ok(())
}

/// Unbinds device 0 during its probe, in a design in which there is something to unbind.
fn unbind_waits(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    let device = slow_bus::device(0);
    let driver = Driver::slow(design);
    match design {
        Design::Sync | Design::DriverAttach | Design::ModuleInit => {
            // The driver has no `unbind` before its registration returns.
            bench.load_bus(Order::DriverFirst, 0, driver, "")?;
            bench.wait("the driver to be registered", |events| {
                events
                    .iter()
                    .any(|event| matches!(event.what, What::Registered { .. }))
            })?;
            bench.in_background(|| slow_bus::add(Call::Add, DEVICES));
        }
        _ => bench.load_bus(Order::DriverFirst, DEVICES, driver, "async_probe")?,
    }
    bench.wait_for_probe(&device)?;
    bench.call_bus(Call::Unbind, &device)?;
    ensure("driver after unbind", &slow_bus::driver_of(&device), &None)?;
    bench.keeps(&unbind_waits::LAW, 1)?;
    bench.join()?;
    bench.wait_for_ends(DEVICES)?;
    slow_bus::wait_for("the others to be bound", || {
        slow_bus::bound(DEVICES) == DEVICES - 1
    })
}

/// The attach work of a driver goes on with the next device when one is unbound. The driver has no
/// `unbind` in sysfs before its registration returns, after which the work begins.
fn unbind_beside_the_work(bench: &mut Bench) -> Result<(), Failure> {
    let device = slow_bus::device(0);
    let driver = Driver::slow(Design::DriverAttach);
    bench.load_bus(Order::DevicesFirst, DEVICES, driver, "")?;
    bench.wait_for_probe(&device)?;
    bench.call_bus(Call::Unbind, &device)?;
    bench.keeps(&unbind_waits::LAW, 1)?;
    bench.wait_for_ends(DEVICES)?;
    slow_bus::wait_for("the others to be bound", || {
        slow_bus::bound(DEVICES) == DEVICES - 1
    })
}

fn failed_probe(bench: &mut Bench, design: Design, order: Order) -> Result<(), Failure> {
    let failing = slow_bus::device(1);
    for device in [slow_bus::device(0), slow_bus::device(2)] {
        bench.firmware().put(&device, &good_image())?;
    }
    bench.load_bus(order, DEVICES, Driver::slow(design).own_files(), "")?;
    bench.wait_for_ends(DEVICES)?;
    slow_bus::wait_for("two devices to be bound", || slow_bus::bound(DEVICES) == 2)?;
    slow_bus::wait_until_registered(DRIVER)?;
    ensure(
        "driver of the device",
        &slow_bus::driver_of(&failing),
        &None,
    )?;
    ensure(
        "bind without firmware",
        &slow_bus::write(Call::Bind, &failing)?,
        &Err(Errno::ENOENT),
    )?;

    bench.firmware().put(&failing, &good_image())?;
    bench.call_bus(Call::Bind, &failing)?;
    ensure("devices bound", &slow_bus::bound(DEVICES), &DEVICES)?;
    let enoent = -(Errno::ENOENT as i32);
    failed_probe::check(bench.events()?, DRIVER, DEVICES, &[&failing], enoent)?;
    Ok(())
}

/// Neither the driver nor devices that come are bound; `drivers_probe` binds one.
fn autoprobe_off(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    bench.insmod(
        BUS_MODULE,
        &format!("devices={DEVICES} registration={}", design.registration()),
    )?;
    slow_bus::wait_for_devices(DEVICES)?;
    bench.write_bus("drivers_autoprobe", "0")?;
    bench.insmod(DRIVER_MODULE, &Driver::slow(design).to_string())?;
    bench.wait("the driver to be registered", |events| {
        events
            .iter()
            .any(|event| matches!(event.what, What::Registered { .. }))
    })?;
    let (add, _) = design.second(Order::DriverFirst);
    bench.add_to_bus(add, 1)?;
    slow_bus::wait_for_devices(DEVICES + 1)?;
    // Whatever were to come asynchronously has time to.
    std::thread::sleep(Duration::from_millis(300));
    ensure("devices bound", &slow_bus::bound(DEVICES + 1), &0)?;

    let device = slow_bus::device(1);
    bench.call_bus(Call::DriversProbe, &device)?;
    ensure("devices bound", &slow_bus::bound(DEVICES + 1), &1)?;
    autoprobe_off::check(bench.events()?, DRIVER, &device)?;
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for order in Order::BOTH {
        tests.push(Test::new(
            format!("bus_probing: register_returns: {order}"),
            move |bench| register_returns(bench, order),
        ));
        tests.push(Test::new(
            format!("bus_probing: force_sync: {order}"),
            move |bench| force_sync(bench, order),
        ));
    }
    for (name, parameter, insmod) in [
        ("plain waits", "", Insmod::Waits),
        ("async_probe returns", "async_probe", Insmod::Returns),
    ] {
        tests.push(Test::new(
            format!("bus_probing: insmod_waits: {name}"),
            move |bench| insmod_waits(bench, parameter, insmod),
        ));
    }
    for design in Design::ALL {
        for call in [Call::Bind, Call::DriversProbe] {
            tests.push(Test::new(
                format!("bus_probing: manual_bind_sync: {call}, {design}"),
                move |bench| manual_bind_sync(bench, design, call),
            ));
        }
        tests.push(Test::new(
            format!("bus_probing: unbind_waits: {design}"),
            move |bench| unbind_waits(bench, design),
        ));
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("bus_probing: failed_probe: {design}, {order}"),
                move |bench| failed_probe(bench, design, order),
            ));
        }
        tests.push(Test::new(
            format!("bus_probing: autoprobe_off: {design}"),
            move |bench| autoprobe_off(bench, design),
        ));
    }
    tests.push(Test::new(
        "bus_probing: unbind_waits: beside the attach work",
        unbind_beside_the_work,
    ));
    ktap::run(tests)
}
