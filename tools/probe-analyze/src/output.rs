// SPDX-License-Identifier: GPL-2.0

//! What the program prints: results on standard output, all else on standard error.

use std::io::{self, Write};
use std::path::Path;

use anstream::{eprintln, stdout, ColorChoice};
use anstyle::{AnsiColor, Style};
use clap::ValueEnum;
use serde::Serialize;

use crate::error::{Error, Result};

const BOLD: Style = Style::new().bold();
const RED: Style = AnsiColor::Red.on_default().bold();

/// When to print in colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless NO_COLOR is set
    Auto,
    /// Also into a file or a pipe
    Always,
    /// Not at all
    Never,
}

impl Color {
    /// Decides for the whole program.
    pub fn apply(self) {
        match self {
            // The choice of anstream knows the terminal, NO_COLOR, CLICOLOR and TERM.
            Self::Auto => {}
            Self::Always => ColorChoice::Always.write_global(),
            Self::Never => ColorChoice::Never.write_global(),
        }
    }
}

/// Prints a result.
///
/// # Errors
///
/// [`Kind::Storage`](crate::error::Kind::Storage) if standard output cannot be written.
pub fn result(text: &str) -> Result<()> {
    printed(writeln!(stdout().lock(), "{}", text.trim_end()))
}

/// Prints a report: its headings, which end with a colon, in bold.
///
/// # Errors
///
/// [`Kind::Storage`](crate::error::Kind::Storage) if standard output cannot be written.
pub fn report(text: &str) -> Result<()> {
    let mut stdout = stdout().lock();
    let mut lines = text.trim_end().lines();
    printed(lines.try_for_each(|line| {
        if line.ends_with(':') && !line.starts_with(' ') {
            writeln!(stdout, "{BOLD}{line}{BOLD:#}")
        } else {
            writeln!(stdout, "{line}")
        }
    }))
}

/// The reader may go away early: `probe-analyze report FILE | head`.
fn printed(result: io::Result<()>) -> Result<()> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::storage(Path::new("standard output"), &error))
        }
        _ => Ok(()),
    }
}

/// Says something beside the result.
pub fn note(text: &str) {
    eprintln!("probe-analyze: {text}");
}

/// Prints a value as one line of JSON.
///
/// # Errors
///
/// [`Kind::Storage`](crate::error::Kind::Storage) if standard output cannot be written.
pub fn json(value: &impl Serialize) -> Result<()> {
    // None of the values has a map whose keys are not strings, which is all that could fail.
    result(&serde_json::to_string(value).unwrap_or_default())
}

/// Prints why the program fails.
pub fn failure(error: &Error) {
    let Error {
        what, why, next, ..
    } = error;
    eprintln!("probe-analyze: {RED}error{RED:#}: {what}");
    eprintln!("  {BOLD}why{BOLD:#}:  {why}");
    eprintln!("  {BOLD}next{BOLD:#}: {next}");
}
