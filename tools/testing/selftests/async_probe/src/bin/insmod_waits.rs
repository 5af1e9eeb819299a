// SPDX-License-Identifier: GPL-2.0

//! A plain insmod that sets off asynchronous probes returns after they have ended, with
//! `async_probe` it returns before. That goes for the driver's module and for the devices'.

use std::process::ExitCode;

use lifecycle::laws::insmod_waits::{self, Insmod};
use lifecycle::ProbeType;
use selftests::bench::Driver;
use selftests::{ktap, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 3;

fn insmod_waits(
    bench: &mut Bench,
    order: Order,
    parameter: &str,
    insmod: Insmod,
) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.load(order, DEVICES, driver, parameter)?;
    bench.wait_for_ends(DEVICES)?;
    insmod_waits::check(
        bench.events()?,
        order.second(),
        sysfs::DRIVER,
        DEVICES,
        insmod,
    )?;
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for order in Order::BOTH {
        for (name, parameter, insmod) in [
            ("plain waits", "", Insmod::Waits),
            ("async_probe=0 waits", "async_probe=0", Insmod::Waits),
            ("async_probe returns", "async_probe", Insmod::Returns),
        ] {
            tests.push(Test::new(
                format!("insmod_waits: {name}, {order}"),
                move |bench| insmod_waits(bench, order, parameter, insmod),
            ));
        }
    }
    ktap::run(tests)
}
