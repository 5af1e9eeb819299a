// SPDX-License-Identifier: GPL-2.0

//! The pictures of a timeline as files in a directory.

use std::fs;
use std::io;
use std::path::Path;

use lifecycle::Life;

use crate::{page::page, svg::svg, trace::trace, Heading};

/// The names of the files.
pub const NAMES: [&str; 3] = ["timeline.svg", "timeline.html", "timeline.trace.json"];

/// The pictures of one timeline.
#[derive(Clone, Debug)]
pub struct Pictures([String; 3]);

impl Pictures {
    /// Draws a timeline.
    pub fn of(timeline: &Life, heading: &Heading) -> Self {
        Self([
            svg(timeline, heading),
            page(timeline, heading),
            trace(timeline, heading),
        ])
    }

    /// Writes the pictures into a directory, which is made if it is not there. Each has its name
    /// only when it is complete.
    ///
    /// # Errors
    ///
    /// The first error of the file system: the directory cannot be made, or a file cannot be
    /// written.
    pub fn write(&self, directory: &Path) -> io::Result<()> {
        fs::create_dir_all(directory)?;
        for (name, picture) in NAMES.iter().zip(&self.0) {
            let partial = directory.join(format!(".{name}.partial"));
            fs::write(&partial, picture)?;
            fs::rename(&partial, directory.join(name))?;
        }
        Ok(())
    }
}
