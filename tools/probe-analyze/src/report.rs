// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze report`.

use lifecycle::report::log::{report, Detail};

use crate::cli::{Form, Report};
use crate::error::{Error, Kind, Result};
use crate::{log, output};

/// Shows what a log tells.
pub fn run(args: &Report) -> Result<()> {
    let mut summary = log::read(&args.log, args.boot, args.quiet)?;
    if let Some(what) = args.until.as_ref().filter(|what| !summary.until(what)) {
        let name = &summary.name;
        return Err(match what.as_str() {
            "init" => Error::new(
                Kind::Nothing,
                format!("the log {name} does not show when the kernel ran init"),
                "it has no line `Run ... as init process`, which kernels print since 5.2",
                "name a device as the report does",
            ),
            _ => Error::new(
                Kind::Nothing,
                format!("the log {name} does not show when {what} was there"),
                "it has no probe and no addition of a device of that name, and no unit",
                "name a device or a unit as the report does, or init",
            ),
        });
    }
    if args.quiet {
        return Ok(());
    }
    if args.form.json {
        output::json(&summary)?;
    } else {
        output::report(&report(&summary, detail(args.form)))?;
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
