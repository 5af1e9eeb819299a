// SPDX-License-Identifier: GPL-2.0

//! The checkout that the lab works on, and where its outputs go.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// The top of a checkout.
#[derive(Clone, Debug)]
pub(crate) struct Project {
    top: PathBuf,
}

impl Project {
    /// Finds the checkout that the current directory is in.
    pub(crate) fn locate() -> Result<Self> {
        let here = env::current_dir().unwrap_or_default();
        here.ancestors()
            .find(|dir| dir.join("Kbuild").is_file() && dir.join("tools/lab").is_dir())
            .map(|dir| Self {
                top: dir.to_owned(),
            })
            .ok_or_else(|| {
                Error::new(
                    Kind::Usage,
                    "not in a checkout of async_probe",
                    format!(
                        "{} and its parents have no Kbuild and tools/lab",
                        here.display()
                    ),
                    "cd into the checkout",
                )
            })
    }

    /// Fails if nothing can be written to the output directory.
    ///
    /// # Errors
    ///
    /// [`Kind::Storage`], with the reason of the operating system.
    pub(crate) fn writable(&self) -> Result<()> {
        let out = self.top.join("out");
        let probe = fs::create_dir_all(&out).and_then(|()| tempfile::tempfile_in(&out));
        probe.map(drop).map_err(|error| {
            Error::new(
                Kind::Storage,
                "this checkout is read-only, full, or not yours",
                format!("{} cannot be written: {error}", out.display()),
                "clone it to a directory that you can write to, and run the same command there",
            )
        })
    }

    pub(crate) fn top(&self) -> &Path {
        &self.top
    }

    /// A path below the output directory.
    pub(crate) fn out(&self, name: &str) -> PathBuf {
        self.top.join("out").join(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_written_says_so() {
        // Not even root makes a directory there.
        let project = Project {
            top: "/proc".into(),
        };
        let error = project.writable().unwrap_err();
        assert_eq!(error.kind, Kind::Storage);
        assert!(error.to_string().contains("read-only"), "{error}");
        assert!(
            error.why.starts_with("/proc/out cannot be written"),
            "{error}"
        );
    }
}
