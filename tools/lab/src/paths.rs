// SPDX-License-Identifier: GPL-2.0

//! Paths, by parts.

use std::path::Path;

/// The name of a file.
pub fn name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
