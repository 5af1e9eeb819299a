// SPDX-License-Identifier: GPL-2.0

//! Powers the machine off, at the end of a test.
//!
//! That is done only if `ASYNC_PROBE_POWER_OFF=1` is in the environment: on the kernel's command
//! line it gets there through init. The result is printed before; it counts only if the machine is
//! off soon afterwards, and its console shows no complaint and keeps the law of the program's name.

use nix::sys::reboot::{reboot, RebootMode};
use nix::sys::termios::tcdrain;

use crate::{skip, unmet, Failure};

/// Demands that the machine may be powered off. Skips the test if it may not.
pub(crate) fn is_allowed() -> Result<(), Failure> {
    match std::env::var("ASYNC_PROBE_POWER_OFF").as_deref() {
        Ok("1") => Ok(()),
        _ => skip("powers the machine off: needs ASYNC_PROBE_POWER_OFF=1"),
    }
}

/// Powers the machine off: the only test of this name has passed.
pub(crate) fn now(name: &str) -> Result<(), Failure> {
    println!("ok 1 {name}");
    // Where the output is no terminal, it is out already.
    let _ = tcdrain(std::io::stdout());
    let Err(errno) = reboot(RebootMode::RB_POWER_OFF);
    unmet("the machine to be off", errno)
}
