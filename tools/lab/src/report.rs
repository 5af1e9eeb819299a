// SPDX-License-Identifier: GPL-2.0

//! Reports on logs, and on the difference between two.

use std::fs;
use std::io::{stdin, Read};
use std::path::Path;

use lifecycle::diff::Diff;
use lifecycle::log;
use lifecycle::report;
use lifecycle::report::log::Detail;
use lifecycle::summary::Summary;
use serde::Serialize;

use crate::cli::Form;
use crate::error::{Error, Kind, Result};
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

/// Reads a log, `-` from stdin.
fn read(path: &Path) -> Result<Summary> {
    let from_stdin = path == Path::new("-");
    let mut bytes = Vec::new();
    let read = if from_stdin {
        stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(path).map(|read| bytes = read)
    };
    let name = if from_stdin {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    };
    read.map_err(|error| {
        Error::new(
            Kind::Log,
            format!("cannot read the log {name}"),
            error.to_string(),
            "name a log that is there: make report LOG=<file>, or LOG=- for stdin",
        )
    })?;
    // The kernel escapes what it prints, a serial line may not.
    let text = String::from_utf8_lossy(&bytes);
    let log = log::parse(&text).map_err(|error| refused(&name, &error))?;
    Ok(Summary::of(&name, &log))
}

/// What to do about a log that cannot be understood.
fn refused(name: &str, error: &log::Error) -> Error {
    let next = match error {
        log::Error::Dmesg(_) => {
            "take the log again, whole: `dmesg >file`, or `cat /dev/kmsg >file` beside the run"
        }
        log::Error::Recording(_) => {
            "record again: a recording is sealed, and refused if anything is missing or altered"
        }
        log::Error::Nothing(_) => {
            "take the log of such a driver, a recording, or boot with initcall_debug on the \
             command line (Documentation/report.rst)"
        }
    };
    Error::new(
        Kind::Log,
        format!("cannot understand the log {name}"),
        error.to_string(),
        next,
    )
}
