// SPDX-License-Identifier: GPL-2.0

//! Registering a PREFER driver, or its devices, returns before any of the slow probes ends.

use std::process::ExitCode;

use lifecycle::laws::register_returns;
use lifecycle::ProbeType;
use selftests::bench::Driver;
use selftests::{ktap, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 4;

fn register_returns(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.load(order, DEVICES, driver, "")?;
    bench.wait_for_ends(DEVICES)?;
    let events = bench.events()?;
    match order {
        Order::DevicesFirst => register_returns::check(events, sysfs::DRIVER, DEVICES)?,
        Order::DriverFirst => register_returns::check_devices(events, sysfs::DRIVER, DEVICES)?,
    }
    Ok(())
}

fn main() -> ExitCode {
    let tests = Order::BOTH.map(|order| {
        Test::new(format!("register_returns: {order}"), move |bench| {
            register_returns(bench, order)
        })
    });
    ktap::run(tests.into())
}
