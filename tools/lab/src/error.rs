// SPDX-License-Identifier: GPL-2.0

//! What can go wrong, as the person at the keyboard needs to hear it.

use std::io;
use std::path::Path;
use std::thread;

use nix::errno::Errno;

/// The kind of failure, with its exit code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A test failed, the job in the guest failed or the kernel complained.
    Failed = 1,
    /// The command line makes no sense.
    Usage = 2,
    /// The root file system could not be made or entered.
    Environment = 3,
    /// No kernel could be chosen, or it could not be prepared.
    Kernel = 4,
    /// The modules or the guest programs do not build.
    Build = 5,
    /// The virtual machine did not come to its end.
    Vm = 6,
    /// A directory cannot be written: full, read-only, or not ours.
    Storage = 7,
    /// Ctrl-C, or another signal that asks us to stop.
    Interrupted = 130,
}

/// What the exit codes mean, as `lab --help` prints them.
pub(crate) const EXIT_CODES: &[(Kind, &str)] = &[
    (
        Kind::Failed,
        "a test or job failed, or the kernel complained",
    ),
    (Kind::Usage, "wrong command line"),
    (
        Kind::Environment,
        "no root file system (packages, mirror, namespaces)",
    ),
    (
        Kind::Kernel,
        "no kernel, or it could not be prepared faithfully",
    ),
    (Kind::Build, "modules or guest programs do not build"),
    (Kind::Vm, "the virtual machine died, hung or never started"),
    (Kind::Storage, "a directory is full, read-only or not ours"),
    (Kind::Interrupted, "interrupted"),
];

/// A failure: what failed, why, and what to type next.
#[derive(Debug, thiserror::Error)]
#[error("{what}\n  why:  {why}\n  next: {next}")]
pub struct Error {
    /// Decides the exit code.
    pub kind: Kind,
    /// What failed.
    pub what: String,
    /// Why, as far as we know.
    pub why: String,
    /// What to type or change next.
    pub next: String,
}

/// The result of everything here.
pub(crate) type Result<T> = std::result::Result<T, Error>;

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

    /// The error of a run that was asked to stop.
    pub fn interrupted() -> Self {
        Self::new(
            Kind::Interrupted,
            "interrupted",
            "a signal asked the lab to stop",
            "run the same command again; finished steps are kept",
        )
    }
}

/// Turns an I/O error into ours, with the path it happened at.
pub(crate) trait IoContext<T> {
    /// Names the path and what was being done to it.
    fn at(self, path: &Path, doing: &str) -> Result<T>;
}

impl<T, E: Into<io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn at(self, path: &Path, doing: &str) -> Result<T> {
        self.map_err(|error| storage(path, doing, &error.into()))
    }
}

/// What to do about a directory that cannot be written.
pub(crate) const STORAGE_NEXT: &str =
    "free some space there; if it is the cache that is full or cannot be written, point \
     XDG_CACHE_HOME at another directory (3 GB are needed; making the root file system takes as \
     much of TMPDIR for a while): XDG_CACHE_HOME=/some/dir make";

fn storage(path: &Path, doing: &str, error: &io::Error) -> Error {
    let next = match error.raw_os_error().map(Errno::from_raw) {
        Some(Errno::ENOSPC | Errno::EDQUOT | Errno::EROFS | Errno::EACCES | Errno::EPERM) => {
            STORAGE_NEXT
        }
        _ => "look at the path; `make clean` removes out/, and `make clean-cache` the whole cache",
    };
    Error::new(
        Kind::Storage,
        format!("cannot {doing} {}", path.display()),
        error.to_string(),
        next,
    )
}

/// The result of a thread that was waited for.
///
/// # Errors
///
/// [`Kind::Failed`] if it has panicked.
pub(crate) fn joined<T>(result: thread::Result<Result<T>>) -> Result<T> {
    result.unwrap_or_else(|_| {
        Err(Error::new(
            Kind::Failed,
            "a part of the work has no result",
            "a thread of the lab panicked; its message is above",
            "this is a bug of the lab: report it",
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_names_the_way_out() {
        let full = Err::<(), _>(Errno::ENOSPC).at(Path::new("/cache/x"), "write");
        let error = full.unwrap_err();
        assert_eq!(error.kind, Kind::Storage);
        assert!(error.to_string().contains("/cache/x"));
        assert!(error.next.contains("XDG_CACHE_HOME"));
    }
}
