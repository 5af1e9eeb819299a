// SPDX-License-Identifier: GPL-2.0

//! Makes the root file system and prepares the kernel.

use crate::error::Result;
use crate::options::KernelOptions;
use crate::progress::note;
use crate::session::Session;

/// Which kernel to prepare.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel
    #[command(flatten)]
    pub kernel: KernelOptions,
    /// Looks for a newer kernel even though one is prepared
    #[arg(long)]
    pub refresh: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let session = Session::make(&args.kernel, args.refresh)?;
    note(&format!("ready: {}", session.kernel.name()));
    Ok(())
}
