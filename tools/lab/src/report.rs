// SPDX-License-Identifier: GPL-2.0

//! Reports on logs, and on the difference between two.

use std::path::Path;

use lifecycle::diff::Diff;
use lifecycle::report;
use lifecycle::report::log::Detail;
use lifecycle::summary::Summary;
use serde::Serialize;

use crate::cli::Form;
use crate::error::{Error, Kind, Result};
use crate::logs;
use crate::progress::result;

/// Shows what a log tells.
pub fn report(log: &Path, form: Form) -> Result<()> {
    let summary = read(log)?;
    if form.json {
        return json(&summary);
    }
    result(report::log::report(&summary, detail(form)).trim_end());
    Ok(())
}

/// Shows what is different between two logs; returns the exit code of `diff`.
pub fn diff(a: &Path, b: &Path, form: Form) -> Result<u8> {
    let diff = Diff::of(&read(a)?, &read(b)?);
    if form.json {
        json(&diff)?;
    } else {
        result(report::diff::report(&diff, detail(form)).trim_end());
    }
    Ok(u8::from(!diff.changes.is_empty()))
}

fn detail(form: Form) -> Detail {
    if form.all {
        Detail::All
    } else {
        Detail::Folded
    }
}

fn json(value: &impl Serialize) -> Result<()> {
    let text = serde_json::to_string(value).map_err(|error| {
        Error::new(
            Kind::Log,
            "cannot print JSON",
            error.to_string(),
            "leave --json out",
        )
    })?;
    result(&text);
    Ok(())
}

/// Reads a log and sums it up.
fn read(path: &Path) -> Result<Summary> {
    Ok(Summary::of(&logs::name(path), &logs::read(path)?))
}
