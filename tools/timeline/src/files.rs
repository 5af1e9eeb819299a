// SPDX-License-Identifier: GPL-2.0

//! The pictures of a timeline as files in a directory.

use std::fs;
use std::io;
use std::path::Path;

use lifecycle::Life;

use crate::{page::page, svg::svg, trace::trace, Heading};

/// The names of the files.
pub const NAMES: [&str; 3] = ["timeline.svg", "timeline.html", "timeline.trace.json"];

/// Draws the pictures of a timeline into a directory, which is made if it is not there: one after
/// the other, since each may take hundreds of megabytes. Each has its name only when it is
/// complete.
///
/// # Errors
///
/// The first error of the file system: the directory cannot be made, or a file cannot be written.
pub fn write(timeline: &Life, heading: &Heading, directory: &Path) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for (name, draw) in NAMES.iter().zip([svg, page, trace]) {
        let partial = directory.join(format!(".{name}.partial"));
        fs::write(&partial, draw(timeline, heading))?;
        fs::rename(&partial, directory.join(name))?;
    }
    Ok(())
}
