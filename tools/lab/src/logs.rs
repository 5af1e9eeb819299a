// SPDX-License-Identifier: GPL-2.0

//! Reads logs of any kind: what dmesg or the console printed, and recordings.

use std::fs;
use std::io::{stdin, Read};
use std::path::Path;

use lifecycle::log::{self, Log};

use crate::error::{Error, Kind, Result};

/// The name of a log, for messages and headings.
pub fn name(path: &Path) -> String {
    if is_stdin(path) {
        "stdin".to_owned()
    } else {
        path.display().to_string()
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads a log, `-` from stdin.
pub fn read(path: &Path) -> Result<Log> {
    let mut bytes = Vec::new();
    let read = if is_stdin(path) {
        stdin().read_to_end(&mut bytes).map(|_| ())
    } else {
        fs::read(path).map(|read| bytes = read)
    };
    read.map_err(|error| {
        Error::new(
            Kind::Log,
            format!("cannot read the log {}", name(path)),
            error.to_string(),
            "name a file with what dmesg printed, or a recording: out/run/results.log after \
             `make run`; - is stdin",
        )
    })?;
    // The kernel escapes what it prints, a serial line may not.
    let text = String::from_utf8_lossy(&bytes);
    parse(&name(path), &text)
}

/// Understands a log that has been read.
pub fn parse(name: &str, text: &str) -> Result<Log> {
    log::parse(text).map_err(|error| {
        Error::new(
            Kind::Log,
            format!("cannot understand the log {name}"),
            error.to_string(),
            next(&error),
        )
    })
}

/// What to do about a log that cannot be understood.
fn next(error: &log::Error) -> &'static str {
    match error {
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
    }
}
