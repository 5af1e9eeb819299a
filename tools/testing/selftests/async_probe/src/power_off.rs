// SPDX-License-Identifier: GPL-2.0

//! Powers the machine off, at the end of a test.
//!
//! That is done only if `ASYNC_PROBE_POWER_OFF=1` is in the environment: on the kernel's command
//! line it gets there through init. The result is printed before; it counts only if the machine is
//! off soon afterwards, and its console shows no complaint and keeps the law of the program's name.

use std::process::ExitCode;

use nix::sys::reboot::{reboot, RebootMode};
use nix::sys::termios::tcdrain;

use crate::{ktap, skip, unmet, Bench, Failure, Test};

/// The program whose only test, of this name, powers the machine off after what `before` does. It
/// is skipped where the machine may not be powered off.
pub(crate) fn run(name: &'static str, before: fn(&mut Bench) -> Result<(), Failure>) -> ExitCode {
    // The last tests, of the instruments, would come after the power-off.
    ktap::run_unwatched(vec![Test::new(name, move |bench| {
        if std::env::var("ASYNC_PROBE_POWER_OFF").as_deref() != Ok("1") {
            return skip("powers the machine off: needs ASYNC_PROBE_POWER_OFF=1");
        }
        before(bench)?;
        println!("ok 1 {name}");
        // Where the output is no terminal, it is out already.
        let _ = tcdrain(std::io::stdout());
        let Err(errno) = reboot(RebootMode::RB_POWER_OFF);
        unmet("the machine to be off", errno)
    })])
}
