// SPDX-License-Identifier: GPL-2.0

//! Builds the modules.

use crate::error::Result;
use crate::options::KernelOptions;
use crate::progress::{says, Verbosity};
use crate::session::Session;

/// What to build them for, and how.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel
    #[command(flatten)]
    pub kernel: KernelOptions,
    /// Passed to make: CLIPPY=1, W=1, V=1
    pub variables: Vec<String>,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    // Modules of the user's may be in C.
    let variables: Vec<&str> = args.variables.iter().map(String::as_str).collect();
    let session = match variables.iter().any(|of| of.starts_with("M=")) {
        true => Session::of_any(&args.kernel)?,
        false => Session::open(&args.kernel)?,
    };
    let shown = says(Verbosity::Normal);
    session.build(&variables, shown).map(drop)
}
