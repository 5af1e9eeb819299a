// SPDX-License-Identifier: GPL-2.0

//! The platform bus in sysfs.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use lifecycle::event::Call;
use nix::errno::Errno;

use crate::{kmsg, Failure};

/// The driver's name.
pub const DRIVER: &str = "slow_platform";

const BUS: &str = "/sys/bus/platform";

/// The name of the device with this number.
pub fn device(number: usize) -> String {
    format!("slow_platform.{number}")
}

/// Writes the device's name to the driver's `bind` or `unbind`, or to the bus's `drivers_probe`,
/// and leaves in the log when.
///
/// # Errors
///
/// [`Failure::Io`] if it could not be tried; what the kernel answers is the result.
pub fn write(call: Call, device: &str) -> Result<Result<(), Errno>, Failure> {
    let path = match call {
        Call::DriversProbe => format!("{BUS}/drivers_probe"),
        call => format!("{BUS}/drivers/{DRIVER}/{call}"),
    };
    write_to(&path, call, device, device)
}

/// Writes `text` to the file at `path`, and leaves in the log when: as `call` on `device`.
///
/// # Errors
///
/// [`Failure::Io`] if it could not be tried; what the kernel answers is the result.
pub fn write_to(
    path: &str,
    call: Call,
    device: &str,
    text: &str,
) -> Result<Result<(), Errno>, Failure> {
    let mut file = OpenOptions::new()
        .write(true)
        .open(path)
        .map_err(|error| Failure::io("open", path, error))?;
    kmsg::around(call, device, || {
        file.write_all(text.as_bytes()).map_err(errno)
    })
}

/// The names in a directory, in order; none if there is no such directory.
pub fn names(directory: impl AsRef<Path>) -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(directory)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

fn errno(error: io::Error) -> Errno {
    error
        .raw_os_error()
        .map_or(Errno::UnknownErrno, Errno::from_raw)
}

/// The driver that the device is bound to, if it is bound.
pub fn driver_of(device: &str) -> Option<String> {
    driver_on(BUS, device)
}

/// The same on the bus at `bus`.
pub(crate) fn driver_on(bus: &str, device: &str) -> Option<String> {
    let link = fs::read_link(Path::new(bus).join("devices").join(device).join("driver")).ok()?;
    Some(link.file_name()?.to_string_lossy().into_owned())
}

/// Whether the bus has the device.
pub fn exists(device: &str) -> bool {
    Path::new(BUS).join("devices").join(device).exists()
}

/// Whether the driver's directory has a link to the device.
pub fn driver_lists(device: &str) -> bool {
    Path::new(BUS)
        .join("drivers")
        .join(DRIVER)
        .join(device)
        .symlink_metadata()
        .is_ok()
}

/// How many NUMA nodes the kernel counts: one more than the highest number of a node.
pub fn nodes() -> u32 {
    let entries = fs::read_dir("/sys/devices/system/node");
    let numbers = entries.into_iter().flatten().flatten().filter_map(|entry| {
        let name = entry.file_name();
        name.to_str()?.strip_prefix("node")?.parse::<u32>().ok()
    });
    // A kernel without NUMA has no such directory.
    numbers.max().map_or(1, |highest| highest + 1)
}

/// How many references there are to a module.
///
/// # Errors
///
/// [`Failure::Io`] if that cannot be read.
pub fn references(module: &str) -> Result<String, Failure> {
    let path = format!("/sys/module/{module}/refcnt");
    fs::read_to_string(&path)
        .map(|value| value.trim_end().to_owned())
        .map_err(|error| Failure::io("read", path, error))
}

/// A module's parameter, without the line feed.
///
/// # Errors
///
/// [`Failure::Io`] if it cannot be read.
pub fn parameter(module: &str, parameter: &str) -> Result<String, Failure> {
    let path = format!("/sys/module/{module}/parameters/{parameter}");
    match fs::read_to_string(&path) {
        Ok(value) => Ok(value.strip_suffix('\n').unwrap_or(&value).to_owned()),
        Err(error) => Err(Failure::io("read", path, error)),
    }
}
