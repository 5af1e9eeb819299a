// SPDX-License-Identifier: GPL-2.0

//! Options that several subcommands have in common.

use clap::Args;

use crate::arch::{Arch, ARCHES};
use crate::machine::Machine;

/// The kernel that modules are built for.
#[derive(Clone, Debug, Args)]
pub(crate) struct KernelOptions {
    /// The kernel: stock, stock:<series>, custom, debug, debug-remove, debug-kcsan, driver-domain,
    /// debug-driver-domain, hardware, or the path of a built tree
    #[arg(long, default_value = "stock")]
    pub kernel: String,
    /// Its architecture
    #[arg(long, default_value = ARCHES[0].name, value_parser = Arch::named)]
    pub arch: &'static Arch,
}

/// The kernel that is booted, and the machine that it is booted in.
#[derive(Clone, Debug, Args)]
pub(crate) struct BootOptions {
    /// The kernel
    #[command(flatten)]
    pub kernel: KernelOptions,
    /// The virtual machine
    #[command(flatten)]
    pub machine: Machine,
}
