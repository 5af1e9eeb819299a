// SPDX-License-Identifier: GPL-2.0

//! Paths: their parts, and those that the user gives.

use std::fs;
use std::path::{self, Path};

use crate::error::{Error, IoContext, Kind, Result};

/// The name of a file.
pub(crate) fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// Fails if there is no such directory; `option` is how the user has named it.
///
/// # Errors
///
/// [`Kind::Usage`].
pub(crate) fn directory(option: &str, path: &Path) -> Result<()> {
    given(option, path, "directory", path.is_dir())
}

/// Fails if there is no such file.
///
/// # Errors
///
/// [`Kind::Usage`].
pub(crate) fn file(option: &str, path: &Path) -> Result<()> {
    given(option, path, "file", path.is_file())
}

fn given(option: &str, path: &Path, what: &str, is_there: bool) -> Result<()> {
    if is_there {
        return Ok(());
    }
    let whole = path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let why = match path.metadata() {
        Ok(_) => format!("{} is no {what}", whole.display()),
        Err(error) => format!("{}: {error}", whole.display()),
    };
    Err(Error::new(
        Kind::Usage,
        format!("{option}{} is no {what}", path.display()),
        why,
        format!("name a {what} that is there"),
    ))
}

/// Writes a whole file or nothing.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    let partial = path.with_file_name(format!("{}.partial", name(path)));
    fs::write(&partial, text).at(&partial, "write")?;
    fs::rename(&partial, path).at(path, "write")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_there_is_named() {
        let error = directory("FIRMWARE=", Path::new("/nope")).unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        assert_eq!(error.what, "FIRMWARE=/nope is no directory");
        assert!(error.why.starts_with("/nope: No such file"), "{error}");
        let error = file("--job ", Path::new("/")).unwrap_err();
        assert_eq!(error.why, "/ is no file");
        assert!(directory("", Path::new("/")).is_ok());
    }
}
