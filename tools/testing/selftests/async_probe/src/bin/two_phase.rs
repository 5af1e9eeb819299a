// SPDX-License-Identifier: GPL-2.0

//! The platform driver with `phases=2`: insmod returns at once, unbind and rmmod in the middle
//! wait, and firmware that fails is reported by `ready`.

//@ boots: two_nodes

use std::process::ExitCode;

use lifecycle::event::Call;
use lifecycle::laws::{rmmod_waits, two_phase};
use lifecycle::What;
use selftests::bench::good_image;
use selftests::firmware_dir::FirmwareDir;
use selftests::kernel::wants_quick_first_phase;
use selftests::slow::slow_ms;
use selftests::{ensure, ktap, modules, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

/// Loads in this order; `more` is appended to the parameters of the driver.
fn load(bench: &mut Bench, order: Order, probe_type: &str, more: &str) -> Result<(), Failure> {
    let driver = format!(
        "phases=2 firmware_ms={} probe_type={probe_type} {more}",
        slow_ms()
    );
    let mut parameters = [
        (modules::DEVICES, format!("devices={DEVICES}")),
        (modules::DRIVER, driver.trim_end().to_owned()),
    ];
    if order == Order::DriverFirst {
        parameters.reverse();
    }
    for (module, parameters) in parameters {
        bench.insmod(module, &parameters)?;
    }
    Ok(())
}

/// Waits until all second phases have ended.
fn wait_until_ready(bench: &mut Bench) -> Result<(), Failure> {
    bench.wait("all devices to be ready", |events| {
        let ready = events
            .iter()
            .filter(|event| matches!(event.what, What::Ready { .. }));
        ready.count() == DEVICES
    })
}

fn returns(bench: &mut Bench, order: Order, probe_type: &str) -> Result<(), Failure> {
    if probe_type == "force_synchronous" {
        wants_quick_first_phase()?;
    }
    load(bench, order, probe_type, "")?;
    for number in 0..DEVICES {
        ensure(
            "driver of the device",
            &sysfs::driver_of(&sysfs::device(number)).as_deref(),
            &Some(sysfs::DRIVER),
        )?;
    }
    wait_until_ready(bench)?;
    two_phase::check(bench.events()?, order.second(), sysfs::DRIVER, DEVICES)?;
    Ok(())
}

fn unbind(bench: &mut Bench) -> Result<(), Failure> {
    let device = sysfs::device(0);
    load(bench, Order::DevicesFirst, "prefer_asynchronous", "")?;
    bench.write(Call::Unbind, &device)?;
    wait_until_ready(bench)?;
    two_phase::check_unbind(
        bench.events()?,
        Call::Unbind,
        &device,
        sysfs::DRIVER,
        DEVICES,
        &device,
    )?;
    // It can be bound again.
    bench.write(Call::Bind, &device)
}

/// rmmod of the driver or of the devices.
fn rmmod(bench: &mut Bench, module: &'static str) -> Result<(), Failure> {
    load(bench, Order::DevicesFirst, "prefer_asynchronous", "")?;
    bench.rmmod(module)?;
    for number in 0..DEVICES {
        two_phase::check_unbind(
            bench.events()?,
            Call::Rmmod,
            module,
            sysfs::DRIVER,
            DEVICES,
            &sysfs::device(number),
        )?;
    }
    if module == modules::DRIVER {
        rmmod_waits::check(bench.events()?, module, sysfs::DRIVER, DEVICES)?;
    }
    Ok(())
}

/// One device has no firmware: it is bound all the same, and says how its second phase went.
fn failed(bench: &mut Bench) -> Result<(), Failure> {
    const ENOENT: i32 = -2;
    let failing = sysfs::device(1);
    if FirmwareDir::machine_has(&failing) {
        return Err(Failure::Skip(format!(
            "/lib/firmware has firmware for {failing}"
        )));
    }
    for number in [0, 2] {
        bench
            .firmware()
            .put(&sysfs::device(number), &good_image())?;
    }
    load(
        bench,
        Order::DevicesFirst,
        "prefer_asynchronous",
        "firmware=device",
    )?;
    wait_until_ready(bench)?;
    for number in 0..DEVICES {
        let name = sysfs::device(number);
        let rets: Vec<_> = bench
            .events()?
            .iter()
            .filter_map(|event| match &event.what {
                What::Ready { device, ret, .. } if *device == name => Some(*ret),
                _ => None,
            })
            .collect();
        let expected = if name == failing { ENOENT } else { 0 };
        ensure(&format!("ready of {name}"), &rets, &vec![expected])?;
        ensure(
            &format!("driver of {name}"),
            &sysfs::driver_of(&name).as_deref(),
            &Some(sysfs::DRIVER),
        )?;
    }
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for order in Order::BOTH {
        for probe_type in ["prefer_asynchronous", "force_synchronous"] {
            tests.push(Test::new(
                format!("two_phase: insmod returns at once, {probe_type}, {order}"),
                move |bench| returns(bench, order, probe_type),
            ));
        }
    }
    tests.push(Test::new("two_phase: unbind in the middle waits", unbind));
    for module in [modules::DRIVER, modules::DEVICES] {
        tests.push(Test::new(
            format!("two_phase: rmmod of {module} in the middle waits"),
            move |bench| rmmod(bench, module),
        ));
    }
    tests.push(Test::new("two_phase: ready tells of a failure", failed));
    ktap::run(tests)
}
