// SPDX-License-Identifier: GPL-2.0

//! Power-off during second phases waits for them before it stops a device.
//!
//! `rust/async_probe/workarounds/power.rs` has the notifier that waits.

//@ plain: the recording would end with the machine
//@ powers off

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::ProbeType;

use crate::samples::{Driver, PLATFORM};
use crate::{power_off, Bench, Failure};

const DEVICES: usize = 3;
const NAME: &str = "second_phase_in_flight: power-off during second phases";

fn in_flight(bench: &mut Bench) -> Result<(), Failure> {
    let driver = Driver::slow(ProbeType::ForceSynchronous).two_phases();
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    bench.insmod(PLATFORM.module, &driver.to_string())?;
    sleep(Duration::from_millis(u64::from(driver.firmware_ms / 5)));
    Ok(())
}

pub(crate) fn main() -> ExitCode {
    power_off::run(NAME, in_flight)
}
