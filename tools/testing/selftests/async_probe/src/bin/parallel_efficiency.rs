// SPDX-License-Identifier: GPL-2.0

//! 64 PREFER devices of one second each are bound after little more than one second: the slowest
//! probe over the time until all are bound is 0.98 or better.
//!
//! That is demanded where `ASYNC_PROBE_ICOUNT_SHIFT=0` in the environment says that the machine
//! runs one instruction per nanosecond. A slower virtual CPU only shows its own overhead: there a
//! worse figure is reported and the test skipped.

use std::process::ExitCode;

use lifecycle::laws::parallel_efficiency;
use lifecycle::ProbeType;
use selftests::bench::Driver;
use selftests::{ktap, sysfs, Bench, Failure, Order, Test};

const DEVICES: usize = 64;
const PROBE_MS: u32 = 1000;
const AT_LEAST: f64 = 0.98;

fn parallel_efficiency(bench: &mut Bench) -> Result<(), Failure> {
    let driver = Driver {
        firmware_ms: PROBE_MS,
        ..Driver::slow(ProbeType::PreferAsynchronous)
    };
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    let events = bench.events()?;
    // Everything but the figure is demanded everywhere.
    let efficiency = parallel_efficiency::check(events, sysfs::DRIVER, DEVICES, 0.0)?;
    let demanded = std::env::var("ASYNC_PROBE_ICOUNT_SHIFT").is_ok_and(|shift| shift == "0");
    if demanded {
        parallel_efficiency::check(events, sysfs::DRIVER, DEVICES, AT_LEAST)?;
    }
    bench.comment(format!("parallel efficiency: {efficiency:.4}"));
    if efficiency < AT_LEAST {
        return Err(Failure::Skip(format!(
            "{efficiency:.4} on this clock, {AT_LEAST} is demanded at ASYNC_PROBE_ICOUNT_SHIFT=0"
        )));
    }
    Ok(())
}

fn main() -> ExitCode {
    ktap::run(vec![Test::new(
        "parallel_efficiency: 64 devices of 1 s",
        parallel_efficiency,
    )])
}
