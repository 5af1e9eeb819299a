// SPDX-License-Identifier: GPL-2.0

//! Why nothing was recorded.

use std::io;
use std::path::Path;

/// Why nothing was recorded.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// This kernel cannot be recorded, or not now; the text names what it lacks.
    #[error("{0}")]
    Unavailable(String),
    /// A file cannot be read or written.
    #[error("{doing}: {error}")]
    Io {
        /// What was tried.
        doing: String,
        /// What went wrong.
        error: io::Error,
    },
    /// tracefs says something else than it should.
    #[error("expected {expected}, seen: {seen}")]
    Unexpected {
        /// What should be there.
        expected: String,
        /// What is there.
        seen: String,
    },
}

impl Error {
    pub(crate) fn io(doing: &str, path: &Path, error: impl Into<io::Error>) -> Self {
        Self::Io {
            doing: format!("{doing} {}", path.display()),
            error: error.into(),
        }
    }

    pub(crate) fn unexpected(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Unexpected {
            expected: expected.into(),
            seen: seen.into(),
        }
    }
}
