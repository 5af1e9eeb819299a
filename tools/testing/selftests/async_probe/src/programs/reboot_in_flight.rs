// SPDX-License-Identifier: GPL-2.0

//! Power-off during probes, asynchronous and synchronous, neither hangs nor oopses.
//!
//! `drivers/base/core.c`, `device_shutdown()` takes the lock of each device, and so waits for its
//! probe.
//!
//! Powers the machine off, and so does it only if `ASYNC_PROBE_POWER_OFF=1` is in the environment:
//! on the kernel's command line it gets there through init. The result is printed before; it counts
//! only if the machine is off soon afterwards and its console shows no complaint.

//@ plain: the recording would end with the machine
//@ boots: two_nodes
//@ powers off

use std::process::ExitCode;

use lifecycle::ProbeType;
use nix::sys::reboot::{reboot, RebootMode};
use nix::sys::termios::tcdrain;
use selftests::samples::{Driver, PLATFORM};
use selftests::{ktap, Bench, Failure, Test};

const DEVICES: usize = 3;
const NAME: &str = "reboot_in_flight: power-off during probes";

fn reboot_in_flight(bench: &mut Bench) -> Result<(), Failure> {
    if std::env::var("ASYNC_PROBE_POWER_OFF").as_deref() != Ok("1") {
        return Err(Failure::Skip(
            "powers the machine off: needs ASYNC_PROBE_POWER_OFF=1".to_owned(),
        ));
    }
    let driver = Driver::slow(ProbeType::PreferAsynchronous);
    bench.insmod(PLATFORM.devices, &format!("devices={DEVICES}"))?;
    bench.insmod_in_background(PLATFORM.module, &driver.to_string());
    bench.wait_for_probe(&PLATFORM.device(DEVICES - 1))?;
    bench.insmod_in_background("kthread_probe", "firmware_ms=1000 kthread=1");

    // The machine is off when the result is known: it is printed before.
    println!("ok 1 {NAME}");
    // Where the output is no terminal, it is out already.
    let _ = tcdrain(std::io::stdout());
    let Err(errno) = reboot(RebootMode::RB_POWER_OFF);
    Err(Failure::assertion("the machine to be off", errno))
}

pub(crate) fn main() -> ExitCode {
    // The last tests, of the instruments, would come after the power-off.
    ktap::run_unwatched(vec![Test::new(NAME, reboot_in_flight)])
}
