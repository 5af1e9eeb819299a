// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze timeline`.

use timeline::files::{self, NAMES};
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
    interrupt::complete(|| files::write(&summary.life, &heading, &args.out))
        .map_err(|error| Error::storage(&args.out, &error))?;
    if args.json {
        output::json(&NAMES.map(|name| args.out.join(name)))?;
    } else if !args.quiet {
        let names = NAMES.join(", ");
        output::result(&format!("the timeline: {names} in {}", args.out.display()))?;
    }
    Ok(())
}
