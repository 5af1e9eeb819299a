// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze timeline`.

use std::path::PathBuf;

use timeline::files::{Pictures, NAMES};
use timeline::Heading;

use crate::cli;
use crate::error::{Error, Result};
use crate::{interrupt, log, output};

/// Draws a log.
pub fn run(args: &cli::Timeline) -> Result<()> {
    let summary = log::read(&args.log, args.boot, args.quiet)?;
    let kernel = summary.kernel.map(|kernel| format!("Linux {kernel}"));
    let heading = Heading {
        title: args.title.clone().unwrap_or(summary.name),
        identity: kernel.unwrap_or_default(),
        parts: vec![],
    };
    let pictures = Pictures::of(&summary.life, &heading);
    interrupt::complete(|| pictures.write(&args.out))
        .map_err(|error| Error::storage(&args.out, &error))?;
    let files: Vec<PathBuf> = NAMES.iter().map(|name| args.out.join(name)).collect();
    if args.json {
        output::json(&files)?;
    } else if !args.quiet {
        let names = NAMES.join(", ");
        output::result(&format!("the timeline: {names} in {}", args.out.display()))?;
    }
    Ok(())
}
