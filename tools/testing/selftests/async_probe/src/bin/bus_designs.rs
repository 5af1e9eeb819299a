// SPDX-License-Identifier: GPL-2.0

//! Every design of the sample bus's driver binds all devices, in parallel or serially as it says,
//! lets insmod return early or late as it says, in both orders of arrival, and can be unloaded in
//! the middle, which waits and leaves nothing.

use std::process::ExitCode;

use lifecycle::event::Call;
use lifecycle::laws::{designs, order_of_arrival, rmmod_waits};
use lifecycle::Event;
use selftests::kernel::probing;
use selftests::modules::is_loaded;
use selftests::slow::slow_ms;
use selftests::slow_bus::{self, Design, Driver, BUS_MODULE, DRIVER, DRIVER_MODULE};
use selftests::test_modules::DRIVER_TEST;
use selftests::{ensure, ktap, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 4;

/// The design does what it says.
fn keeps_its_promise(bench: &mut Bench, design: Design, order: Order) -> Result<(), Failure> {
    bench.load_bus(order, DEVICES, Driver::slow(design), "")?;
    bench.wait_for_ends(DEVICES)?;
    let (call, on) = design.second(order);
    let promise = design.promise(order);
    designs::check(bench.events()?, call, on, DRIVER, DEVICES, promise)?;
    slow_bus::wait_for("all devices to be bound", || {
        slow_bus::bound(DEVICES) == DEVICES
    })
}

/// A probe type that is set below the design has no effect.
fn stands_above_a_probe_type(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    bench.insmod(BUS_MODULE, &format!("devices={DEVICES}"))?;
    bench.insmod(DRIVER_TEST, &format!("scenario=fields design={design}"))?;
    bench.wait_for_ends(DEVICES)?;
    let (call, promise) = (Call::Insmod, design.promise(Order::DevicesFirst));
    designs::check(
        bench.events()?,
        call,
        DRIVER_TEST,
        "fields",
        DEVICES,
        promise,
    )?;
    Ok(())
}

/// Nothing is left of the driver, and nothing holds the bus.
fn nothing_left() -> Result<(), Failure> {
    ensure("driver loaded", &is_loaded(DRIVER_MODULE), &false)?;
    ensure("devices bound", &slow_bus::bound(DEVICES), &0)?;
    ensure(
        "references to the bus's module",
        &sysfs::references(BUS_MODULE)?.as_str(),
        &"0",
    )
}

/// rmmod while the first probe runs.
fn rmmod_in_the_middle(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    let driver = Driver::slow(design);
    let probed = match design {
        // insmod of the driver would wait; here another task brings the devices.
        Design::Sync => {
            bench.load_bus(Order::DriverFirst, 0, driver, "")?;
            bench.in_background(|| slow_bus::add(Call::Add, DEVICES));
            // The probe that runs is the last by this driver.
            1
        }
        Design::DeviceRegister => {
            bench.load_bus(Order::DriverFirst, DEVICES, driver, "")?;
            // Devices that are added later find no driver.
            for number in 1..DEVICES {
                bench.wait_for_probe(&slow_bus::device(number))?;
            }
            DEVICES
        }
        _ => {
            bench.load_bus(Order::DevicesFirst, DEVICES, driver, "async_probe")?;
            DEVICES
        }
    };
    bench.wait_for_probe(&slow_bus::device(0))?;
    bench.rmmod(DRIVER_MODULE)?;
    rmmod_waits::check(bench.events()?, DRIVER_MODULE, DRIVER, probed)?;
    bench.join()?;
    nothing_left()
}

/// rmmod right after insmod, wherever the probes are.
fn rmmod_at_once(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    bench.load_bus(
        Order::DevicesFirst,
        DEVICES,
        Driver::slow(design),
        "async_probe",
    )?;
    bench.rmmod(DRIVER_MODULE)?;
    bench.judge()?;
    nothing_left()?;
    // The devices are free for the next one.
    let driver = Driver::slow(Design::Sync);
    bench.insmod(DRIVER_MODULE, &driver.to_string())?;
    ensure("devices bound", &slow_bus::bound(DEVICES), &DEVICES)
}

/// Loads in this order, compares what the log says with what sysfs says, and unloads.
fn arrive(bench: &mut Bench, order: Order, design: Design) -> Result<Vec<Event>, Failure> {
    let from = bench.events()?.len();
    bench.load_bus(order, DEVICES, Driver::slow(design), "")?;
    bench.wait_for_ends_since(from, DEVICES)?;
    let events = bench.events()?[from..].to_vec();
    slow_bus::wait_for("the devices of the log to be bound", || {
        slow_bus::bound(DEVICES) == order_of_arrival::bound(&events).len()
    })?;
    bench.rmmod(DRIVER_MODULE)?;
    bench.rmmod(BUS_MODULE)?;
    ensure("the bus in sysfs", &slow_bus::exists(), &false)?;
    Ok(events)
}

fn order_of_arrival(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    let devices_first = arrive(bench, Order::DevicesFirst, design)?;
    let driver_first = arrive(bench, Order::DriverFirst, design)?;
    order_of_arrival::check(&devices_first, &driver_first, DEVICES)?;
    Ok(())
}

/// The line of the attach work comes once, after the last probe, and tells how long it took.
fn says_how_long(bench: &mut Bench) -> Result<(), Failure> {
    const LINE: &str = "async_probe: bus: 'slow_bus': add driver slow attach completed after ";
    let driver = Driver::slow(Design::DriverAttach);
    bench.load_bus(Order::DevicesFirst, DEVICES, driver, "")?;
    // It waits for the work.
    bench.wait_for_probe(&slow_bus::device(0))?;
    bench.rmmod(DRIVER_MODULE)?;
    let lines = bench.lines()?;
    let ended = lines
        .iter()
        .rposition(|line| line.contains(" probe_ended "));
    let usecs: Vec<(bool, u64)> = lines
        .iter()
        .enumerate()
        .filter_map(|(at, line)| {
            let usecs = line.strip_prefix(LINE)?.strip_suffix(" usecs")?;
            Some((ended < Some(at), usecs.parse().ok()?))
        })
        .collect();
    let at_least = DEVICES as u64 * u64::from(slow_ms() * probing().lives()) * 1000;
    match usecs[..] {
        [(true, usecs)] if (at_least..at_least * 3 / 2).contains(&usecs) => Ok(()),
        _ => Err(Failure::assertion(
            format!("`{LINE}N usecs` once, last, N {at_least} or a little more"),
            format!("{usecs:?}"),
        )),
    }
}

/// The bus adds its variables to the uevents of its devices.
fn uevent(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(BUS_MODULE, "devices=3")?;
    for number in 0..3 {
        let uevent = slow_bus::attribute(&format!("devices/slow.{number}/uevent"))?;
        ensure(
            "the uevent variables",
            &uevent.as_str(),
            &format!("SLOW_BUS_INDEX={number}").as_str(),
        )?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = vec![
        Test::new("bus_designs: driver_attach says how long", says_how_long),
        Test::new("bus_designs: uevent variables", uevent),
    ];
    for design in [Design::DriverAttach, Design::ExclusiveAttach] {
        tests.push(Test::new(
            format!("bus_designs: {design}, above a probe type"),
            move |bench| stands_above_a_probe_type(bench, design),
        ));
    }
    for design in Design::ALL {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("bus_designs: {design}, {order}"),
                move |bench| keeps_its_promise(bench, design, order),
            ));
        }
        tests.push(Test::new(
            format!("bus_designs: rmmod_waits: {design}, in the middle"),
            move |bench| rmmod_in_the_middle(bench, design),
        ));
        tests.push(Test::new(
            format!("bus_designs: rmmod_waits: {design}, at once"),
            move |bench| rmmod_at_once(bench, design),
        ));
        tests.push(Test::new(
            format!("bus_designs: order_of_arrival: {design}"),
            move |bench| order_of_arrival(bench, design),
        ));
    }
    ktap::run(tests)
}
