// SPDX-License-Identifier: GPL-2.0

//! Reads logs of any kind: what dmesg or the console printed, and recordings.

use std::fs;
use std::path::Path;

use lifecycle::{dmesg, recording, Event};

use crate::error::{Error, Kind, Result};

/// What a recording begins with.
const RECORDING: &str = "# lifecycle: recording ";

/// A log.
#[derive(Debug)]
pub struct Log {
    /// Its events.
    pub events: Vec<Event>,
    /// What it says of the machine; empty if nothing.
    pub identity: String,
}

/// Reads a log.
pub fn read(path: &Path) -> Result<Log> {
    let failed = |why: String, next: &str| {
        let what = format!("cannot read the log {}", path.display());
        Error::new(Kind::Usage, what, why, next)
    };
    let bytes = fs::read(path).map_err(|error| {
        failed(
            error.to_string(),
            "name a file with what dmesg printed, or a recording: out/run/results.log after `make run`",
        )
    })?;
    let text = String::from_utf8_lossy(&bytes);
    let recording = text.lines().find(|line| line.starts_with(RECORDING));
    let events = match recording {
        Some(_) => recording::parse(&text).map_err(|error| error.to_string()),
        None => dmesg::parse(&text).map_err(|error| error.to_string()),
    };
    let events = events.map_err(|why| {
        failed(
            why,
            "see Documentation/dmesg-timing.rst for what a log looks like",
        )
    })?;
    let kernel = recording
        .and_then(|line| line.split(" kernel=").nth(1))
        .and_then(|rest| rest.split(' ').next());
    Ok(Log {
        events,
        identity: kernel.map_or_else(String::new, |kernel| format!("Linux {kernel}")),
    })
}
