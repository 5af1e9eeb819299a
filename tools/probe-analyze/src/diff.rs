// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze diff`.

use std::path::Path;

use lifecycle::diff::{Diff, Facts};
use lifecycle::report::diff::report;

use crate::cli;
use crate::error::{Error, Kind, Result};
use crate::report::detail;
use crate::{log, output};

/// Shows what is different between two logs; returns the exit code of `diff`.
pub fn run(args: &cli::Diff) -> Result<u8> {
    if args.a == Path::new("-") && args.b == Path::new("-") {
        return Err(Error::new(
            Kind::Usage,
            "both logs are standard input",
            "it can be read once only",
            "name a file for one of them",
        ));
    }
    // One life at a time: it may take hundreds of megabytes.
    let facts = |path, boot| Ok(Facts::of(&log::read(path, boot, args.quiet)?));
    let diff = Diff::of(facts(&args.a, args.boot_a)?, facts(&args.b, args.boot_b)?);
    if args.form.json {
        output::json(&diff)?;
    } else if !args.quiet {
        output::report(&report(&diff, detail(args.form)))?;
    }
    Ok(if diff.changes.is_empty() {
        0
    } else {
        Kind::Different.exit_code()
    })
}
