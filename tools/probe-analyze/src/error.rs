// SPDX-License-Identifier: GPL-2.0

//! Failures, as the user needs to hear them, and their exit codes.

use std::io;
use std::path::Path;

/// The kind of a failure; each has an exit code of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Two logs differ.
    Different,
    /// The command line is wrong.
    Usage,
    /// A file cannot be written.
    Storage,
    /// A log cannot be read or understood.
    Log,
    /// A log has nothing about probes.
    Nothing,
    /// A kernel cannot be recorded.
    Unrecordable,
    /// A signal asked the program to stop.
    Interrupted,
}

impl Kind {
    /// The exit code.
    pub fn exit_code(self) -> u8 {
        self.code_and_meaning().0
    }

    fn code_and_meaning(self) -> (u8, &'static str) {
        match self {
            Self::Different => (1, "the logs differ"),
            Self::Usage => (2, "the command line is wrong"),
            Self::Storage => (7, "a file cannot be written"),
            Self::Log => (8, "a log cannot be read or understood"),
            Self::Nothing => (9, "a log has nothing about probes"),
            Self::Unrecordable => (10, "the kernel cannot be recorded"),
            Self::Interrupted => (130, "interrupted by a signal"),
        }
    }
}

/// The exit codes of a command, as its `--help` prints them.
pub fn exit_codes(kinds: &[Kind]) -> String {
    let lines: Vec<String> = kinds
        .iter()
        .map(|kind| kind.code_and_meaning())
        .map(|(code, meaning)| format!("  {code:>3}  {meaning}"))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_own_exit_code() {
        use Kind::{Different, Interrupted, Log, Nothing, Storage, Unrecordable, Usage};
        let kinds = [
            Different,
            Usage,
            Storage,
            Log,
            Nothing,
            Unrecordable,
            Interrupted,
        ];
        let mut codes: Vec<u8> = kinds.iter().map(|kind| kind.exit_code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), kinds.len());
        assert!(!codes.contains(&0));
        // What a shell gives a program that Ctrl-C ended.
        assert_eq!(Interrupted.exit_code(), 130);
        // What clap exits with.
        assert_eq!(Usage.exit_code(), 2);
    }
}
