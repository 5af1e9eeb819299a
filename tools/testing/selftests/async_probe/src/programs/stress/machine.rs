// SPDX-License-Identifier: GPL-2.0

//! The modules, buses and devices that the machine shows.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::thread;
use std::time::Duration;

use nix::errno::Errno;

use crate::samples::{driver_of, Bus, BUS, PLATFORM};
use crate::sysfs::{errno, names};

/// The modules under test; those that others depend on come first.
pub(crate) const MODULES: [&str; 5] = [
    "async_probe",
    "slow_bus",
    "slow_bus_driver",
    "slow_platform_devices",
    "slow_platform_driver",
];

/// Writes to a file of the kernel, with one call.
pub(crate) fn write(path: &str, text: &str) -> Result<(), Errno> {
    OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(errno)
}

pub(crate) fn read(path: &str) -> Result<String, Errno> {
    fs::read_to_string(path).map_err(errno)
}

/// Those of the devices on the bus that have a driver, or have none.
pub(crate) fn devices_bound(bound: bool) -> Vec<String> {
    let mut devices = BUS.devices();
    devices.retain(|device| driver_of(device).is_some() == bound);
    devices
}

/// The number that the bus itself has for its devices.
pub(crate) fn count() -> Result<i64, Errno> {
    let text = read(&format!("{}/count", BUS.path))?;
    text.trim().parse().map_err(|_| Errno::EINVAL)
}

/// Everything of ours that is there: modules, buses, drivers, devices.
pub(crate) fn leftovers() -> Vec<String> {
    let mut found = Vec::new();
    let loaded = read("/proc/modules").unwrap_or_default();
    for line in loaded.lines() {
        let name = line.split(' ').next().unwrap_or_default();
        if MODULES.contains(&name) {
            found.push(format!("/proc/modules: {line}"));
        }
    }
    let ours = |name: &str| {
        MODULES.contains(&name)
            || name == PLATFORM.driver
            || Bus::BOTH.iter().any(|bus| bus.owns(name))
    };
    for directory in [
        "/sys/bus",
        "/sys/module",
        "/sys/devices",
        "/sys/devices/platform",
        "/sys/bus/platform/devices",
        "/sys/bus/platform/drivers",
    ] {
        let names = names(directory);
        let left = names.iter().filter(|name| ours(name));
        found.extend(left.map(|name| format!("{directory}/{name}")));
    }
    found
}

/// Objects that wait for a grace period are freed then: the kernel frees them in batches, every
/// five seconds (`mm/slab_common.c`, `KFREE_DRAIN_JIFFIES`).
const FREED: Duration = Duration::from_secs(6);

/// How many objects of each kind the kernel has.
pub(crate) type Objects = BTreeMap<String, i64>;

/// Counts the kernel's objects, when all that can be given back at once has been.
pub(crate) fn objects() -> Objects {
    thread::sleep(FREED);
    // Not allowed everywhere, and less exact without.
    let _ = write("/proc/sys/vm/drop_caches", "3");
    thread::sleep(Duration::from_millis(100));
    let slabs = fs::read_dir("/sys/kernel/slab").into_iter().flatten();
    for slab in slabs.flatten() {
        // An alias is a symbolic link.
        if slab.file_type().is_ok_and(|kind| kind.is_dir()) {
            let shrink = slab.path().join("shrink");
            let _ = write(&shrink.to_string_lossy(), "1");
        }
    }

    let mut objects = Objects::new();
    for line in read("/proc/slabinfo").unwrap_or_default().lines().skip(2) {
        let mut words = line.split_ascii_whitespace();
        if let (Some(name), Some(Ok(active))) = (words.next(), words.next().map(str::parse)) {
            objects.insert(name.to_owned(), active);
        }
    }
    for line in read("/proc/meminfo").unwrap_or_default().lines() {
        let mut words = line.split_ascii_whitespace();
        if let (Some(name @ ("VmallocUsed:" | "Percpu:")), Some(Ok(kib))) =
            (words.next(), words.next().map(str::parse))
        {
            objects.insert(format!("{name}KiB"), kib);
        }
    }
    objects
}
