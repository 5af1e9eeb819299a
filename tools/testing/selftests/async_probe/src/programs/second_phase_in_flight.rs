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
use crate::{ktap, power_off, Bench, Failure, Test};

const DEVICES: usize = 3;
const NAME: &str = "second_phase_in_flight: power-off during second phases";

fn in_flight(bench: &mut Bench) -> Result<(), Failure> {
    power_off::is_allowed()?;
    let driver = Driver::slow(ProbeType::ForceSynchronous).two_phases();
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    bench.insmod(PLATFORM.module, &driver.to_string())?;
    sleep(Duration::from_millis(u64::from(driver.firmware_ms / 5)));
    power_off::now(NAME)
}

pub(crate) fn main() -> ExitCode {
    // The last tests, of the instruments, would come after the power-off.
    ktap::run_unwatched(vec![Test::new(NAME, in_flight)])
}
