// SPDX-License-Identifier: GPL-2.0

//! A device whose probe says `EPROBE_DEFER` is probed again after another device has been bound, in
//! every design in which drivers are attached, and on the platform bus.

//@ boots: two_nodes

use std::process::ExitCode;

use lifecycle::event::Call;
use lifecycle::laws::deferral;
use selftests::slow_bus::{self, BUS_MODULE};
use selftests::test_modules::DRIVER_TEST;
use selftests::{ensure, ktap, modules, sysfs, Bench, Failure, Order, Test};

fn on_the_bus(bench: &mut Bench, design: &str, order: Order) -> Result<(), Failure> {
    let (device, supplier) = (slow_bus::device(0), slow_bus::device(1));
    let driver = format!("scenario=deferral design={design}");
    match order {
        Order::DevicesFirst => {
            bench.insmod(BUS_MODULE, "devices=2")?;
            bench.insmod(DRIVER_TEST, &driver)?;
        }
        Order::DriverFirst => {
            bench.insmod(BUS_MODULE, "devices=0")?;
            bench.insmod(DRIVER_TEST, &driver)?;
            bench.add_to_bus(Call::Add, 2)?;
        }
    }
    bench.wait_for_ends(3)?;
    deferral::check(bench.events()?, &device, &supplier)?;
    slow_bus::wait_for("both devices to be bound", || {
        [&device, &supplier]
            .iter()
            .all(|device| slow_bus::driver_of(device).is_some())
    })
}

/// A driver that is unloaded while a device is deferred leaves nothing.
fn unloaded(bench: &mut Bench, design: &str) -> Result<(), Failure> {
    bench.insmod(BUS_MODULE, "devices=1")?;
    bench.insmod(DRIVER_TEST, &format!("scenario=deferral design={design}"))?;
    bench.wait_for_ends(1)?;
    bench.rmmod(DRIVER_TEST)?;
    ensure("driver", &slow_bus::driver_of(&slow_bus::device(0)), &None)
}

fn on_the_platform(bench: &mut Bench, design: &str, order: Order) -> Result<(), Failure> {
    let (device, supplier) = (sysfs::device(0), sysfs::device(1));
    // The module of the driver uses the bus's.
    bench.insmod(BUS_MODULE, "devices=0")?;
    let mut parameters = [
        (modules::DEVICES, "devices=2".to_owned()),
        (
            DRIVER_TEST,
            format!("scenario=platform_deferral design={design}"),
        ),
    ];
    if order == Order::DriverFirst {
        parameters.reverse();
    }
    for (module, parameters) in parameters {
        bench.insmod(module, &parameters)?;
    }
    bench.wait_for_ends(3)?;
    deferral::check(bench.events()?, &device, &supplier)?;
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for design in ["sync", "prefer_async", "driver_attach", "exclusive_attach"] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("deferral: {design}, {order}"),
                move |bench| on_the_bus(bench, design, order),
            ));
        }
        tests.push(Test::new(
            format!("deferral: {design}, the driver goes"),
            move |bench| unloaded(bench, design),
        ));
    }
    for design in ["sync", "prefer_async"] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("deferral: platform, {design}, {order}"),
                move |bench| on_the_platform(bench, design, order),
            ));
        }
    }
    ktap::run(tests)
}
