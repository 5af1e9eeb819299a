// SPDX-License-Identifier: GPL-2.0

//! A firmware directory of the test's own.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{sysfs, Failure};

/// Where the kernel looks for firmware first.
const PATH: &str = "/sys/module/firmware_class/parameters/path";

/// A temporary directory in which the kernel looks for firmware first, until it is dropped. The
/// machine's own `/lib/firmware` is not touched.
#[derive(Debug)]
pub struct FirmwareDir {
    directory: TempDir,
    path_before: String,
}

impl FirmwareDir {
    /// Makes the directory and points the kernel to it.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if that cannot be done.
    pub fn new() -> Result<Self, Failure> {
        let directory = TempDir::with_prefix("async_probe.")
            .map_err(|error| Failure::io("make a directory in", std::env::temp_dir(), error))?;
        let below = directory.path().join("async_probe");
        fs::create_dir(&below).map_err(|error| Failure::io("make", below, error))?;

        let path_before = sysfs::parameter("firmware_class", "path")?;
        fs::write(PATH, directory.path().as_os_str().as_encoded_bytes())
            .map_err(|error| Failure::io("write", PATH, error))?;
        Ok(Self {
            directory,
            path_before,
        })
    }

    /// The file of the device or the driver of this name.
    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(firmware_name(name))
    }

    /// Puts an image there for the device or the driver of this name.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if that cannot be done.
    pub fn put(&self, name: &str, image: &[u8]) -> Result<(), Failure> {
        let file = self.file(name);
        fs::write(&file, image).map_err(|error| Failure::io("write", file, error))
    }

    /// Takes the image away, if there is one.
    ///
    /// # Errors
    ///
    /// [`Failure::Io`] if that cannot be done.
    pub fn take(&self, name: &str) -> Result<(), Failure> {
        let file = self.file(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::io("remove", file, error))
            }
            _ => Ok(()),
        }
    }

    /// Whether the machine itself has firmware of this name, which a missing file would not hide.
    pub fn machine_has(name: &str) -> bool {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let release = release.trim();
        [
            format!("/lib/firmware/updates/{release}"),
            "/lib/firmware/updates".to_owned(),
            format!("/lib/firmware/{release}"),
            "/lib/firmware".to_owned(),
        ]
        .iter()
        .any(|directory| PathBuf::from(directory).join(firmware_name(name)).exists())
    }
}

/// What the driver asks the kernel for.
pub fn firmware_name(name: &str) -> String {
    format!("async_probe/{name}.fw")
}

impl Drop for FirmwareDir {
    fn drop(&mut self) {
        // An empty write would not reach the kernel; the byte after the string ends it there too.
        let _ = fs::write(PATH, format!("{}\0", self.path_before));
    }
}
