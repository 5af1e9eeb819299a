// SPDX-License-Identifier: GPL-2.0

//! Registering a PREFER driver, or its devices, returns before any of the slow probes ends.

use std::process::ExitCode;

use lifecycle::designs::Design;
use lifecycle::laws::register_returns;
use lifecycle::ProbeType;
use selftests::samples::{Driver, Sample};
use selftests::{ktap, Bench, Failure, Order, Test};

const DEVICES: usize = 4;

fn register_returns(bench: &mut Bench, sample: Sample, order: Order) -> Result<(), Failure> {
    bench.load(order, DEVICES, Driver::slow(sample), "")?;
    bench.wait_for_ends(DEVICES)?;
    let driver = sample.bus().driver;
    let events = bench.events()?;
    match order {
        Order::DevicesFirst => register_returns::check(events, driver, DEVICES)?,
        Order::DriverFirst => register_returns::check_devices(events, driver, DEVICES)?,
    }
    Ok(())
}

pub(crate) fn main() -> ExitCode {
    let mut tests = Vec::new();
    for sample in [
        ProbeType::PreferAsynchronous.into(),
        Design::PreferAsync.into(),
    ] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("register_returns: {sample}, {order}"),
                move |bench| register_returns(bench, sample, order),
            ));
        }
    }
    ktap::run(tests)
}
