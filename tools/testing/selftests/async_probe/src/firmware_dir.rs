// SPDX-License-Identifier: GPL-2.0

//! A firmware directory of the test's own.

use std::fs;
use std::io::{ErrorKind, Write};
use std::path::PathBuf;

use firmware::encode;
use tempfile::{NamedTempFile, TempDir};

use crate::{skip, sysfs, Failure};

/// Where the kernel looks for firmware first.
const PATH: &str = "/sys/module/firmware_class/parameters/path";

/// A temporary directory in which the kernel looks for firmware first, until it is dropped. The
/// machine's own `/lib/firmware` is not touched.
#[derive(Debug)]
pub(crate) struct FirmwareDir {
    directory: TempDir,
    path_before: String,
}

impl FirmwareDir {
    /// Makes the directory and points the kernel to it.
    pub(crate) fn new() -> Result<Self, Failure> {
        let directory = TempDir::with_prefix("async_probe.")
            .map_err(|error| Failure::io("make a directory in", std::env::temp_dir(), error))?;
        let below = directory.path().join("async_probe");
        fs::create_dir(&below).map_err(|error| Failure::io("make", below, error))?;

        let path_before = sysfs::parameter("firmware_class", "path")?;
        sysfs::put(PATH, directory.path().as_os_str().as_encoded_bytes())?;
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
    pub(crate) fn put(&self, name: &str, image: &[u8]) -> Result<(), Failure> {
        // The kernel lets no one write a file that it reads (fs/kernel_read_file.c).
        let file = self.file(name);
        let failure = |error| Failure::io("put", &file, error);
        let mut aside = NamedTempFile::new_in(&self.directory).map_err(failure)?;
        aside.write_all(image).map_err(failure)?;
        aside.persist(&file).map_err(|error| failure(error.error))?;
        Ok(())
    }

    /// Puts a good image there, small enough to cost no time.
    pub(crate) fn put_good(&self, name: &str) -> Result<(), Failure> {
        self.put(name, &good_image())
    }

    /// Takes the image away, if there is one.
    pub(crate) fn take(&self, name: &str) -> Result<(), Failure> {
        let file = self.file(name);
        match fs::remove_file(&file) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(Failure::io("remove", file, error))
            }
            _ => Ok(()),
        }
    }

    /// Skips a test that wants the firmware of this name to be missing if the machine itself has
    /// it: the kernel looks there, too.
    pub(crate) fn machine_must_lack(name: &str) -> Result<(), Failure> {
        let release = sysfs::read("/proc/sys/kernel/osrelease")?;
        let below =
            ["updates", "."].map(|directory| PathBuf::from("/lib/firmware").join(directory));
        let files = below.iter().flat_map(|directory| {
            [directory.join(&release), directory.clone()]
                .map(|directory| directory.join(firmware_name(name)))
        });
        match files.into_iter().find(|file| file.exists()) {
            Some(file) => skip(format!("there is {}", file.display())),
            None => Ok(()),
        }
    }
}

pub(crate) fn good_image() -> Vec<u8> {
    encode::image(&encode::payload(64, 1)).expect("the payload has a length that is allowed")
}

/// What the driver asks the kernel for.
pub(crate) fn firmware_name(name: &str) -> String {
    format!("async_probe/{name}.fw")
}

impl Drop for FirmwareDir {
    fn drop(&mut self) {
        // An empty write would not reach the kernel; the byte after the string ends it there too.
        let _ = fs::write(PATH, format!("{}\0", self.path_before));
    }
}
