// SPDX-License-Identifier: GPL-2.0

//! Files of sysfs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::event::Call;
use nix::errno::Errno;

use crate::{kmsg, unmet, Failure};

/// Writes `text` to the file at `path`, and leaves in the log when: as `call` on `device`. The
/// kernel's answer is the result.
pub(crate) fn write_to(
    path: &str,
    call: Call,
    device: &str,
    text: &str,
) -> Result<Result<(), Errno>, Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(|error| Failure::io("open", path, error))?;
    // Once: that of a probe which returns a positive number may look like EINTR.
    kmsg::around(call, device, None, || {
        file.write(text.as_bytes()).map(drop).map_err(errno)
    })
}

/// The names in a directory, in order; none if there is no such directory.
pub(crate) fn names(directory: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// The devices of the driver whose directory this is, those among them that it is probing, too.
pub(crate) fn devices_of(driver: impl AsRef<Path>) -> Vec<String> {
    let driver = driver.as_ref();
    let mut devices = names(driver);
    devices.retain(|name| name != "module" && driver.join(name).is_symlink());
    devices
}

/// The error that the kernel has answered with.
pub(crate) fn errno(error: io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::UnknownErrno, Errno::from_raw)
}

/// The driver that the device on the bus at `bus` is bound to, if it is bound.
pub(crate) fn driver_on(bus: &str, device: &str) -> Option<String> {
    let link = fs::read_link(Path::new(bus).join("devices").join(device).join("driver")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// Waits until `is_there`, which is about sysfs and leaves nothing in the log. The test fails if it
/// does not come to be within 20 seconds.
pub(crate) fn wait_for(wanted: &str, is_there: impl Fn() -> bool) -> Result<(), Failure> {
    for _ in 0..2000 {
        if is_there() {
            return Ok(());
        }
        sleep(Duration::from_millis(10));
    }
    unmet(wanted, "nothing of it after 20 seconds")
}

/// How many NUMA nodes the kernel counts: one more than the highest number of a node.
pub(crate) fn nodes() -> u32 {
    let entries = fs::read_dir("/sys/devices/system/node");
    let numbers = entries.into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.strip_prefix("node")?.parse::<u32>().ok()
    });
    // A kernel without NUMA has no such directory.
    numbers.max().map_or(1, |highest| highest + 1)
}

/// How many references there are to a module.
pub(crate) fn references(module: &str) -> Result<String, Failure> {
    read(&format!("/sys/module/{module}/refcnt"))
}

pub(crate) fn parameter(module: &str, parameter: &str) -> Result<String, Failure> {
    read(&format!("/sys/module/{module}/parameters/{parameter}"))
}

/// A file, without the line feed at its end.
pub(crate) fn read(path: &str) -> Result<String, Failure> {
    let value = fs::read_to_string(path).map_err(|error| Failure::io("read", path, error))?;
    Ok(value.strip_suffix('\n').unwrap_or(&value).to_owned())
}

/// Writes to a file, with one call.
pub(crate) fn put(path: impl AsRef<Path>, text: impl AsRef<[u8]>) -> Result<(), Failure> {
    fs::write(&path, text).map_err(|error| Failure::io("write", path, error))
}

/// Appends a line to a file, in one piece: tracefs takes what one write has for a whole line.
pub(crate) fn append(path: impl AsRef<Path>, line: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).open(path)?;
    file.write_all(format!("{line}\n").as_bytes())
}
