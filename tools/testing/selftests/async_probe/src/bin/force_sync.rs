// SPDX-License-Identifier: GPL-2.0

//! The probes of a FORCE driver run one after the other in the registering task; register and
//! insmod return after the last.

use std::process::ExitCode;

use lifecycle::laws::force_sync;
use lifecycle::ProbeType;
use selftests::bench::Driver;
use selftests::{ktap, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

fn force_sync(bench: &mut Bench, order: Order) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::ForceSynchronous);
    bench.load(order, DEVICES, driver, "")?;
    force_sync::check(bench.events()?, order.second(), sysfs::DRIVER, DEVICES)?;
    Ok(())
}

fn main() -> ExitCode {
    let tests = Order::BOTH.map(|order| {
        Test::new(format!("force_sync: {order}"), move |bench| {
            force_sync(bench, order)
        })
    });
    ktap::run(tests.into())
}
