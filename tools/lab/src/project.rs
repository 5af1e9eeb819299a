// SPDX-License-Identifier: GPL-2.0

//! The checkout that the lab works on, and where its outputs go.

use std::env;
use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, Result};

/// The top of a checkout.
#[derive(Clone, Debug)]
pub struct Project {
    top: PathBuf,
}

impl Project {
    /// Finds the checkout that the current directory is in.
    pub fn locate() -> Result<Self> {
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

    /// The top directory.
    pub fn top(&self) -> &Path {
        &self.top
    }

    /// A path below the output directory.
    pub fn out(&self, name: &str) -> PathBuf {
        self.top.join("out").join(name)
    }
}
