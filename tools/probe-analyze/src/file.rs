// SPDX-License-Identifier: GPL-2.0

//! Files that the program writes.

use std::fs;
use std::path::Path;

use crate::error::{Error, Result};
use crate::interrupt;

/// Writes a file, which has its name only when it is complete.
///
/// # Errors
///
/// [`Kind::Storage`](crate::error::Kind::Storage) if it cannot be written.
pub fn write(path: &Path, text: &str) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.partial"));
    interrupt::complete(|| {
        fs::write(&partial, text)
            .and_then(|()| fs::rename(&partial, path))
            .inspect_err(|_| {
                let _ = fs::remove_file(&partial);
            })
    })
    .map_err(|error| Error::storage(path, &error))
}

/// Fails at once, and not after minutes, if a file could not be written.
///
/// # Errors
///
/// [`Kind::Storage`](crate::error::Kind::Storage) if its directory does not exist or is not
/// writable.
pub fn check(path: &Path) -> Result<()> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = path.with_file_name(format!(".{name}.partial"));
    fs::write(&partial, "")
        .and_then(|()| fs::remove_file(&partial))
        .map_err(|error| Error::storage(path, &error))
}
