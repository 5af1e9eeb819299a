// SPDX-License-Identifier: GPL-2.0

//! Failures, as the user needs to hear them, and their exit codes.

use std::io;
use std::path::Path;

/// The kind of a failure; its number is the exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two logs differ.
    Different = 1,
    /// The command line is wrong: what clap exits with.
    Usage = 2,
    /// A file cannot be written.
    Storage = 7,
    /// A log cannot be read or understood.
    Log = 8,
    /// A log has nothing about probes.
    Nothing = 9,
    /// A kernel cannot be recorded.
    Unrecordable = 10,
    /// A signal asked the program to stop: what a shell gives a program that Ctrl-C ended.
    Interrupted = 130,
}

impl Kind {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        self as u8
    }

    fn meaning(self) -> &'static str {
        match self {
            Self::Different => "the logs differ",
            Self::Usage => "the command line is wrong",
            Self::Storage => "a file cannot be written",
            Self::Log => "a log cannot be read or understood",
            Self::Nothing => "a log has nothing about probes",
            Self::Unrecordable => "the kernel cannot be recorded",
            Self::Interrupted => "interrupted by a signal",
        }
    }
}

/// The exit codes of a command, as its `--help` prints them.
pub fn exit_codes(kinds: &[Kind]) -> String {
    let lines: Vec<String> = kinds
        .iter()
        .map(|kind| format!("  {:>3}  {}", kind.exit_code(), kind.meaning()))
        .collect();
    format!("Exit codes:\n    0  success\n{}", lines.join("\n"))
}

/// A failure: what failed, why, and what to type next.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n  why:  {why}\n  next: {next}")]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    /// What failed.
    pub what: String,
    /// The reason.
    pub why: String,
    /// What to type or change next.
    pub next: String,
}

/// The result of everything here.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Makes an error of a kind.
    pub fn new(
        kind: Kind,
        what: impl Into<String>,
        why: impl Into<String>,
        next: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            what: what.into(),
            why: why.into(),
            next: next.into(),
        }
    }

    /// The error of a file that cannot be written.
    pub fn storage(path: &Path, error: &io::Error) -> Self {
        Self::new(
            Kind::Storage,
            format!("cannot write {}", path.display()),
            error.to_string(),
            "name another place, where there is room and permission to write",
        )
    }
}
