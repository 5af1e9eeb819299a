// SPDX-License-Identifier: GPL-2.0

//! Why a test did not pass.

use std::fmt::{Debug, Display};
use std::io;
use std::path::Path;

use lifecycle::laws::Violation;
use nix::errno::Errno;

/// Why a test did not pass.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// A law is broken.
    #[error("{0}")]
    Law(#[from] Box<Violation>),
    /// An assertion does not hold.
    #[error("expected: {expected}\nseen: {seen}")]
    Assertion { expected: String, seen: String },
    /// The log cannot be relied on.
    #[error("log: {0}")]
    Log(#[from] lifecycle::parse::refusal::Refusal),
    /// The test could not be carried out.
    #[error("{doing}: {error}")]
    Io { doing: String, error: io::Error },
    /// There is nothing to test here.
    #[error("{0}")]
    Skip(String),
}

impl From<Violation> for Failure {
    fn from(violation: Violation) -> Self {
        Self::Law(Box::new(violation))
    }
}

impl From<recorder::Error> for Failure {
    fn from(error: recorder::Error) -> Self {
        match error {
            recorder::Error::Unavailable(why) => Self::Skip(format!("recorder: {why}")),
            recorder::Error::Io { doing, error } => Self::Io { doing, error },
            recorder::Error::Unexpected { expected, seen } => Self::Assertion { expected, seen },
        }
    }
}

impl Failure {
    /// An assertion that does not hold.
    pub(crate) fn assertion(expected: impl Display, seen: impl Display) -> Self {
        Self::Assertion {
            expected: expected.to_string(),
            seen: seen.to_string(),
        }
    }

    /// What could not be done to a file.
    pub(crate) fn io(doing: &str, path: impl AsRef<Path>, error: impl Into<io::Error>) -> Self {
        Self::Io {
            doing: format!("{doing} {}", path.as_ref().display()),
            error: error.into(),
        }
    }
}

/// There is nothing to test here, for this reason.
pub(crate) fn skip<T>(reason: impl Into<String>) -> Result<T, Failure> {
    Err(Failure::Skip(reason.into()))
}

/// An assertion does not hold.
pub(crate) fn unmet<T>(expected: impl Display, seen: impl Display) -> Result<T, Failure> {
    Err(Failure::assertion(expected, seen))
}

/// The kernel's answer to a call, which must succeed.
pub(crate) fn succeeds(call: impl Display, answer: Result<(), Errno>) -> Result<(), Failure> {
    answer.map_err(|errno| Failure::assertion(format!("{call} to succeed"), errno))
}

/// `seen` equals `expected`, or the test fails; `what` names the thing.
pub(crate) fn ensure<T: PartialEq + Debug>(
    what: &str,
    seen: &T,
    expected: &T,
) -> Result<(), Failure> {
    if seen == expected {
        Ok(())
    } else {
        Err(Failure::assertion(
            format!("{what}: {expected:?}"),
            format!("{seen:?}"),
        ))
    }
}
