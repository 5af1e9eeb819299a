// SPDX-License-Identifier: GPL-2.0

//! Power-off during probes, asynchronous and synchronous, neither hangs nor oopses.
//!
//! `drivers/base/core.c`, `device_shutdown()` takes the lock of each device, and so waits for its
//! probe.

//@ plain: the recording would end with the machine
//@ boots: two_nodes
//@ powers off

use std::process::ExitCode;

use lifecycle::ProbeType;

use crate::samples::{Driver, PLATFORM};
use crate::{power_off, Bench, Failure};

const DEVICES: usize = 3;
const NAME: &str = "reboot_in_flight: power-off during probes";

fn reboot_in_flight(bench: &mut Bench) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    bench.insmod_in_background(PLATFORM.module, &driver.to_string());
    bench.wait_for_probe(&PLATFORM.device(DEVICES - 1))?;
    bench.insmod_in_background("kthread_probe", "firmware_ms=1000 kthread=1");
    Ok(())
}

pub(crate) fn main() -> ExitCode {
    power_off::run(NAME, reboot_in_flight)
}
