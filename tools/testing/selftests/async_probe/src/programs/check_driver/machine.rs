// SPDX-License-Identifier: GPL-2.0

//! The drivers that the machine shows, and the devices that are bound to them.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use selftests::sysfs::names;

/// A driver in sysfs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Driver {
    /// The bus.
    pub(crate) bus: String,
    /// The driver's name.
    pub(crate) name: String,
}

/// All drivers that are registered.
pub(crate) fn drivers() -> BTreeSet<Driver> {
    let buses = Path::new("/sys/bus");
    names(buses)
        .into_iter()
        .flat_map(|bus| {
            names(buses.join(&bus).join("drivers"))
                .into_iter()
                .map(move |name| Driver {
                    bus: bus.clone(),
                    name,
                })
        })
        .collect()
}

impl Driver {
    /// A file of it.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        Path::new("/sys/bus")
            .join(&self.bus)
            .join("drivers")
            .join(&self.name)
            .join(name)
    }

    /// The devices that it has, those among them that it is probing, too.
    pub(crate) fn devices(&self) -> Vec<String> {
        let mut devices = names(self.file(""));
        devices.retain(|name| {
            name != "module"
                && self
                    .file(name)
                    .symlink_metadata()
                    .is_ok_and(|entry| entry.is_symlink())
        });
        devices
    }
}

/// The line of `/proc/modules` of a module that cannot be unloaded.
pub(crate) fn module(name: &str) -> String {
    // `name size references users, state`
    fs::read_to_string("/proc/modules")
        .unwrap_or_default()
        .lines()
        .find(|line| line.split(' ').next() == Some(name))
        .map_or_else(|| "not loaded".to_owned(), str::to_owned)
}

/// How long this thread has been on a processor, if the kernel counts that.
pub(crate) fn computed() -> Option<Duration> {
    // `run_time wait_time slices`, in nanoseconds (Documentation/scheduler/sched-stats.rst).
    let stat = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let ran = stat.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(ran))
}

/// Ends the machine: a task hangs that cannot be killed. A script of init prints the blocked tasks.
pub(crate) fn give_up() -> ! {
    let _ = Command::new("deadline").arg("0").status();
    // On another machine than the lab's there is no such script.
    std::process::exit(1);
}
