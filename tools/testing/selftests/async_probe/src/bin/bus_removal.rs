// SPDX-License-Identifier: GPL-2.0

//! Devices and modules that go before, during and after probes: gone_before_probe,
//! gone_during_probe, provider_pinned.

//@ boots: two_nodes

use std::process::ExitCode;

use lifecycle::event::Call;
use lifecycle::laws::{gone_before_probe, gone_during_probe};
use lifecycle::{Event, What};
use nix::errno::Errno;
use selftests::modules::{self, ASYNC_PROBE};
use selftests::slow_bus::{self, Design, Driver, BUS_MODULE, DRIVER_MODULE};
use selftests::{ensure, ktap, sysfs, Bench, Failure, Order, Test};

/// Device 0 is removed while nothing that is scheduled can begin; device 1 tells that its probe
/// would have come.
fn gone_before_probe(bench: &mut Bench, design: Design, order: Order) -> Result<(), Failure> {
    let (device, witness) = (slow_bus::device(0), slow_bus::device(1));
    let driver = Driver::slow(design);
    match order {
        Order::DevicesFirst => {
            bench.insmod(BUS_MODULE, "devices=2")?;
            bench.occupy_workers()?;
            bench.insmod(DRIVER_MODULE, &format!("{driver} async_probe"))?;
        }
        Order::DriverFirst => {
            bench.load_bus(Order::DriverFirst, 0, driver, "")?;
            bench.occupy_workers()?;
            bench.add_to_bus(design.second(order).0, 2)?;
        }
    }
    ensure("devices bound", &slow_bus::bound(2), &0)?;
    bench.call_bus(Call::Remove, &device)?;
    let gone = bench.events()?.len();
    ensure("driver of the device", &slow_bus::driver_of(&device), &None)?;

    bench.free_workers()?;
    bench.wait_for_ends(1)?;
    ensure("devices", &slow_bus::devices(), &vec![witness.clone()])?;
    // It waits until the memory of every device is released.
    bench.rmmod(DRIVER_MODULE)?;
    bench.rmmod(BUS_MODULE)?;
    gone_before_probe::check(bench.events()?, gone, &device, &witness)?;
    Ok(())
}

/// The bus itself goes while its devices are about to be registered.
fn bus_gone_before(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(BUS_MODULE, "devices=0")?;
    bench.occupy_workers()?;
    bench.add_to_bus(Call::AddAsync, 2)?;
    ensure("devices", &slow_bus::devices(), &Vec::new())?;
    bench.in_background(|| modules::rmmod(BUS_MODULE));
    // It waits for the functions that would have registered the devices.
    std::thread::sleep(std::time::Duration::from_millis(100));
    ensure("the bus loaded", &modules::is_loaded(BUS_MODULE), &true)?;
    bench.free_workers()?;
    bench.join()?;
    ensure("the bus in sysfs", &slow_bus::exists(), &false)
}

/// Loads in a design in which device 0 is probed in the background, up to its probe.
fn probing(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    let driver = Driver::slow(design);
    match design {
        Design::Sync => {
            bench.load_bus(Order::DriverFirst, 0, driver, "")?;
            bench.in_background(|| slow_bus::add(Call::Add, 2));
            bench.wait_for_probe(&slow_bus::device(0))?;
            // A device is there to be removed when its registration has returned.
            return Ok(());
        }
        Design::DeviceRegister => bench.load_bus(Order::DriverFirst, 2, driver, "")?,
        _ => bench.load_bus(Order::DevicesFirst, 2, driver, "async_probe")?,
    }
    bench.wait_for_probe(&slow_bus::device(0))
}

fn gone_during_probe(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    let device = slow_bus::device(0);
    probing(bench, design)?;
    bench.call_bus(Call::Remove, &device)?;
    gone_during_probe::check(bench.events()?, Call::Remove, &device, &device)?;
    bench.wait_for_ends(2)?;
    ensure("devices", &slow_bus::devices(), &vec![slow_bus::device(1)])
}

/// The device cannot be removed while it is being added, and is none the worse for it.
fn being_added(bench: &mut Bench) -> Result<(), Failure> {
    let device = slow_bus::device(0);
    probing(bench, Design::Sync)?;
    ensure(
        "remove during the registration",
        &slow_bus::write(Call::Remove, &device)?,
        &Err(Errno::EBUSY),
    )?;
    bench.join()?;
    ensure("devices bound", &slow_bus::bound(2), &2)?;
    bench.call_bus(Call::Remove, &device)?;
    ensure("devices", &slow_bus::devices(), &vec![slow_bus::device(1)])
}

