// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze report`.

use lifecycle::report::log::{report, Detail};

use crate::cli::{Form, Report};
use crate::error::Result;
use crate::{log, output};

/// Shows what a log tells.
pub fn run(args: &Report) -> Result<()> {
    let summary = log::read(&args.log, args.boot, args.quiet)?;
    if args.quiet {
        return Ok(());
    }
    if args.form.json {
        output::json(&summary);
    } else {
        output::report(&report(&summary, detail(args.form)));
    }
    Ok(())
}

/// What is left out.
pub fn detail(form: Form) -> Detail {
    if form.all {
        Detail::All
    } else {
        Detail::Folded
    }
}
