// SPDX-License-Identifier: GPL-2.0

//! The subcommands, each with its options in a file of its own.

pub(crate) mod bench;
pub(crate) mod boot_demo;
pub(crate) mod boot_stall;
pub(crate) mod boots;
pub(crate) mod census;
pub(crate) mod check;
pub(crate) mod check_driver;
pub(crate) mod clean_cache;
pub(crate) mod determinism;
pub(crate) mod devices;
pub(crate) mod docs;
pub(crate) mod exec;
pub(crate) mod in_tree;
pub(crate) mod install;
pub(crate) mod modules;
pub(crate) mod run;
pub(crate) mod setup;
pub(crate) mod shell;
pub(crate) mod vm;

use clap::Subcommand;

use crate::cache::Lock;
use crate::error::Result;
use crate::options::{BootOptions, KernelOptions};
use crate::project::Project;

/// What the lab does.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Makes the root file system and prepares the kernel
    Setup(setup::Args),
    /// Builds the modules
    Modules(modules::Args),
    /// Shows asynchronous probing: dmesg timing of the sample driver, and tables
    Run(run::Args),
    /// Runs all tests, or those whose names contain TESTS
    Check(check::Args),
    /// Measures designs and costs, and judges what was measured
    Bench(bench::Args),
    /// Fails if a figure of the last benchmark is worse than in an older one
    BenchCompare(bench::CompareArgs),
    /// Takes a driver through its life under the recorder, and judges it
    CheckDriver(check_driver::Args),
    /// Checks all modules of the kernel on the device models that they take
    Census(census::Args),
    /// Lists the device models of QEMU's, and the modules of the kernel that take them
    Devices(devices::Args),
    /// Runs the demonstration several times, and fails if its consoles differ
    Determinism(determinism::Args),
    /// Boots with the samples built in, and shows how long each design stalls the boot
    BootStall(BootOptions),
    /// Explains the boot of a Debian with a slow driver, and boots again as what-if advises
    BootDemo(boot_demo::Args),
    /// Boots slow drivers, asks what-if, boots again as advised, and compares
    Boots(boots::Args),
    /// Builds all in the kernel tree, as modules and built in, and runs the guest's tests with that
    InTree(in_tree::Args),
    /// Runs a job in the virtual machine
    Vm(vm::Args),
    /// Opens a shell in the virtual machine; without a terminal it runs what comes from stdin
    Shell(shell::Args),
    /// Makes the documentation, as HTML
    Docs(KernelOptions),
    /// Installs programs and modules as a kselftest
    Install(install::Args),
    /// Removes the downloads, the root file system and the kernels
    CleanCache,
    /// Runs a command in the root file system, beside the checkout (/lab/project) and the kernel
    /// (/lab/kernel)
    Exec(exec::Args),
}

impl Command {
    /// Does it; returns the exit code.
    pub(crate) fn run(&self) -> Result<u8> {
        let _lock = self.name().map(lock).transpose()?;
        match self {
            Self::Setup(args) => setup::run(args),
            Self::Modules(args) => modules::run(args),
            Self::Run(args) => run::run(args),
            Self::Check(args) => check::run(args),
            Self::Bench(args) => bench::run(args),
            Self::BenchCompare(args) => bench::compare(args),
            Self::CheckDriver(args) => check_driver::run(args),
            Self::Census(args) => census::run(args),
            Self::Devices(args) => devices::run(args),
            Self::Determinism(args) => determinism::run(args),
            Self::BootStall(args) => boot_stall::run(args),
            Self::BootDemo(args) => boot_demo::run(args),
            Self::Boots(args) => boots::run(args),
            Self::InTree(args) => in_tree::run(args),
            Self::Vm(args) => vm::run(args),
            Self::Shell(args) => return shell::run(args),
            Self::Docs(args) => docs::run(args),
            Self::Install(args) => install::run(args),
            Self::CleanCache => clean_cache::run(),
            Self::Exec(args) => return exec::run(args),
        }
        .map(|()| 0)
    }

    /// The name of the command, if several boots write its output files, or if they are read after
    /// a boot.
    fn name(&self) -> Option<&'static str> {
        Some(match self {
            Self::Run(_) => "run",
            Self::Bench(_) => "bench",
            Self::CheckDriver(_) => "check-driver",
            Self::Determinism(_) => "determinism",
            Self::BootStall(_) => "boot-stall",
            Self::BootDemo(_) => "boot-demo",
            Self::Boots(_) => "boots",
            Self::InTree(_) => "in-tree",
            _ => return None,
        })
    }
}

/// Held as long as the command runs: another one of its name would take its files for its own.
fn lock(name: &str) -> Result<Lock> {
    let project = Project::locate()?;
    project.writable()?;
    Lock::take(&project.out(&format!("{name}.lock")))
}
