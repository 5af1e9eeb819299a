// SPDX-License-Identifier: GPL-2.0

//! Reads the log that the command line names.

use std::fs;
use std::io::{stdin, Read};
use std::path::Path;

use lifecycle::parse::refusal::{Reason, Refusal};
use lifecycle::parse::{bytes, log};
use lifecycle::summary::Summary;

use crate::error::{Error, Kind, Result};
use crate::output;

/// How to get a log that tells of probes.
const HOW: &str = "boot once with `initcall_debug log_buf_len=16M` on the kernel's command line, \
     then `dmesg >FILE`; for modules that are loaded later, `echo Y \
     >/sys/module/kernel/parameters/initcall_debug` as root before they are loaded does the same";

/// The name of a log, for messages and headings.
pub fn name(path: &Path) -> String {
    if is_stdin(path) {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// Reads a log; of several boots in it, the one of this number, from 1, or the last with probes.
/// Unless it is to be `quiet`, it says what a reader of the report has to know.
///
/// # Errors
///
/// [`Kind::Log`] if the file cannot be read or is no log that is understood, [`Kind::Nothing`] if
/// it has nothing about probes, initcalls or calls.
pub fn read(path: &Path, boot: Option<usize>, quiet: bool) -> Result<Summary> {
    let name = name(path);
    let read = if is_stdin(path) {
        let mut read = Vec::new();
        stdin().read_to_end(&mut read).map(|_| read)
    } else {
        fs::read(path)
    };
    let read = read.map_err(|error| {
        Error::new(
            Kind::Log,
            format!("cannot read the log {name}"),
            error.to_string(),
            "name a file with what dmesg printed, or a recording; - is standard input",
        )
    })?;
    let refused = |refusal: Refusal| match refusal.reason {
        Reason::Nothing(_) => nothing(&name, refusal.to_string()),
        _ => Error::new(
            Kind::Log,
            format!("cannot understand the log {name}"),
            refusal.to_string(),
            refusal.next(),
        ),
    };
    let text = bytes::text(read).map_err(refused)?;
    let log = log::parse(&text, boot).map_err(refused)?;
    // A log may have hundreds of megabytes.
    let lines = text.lines().count();
    drop(text);
    for note in log.notes.iter().filter(|_| !quiet) {
        output::note(&format!("{name}: {note}"));
    }
    // Init is there in every log of a boot.
    let summary = Summary::of(&name, log);
    if summary.life.spans.is_empty() {
        return Err(nothing(
            &name,
            format!(
                "none of its {lines} lines is of a probe or of an initcall: a kernel prints none \
                 without initcall_debug"
            ),
        ));
    }
    Ok(summary)
}

fn nothing(name: &str, why: String) -> Error {
    Error::new(
        Kind::Nothing,
        format!("the log {name} has nothing about probes"),
        why,
        HOW,
    )
}
