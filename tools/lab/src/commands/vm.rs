// SPDX-License-Identifier: GPL-2.0

//! Runs a job in the virtual machine.

use std::fs;
use std::path::PathBuf;

use crate::devices::DeviceOptions;
use crate::error::{IoContext, Result};
use crate::modules::Modules;
use crate::options::BootOptions;
use crate::paths::{directory, file, name};
use crate::progress::{note, result};
use crate::session::Session;

/// A job for the guest.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// More devices
    #[command(flatten)]
    pub devices: DeviceOptions,
    /// A shell script that runs in the guest; its output comes to stdout
    #[arg(long)]
    pub job: PathBuf,
    /// Firmware files, which the guest sees in /lib/firmware/async_probe
    #[arg(long)]
    pub firmware: Option<PathBuf>,
    /// Static programs, which the guest sees in /selftests
    #[arg(long)]
    pub program: Vec<PathBuf>,
    /// More modules, which the guest sees in /modules
    #[arg(long)]
    pub module: Vec<PathBuf>,
    /// Where console.log and results.log go
    #[arg(long, default_value = "out/vm")]
    pub out: PathBuf,
    /// Does not build the modules first
    #[arg(long)]
    pub no_build: bool,
}

pub(crate) fn run(job: &Args) -> Result<()> {
    file("--job ", &job.job)?;
    for program in &job.program {
        file("--program ", program)?;
    }
    for module in &job.module {
        file("--module ", module)?;
    }
    if let Some(dir) = &job.firmware {
        directory("--firmware ", dir)?;
    }
    let session = Session::of_any(&job.boot.kernel)?;
    let machine = job.devices.devices(&session)?.machine(&job.boot.machine);
    let modules = if job.no_build {
        Modules::built(&session.project)
    } else {
        session.modules()?
    };
    let mut initramfs = session.initramfs(&modules)?;
    initramfs.file("job", &job.job, true);
    if let Some(dir) = &job.firmware {
        initramfs.tree("lib/firmware/async_probe", dir)?;
    }
    for program in &job.program {
        initramfs.selftest(program);
    }
    for module in &job.module {
        initramfs.file(&format!("modules/{}", name(module)), module, false);
    }
    fs::create_dir_all(&job.out).at(&job.out, "create the directory")?;
    let out = fs::canonicalize(&job.out).at(&job.out, "find")?;
    let outcome = session
        .boot(&machine, &out)
        .run(initramfs, &mut |line| result(line))?;
    note(&format!(
        "{:.1} s of wall time; console: {}",
        outcome.wall.as_secs_f64(),
        outcome.console.display()
    ));
    outcome.verdict()
}