/// Asynchronous removal returns at once; the device goes after its probe.
fn remove_async(bench: &mut Bench) -> Result<(), Failure> {
    let device = slow_bus::device(0);
    probing(bench, Design::DeviceRegister)?;
    bench.call_bus(Call::RemoveAsync, &device)?;
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
    slow_bus::wait_for_devices(1)?;
    ensure("devices", &slow_bus::devices(), &vec![slow_bus::device(1)])?;
    // Its number is free again.
    bench.add_to_bus(Call::AddAsync, 1)?;
    slow_bus::wait_for_devices(2)
}

/// Devices of which there are none cannot be removed.
fn no_such_device(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(BUS_MODULE, "devices=1")?;
    for call in [Call::Remove, Call::RemoveAsync] {
        ensure(
            &format!("{call} of slow.7"),
            &slow_bus::write(call, "slow.7")?,
            &Err(Errno::ENODEV),
        )?;
    }
    bench.call_bus(Call::Remove, "slow.0")?;
    ensure(
        "a second remove",
        &slow_bus::write(Call::Remove, "slow.0")?,
        &Err(Errno::ENODEV),
    )?;
    ensure("count", &slow_bus::attribute("count")?.as_str(), &"0")
}

/// Each module is refused while another one uses it, and goes when that is gone.
fn provider_pinned(bench: &mut Bench, design: Design) -> Result<(), Failure> {
    bench.pins_the_crate(|bench| bench.insmod(BUS_MODULE, "devices=2"))?;
    bench.insmod(
        DRIVER_MODULE,
        &format!("{} async_probe", Driver::slow(design)),
    )?;
    for module in [ASYNC_PROBE, BUS_MODULE] {
        bench.rmmod_refused(module, Errno::EWOULDBLOCK)?;
    }
    bench.wait_for_ends(2)?;
    for module in [ASYNC_PROBE, BUS_MODULE] {
        bench.rmmod_refused(module, Errno::EWOULDBLOCK)?;
    }
    slow_bus::wait_for("both devices to be bound", || slow_bus::bound(2) == 2)?;
    bench.rmmod(DRIVER_MODULE)?;
    bench.rmmod_refused(ASYNC_PROBE, Errno::EWOULDBLOCK)?;
    bench.rmmod(BUS_MODULE)?;
    ensure(
        "references to async_probe",
        &sysfs::references(ASYNC_PROBE)?.as_str(),
        &"0",
    )
}

/// The platform samples use the crate's module, too.
fn platform_pinned(bench: &mut Bench) -> Result<(), Failure> {
    for module in [modules::DEVICES, modules::DRIVER] {
        bench.pins_the_crate(|bench| bench.insmod(module, ""))?;
        bench.rmmod(module)?;
    }
    ensure(
        "references to async_probe",
        &sysfs::references(ASYNC_PROBE)?.as_str(),
        &"0",
    )
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
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
            format!("bus_removal: gone_before_probe: {design}, {order}"),
            move |bench| gone_before_probe(bench, design, order),
        ));
    }
    tests.push(Test::new(
        "bus_removal: gone_before_probe: the bus",
        bus_gone_before,
    ));
    for design in [
        Design::PreferAsync,
        Design::DriverAttach,
        Design::DeviceRegister,
        Design::ModuleInit,
        Design::ExclusiveAttach,
    ] {
        tests.push(Test::new(
            format!("bus_removal: gone_during_probe: {design}"),
            move |bench| gone_during_probe(bench, design),
        ));
    }
    tests.push(Test::new(
        "bus_removal: gone_during_probe: sync, while it is added",
        being_added,
    ));
    tests.push(Test::new(
        "bus_removal: gone_during_probe: remove_async",
        remove_async,
    ));
    tests.push(Test::new(
        "bus_removal: no device to remove",
        no_such_device,
    ));
    for design in Design::ALL {
        tests.push(Test::new(
            format!("bus_removal: provider_pinned: {design}"),
            move |bench| provider_pinned(bench, design),
        ));
    }
    tests.push(Test::new(
        "bus_removal: provider_pinned: platform",
        platform_pinned,
    ));
    ktap::run(tests)
}
