// SPDX-License-Identifier: GPL-2.0

//! 64 PREFER devices of one second each are bound after little more than one second: the slowest
//! probe over the time until all are bound is 0.98 or better.
//!
//! The devices are probed twice. The first time the workqueue has to create a worker for each, one
//! after the other (`kernel/workqueue.c`, `create_worker()`): that figure is judged. The second
//! time the workers are there: that figure is reported too. Whatever else the kernel does just
//! after boot, its crypto self-tests above all, disturbs both.
//!
//! That is demanded where `ASYNC_PROBE_ICOUNT_SHIFT=0` in the environment says that the machine
//! runs one instruction per nanosecond. A slower virtual CPU only shows its own overhead: there a
//! worse figure is reported and the test skipped. So is one with an instrument that all code
//! passes.

use firmware::encode;
use lifecycle::laws::parallel_efficiency;
use lifecycle::{Life, ProbeType};

use crate::samples::{Driver, PLATFORM};
use crate::{kernel, skip, Bench, Failure, Order, Test};

const DEVICES: usize = 64;
const PROBE_MS: u32 = 1000;
/// The driver sleeps once per 2 KiB. The kernel's timers are the coarser the longer the sleep, 32
/// ms at one second (`kernel/time/timer.c`), 4 ms at an eighth of it.
const PAYLOAD_LEN: u32 = 16 << 10;
const AT_LEAST: f64 = 0.98;

/// Loads devices and driver, unloads them, and returns the log of it.
fn probe_all(bench: &mut Bench) -> Result<Life, Failure> {
    let from = bench.printed()?.len();
    let driver = Driver {
        firmware_ms: PROBE_MS,
        ..Driver::slow(ProbeType::PreferAsynchronous)
    };
    bench.load(Order::DevicesFirst, DEVICES, driver, "")?;
    for module in [PLATFORM.module, PLATFORM.devices] {
        bench.rmmod(module)?;
    }
    bench.life_since(from)
}

fn parallel_efficiency(bench: &mut Bench) -> Result<(), Failure> {
    let payload = encode::payload(PAYLOAD_LEN, 1);
    let image = encode::image(&payload).map_err(|error| Failure::assertion("an image", error))?;
    bench.firmware().put(PLATFORM.driver, &image)?;

    // Everything but the figure is demanded of both runs and on every clock.
    let efficiency = |life: &Life| parallel_efficiency::check(life, PLATFORM.driver, DEVICES, 0.0);
    let life = probe_all(bench)?;
    let cold = efficiency(&life)?;
    let warm = efficiency(&probe_all(bench)?)?;
    bench.comment(format!("parallel efficiency: {cold:.4}"));
    bench.comment(format!("parallel efficiency with workers there: {warm:.4}"));

    let instrument = kernel::instrument();
    let exact = std::env::var("ASYNC_PROBE_ICOUNT_SHIFT").is_ok_and(|shift| shift == "0");
    if exact && instrument.is_none() {
        parallel_efficiency::check(&life, PLATFORM.driver, DEVICES, AT_LEAST)?;
    }
    if let Some(instrument) = instrument.filter(|_| cold < AT_LEAST) {
        return skip(format!(
            "{cold:.4} with CONFIG_{instrument}, {AT_LEAST} is demanded without"
        ));
    }
    if cold < AT_LEAST {
        return skip(format!(
            "{cold:.4} on this clock, {AT_LEAST} is demanded at ASYNC_PROBE_ICOUNT_SHIFT=0"
        ));
    }
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new(
        "parallel_efficiency: 64 devices of 1 s",
        parallel_efficiency,
    )]
}
