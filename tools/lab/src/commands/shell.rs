// SPDX-License-Identifier: GPL-2.0

//! A shell in the virtual machine.

use crate::error::Result;
use crate::machine::{Machine, Time};
use crate::options::BootOptions;
use crate::programs;
use crate::session::Session;

/// What to boot.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
}

/// Opens it.
pub fn run(args: &Args) -> Result<()> {
    let session = Session::open(&args.boot.kernel)?;
    let modules = session.modules()?;
    // Virtual time would run away while a person thinks.
    let machine = Machine {
        time: Time::Wall,
        ..args.boot.machine.clone()
    };
    let mut initramfs = session.initramfs(&modules)?;
    for program in programs::build(&session.project, session.kernel.arch())? {
        initramfs.selftest(&program);
    }
    session
        .boot(&machine, &session.project.out("shell"))
        .shell(initramfs)
}
