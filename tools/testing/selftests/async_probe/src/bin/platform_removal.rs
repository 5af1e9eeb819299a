// SPDX-License-Identifier: GPL-2.0

//! Platform devices and their driver go before and during probes: gone_before_probe,
//! gone_during_probe, rmmod_waits.

//@ boots: two_nodes

use std::process::ExitCode;

use lifecycle::event::Call;
use lifecycle::laws::{gone_before_probe, gone_during_probe, rmmod_waits};
use lifecycle::ProbeType;
use selftests::bench::Driver;
use selftests::slow_bus::{self, Design, BUS_MODULE, DRIVER_MODULE};
use selftests::{ensure, ktap, modules, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// The devices go while nothing that is scheduled can begin. As they all go, a device of another
/// bus tells that their probes would have come.
fn gone_before_probe(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::PreferAsynchronous).to_string();
    let devices = format!("devices={DEVICES}");
    let mut parameters = [(modules::DEVICES, devices), (modules::DRIVER, driver)];
    if order == Order::DriverFirst {
        parameters.reverse();
    }
    let [(first, of_first), (second, of_second)] = parameters;
    bench.insmod(BUS_MODULE, "devices=1")?;
    bench.insmod(first, &of_first)?;
    bench.occupy_workers()?;
    bench.insmod(second, &format!("{of_second} async_probe"))?;
    let witness = slow_bus::Driver::slow(Design::PreferAsync);
    bench.insmod(DRIVER_MODULE, &format!("{witness} async_probe"))?;

    // When its exit function has returned, it waits for all that is scheduled.
    bench.rmmod_in_background(modules::DEVICES);
    slow_bus::wait_for("the devices to go", || {
        (0..DEVICES).all(|number| !sysfs::exists(&sysfs::device(number)))
    })?;
    let gone = bench.events()?.len();
    bench.free_workers()?;
    bench.join()?;
    bench.wait_for_ends(1)?;
    ensure(
        "modules of the devices",
        &modules::is_loaded(modules::DEVICES),
        &false,
    )?;
    for number in 0..DEVICES {
        gone_before_probe::check(
            bench.events()?,
            gone,
            &sysfs::device(number),
            &slow_bus::device(0),
        )?;
    }
    Ok(())
}

fn gone_during_probe(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.load(order, DEVICES, driver, "async_probe")?;
    for number in 0..DEVICES {
        bench.wait_for_probe(&sysfs::device(number))?;
    }
    bench.rmmod(modules::DEVICES)?;
    for number in 0..DEVICES {
        gone_during_probe::check(
            bench.events()?,
            Call::Rmmod,
            modules::DEVICES,
            &sysfs::device(number),
        )?;
    }
    Ok(())
}

fn rmmod_waits(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.load(order, DEVICES, driver, "async_probe")?;
    // A driver's own registration schedules its probes. A device that came later and whose probe has
    // not begun looks for a driver then, and finds none.
    let begun = match order {
        Order::DevicesFirst => 1,
        Order::DriverFirst => DEVICES,
    };
    for number in 0..begun {
        bench.wait_for_probe(&sysfs::device(number))?;
    }
    bench.rmmod(modules::DRIVER)?;
    rmmod_waits::check(bench.events()?, modules::DRIVER, sysfs::DRIVER, DEVICES)?;
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for order in Order::BOTH {
        tests.push(Test::new(
            format!("platform_removal: gone_before_probe: {order}"),
            move |bench| gone_before_probe(bench, order),
        ));
        tests.push(Test::new(
            format!("platform_removal: gone_during_probe: {order}"),
            move |bench| gone_during_probe(bench, order),
        ));
        tests.push(Test::new(
            format!("platform_removal: rmmod_waits: {order}"),
            move |bench| rmmod_waits(bench, order),
        ));
    }
    ktap::run(tests)
}
