// SPDX-License-Identifier: GPL-2.0

//! Runs a command in the root file system.

use std::path::Path;

use crate::error::Result;
use crate::kernel::Kernel;
use crate::options::KernelOptions;
use crate::process::{wait, Guarded};
use crate::session::Session;

/// What to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel
    #[command(flatten)]
    pub kernel: KernelOptions,
    /// Shows the root of the host in /lab/out
    #[arg(long)]
    pub host: bool,
    /// The command
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    pub argv: Vec<String>,
}

/// Runs it; returns its exit code.
pub(crate) fn run(args: &Args) -> Result<u8> {
    let session = Session::of_any(&args.kernel)?;
    let mut spec = session
        .env
        .enter(&args.argv)
        .bind(session.project.top(), "/lab/project")
        .workdir("/lab/project");
    if args.host {
        spec = spec.bind(Path::new("/"), "/lab/out");
    }
    if let Kernel::Prepared(kernel) = &session.kernel {
        spec = kernel.bind(spec);
    }
    let mut child = Guarded::foreground(&mut spec.command())?;
    let status = wait(&mut child, || ())?;
    Ok(status
        .code()
        .and_then(|code| u8::try_from(code).ok())
        .unwrap_or(255))
}
