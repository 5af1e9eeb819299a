// SPDX-License-Identifier: GPL-2.0

//! The drivers that the machine shows, and the devices that are bound to them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::sysfs::{devices_of, names};

/// A driver in sysfs.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Driver {
    pub(crate) bus: String,
    pub(crate) name: String,
}

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

/// Where a bus is in the kernel's memory, in hexadecimal, if it has the usual name there.
pub(crate) fn bus_at(bus: &str) -> Option<String> {
    let symbols = fs::read_to_string("/proc/kallsyms").ok()?;
    let name = format!(" {bus}_bus_type");
    let line = symbols.lines().find(|line| line.ends_with(&name))?;
    Some(line.split(' ').next()?.to_owned())
}

/// How many devices there are on all buses.
pub(crate) fn devices() -> u64 {
    let buses = Path::new("/sys/bus");
    let count = |bus: String| names(buses.join(bus).join("devices")).len();
    names(buses).into_iter().map(count).sum::<usize>() as u64
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

    /// The usage count of a device's runtime PM (`CONFIG_PM_ADVANCED_DEBUG`).
    pub(crate) fn usage(&self, device: &str) -> Option<i32> {
        let of = Path::new("/sys/bus").join(&self.bus).join("devices");
        let file = of.join(device).join("power/runtime_usage");
        fs::read_to_string(file).ok()?.trim().parse().ok()
    }

    /// The devices that it has, those among them that it is probing, too.
    pub(crate) fn devices(&self) -> Vec<String> {
        devices_of(self.file(""))
    }
}

/// What the machine shows of what drivers register. Numbers of processes are not in it.
pub(crate) fn snapshot() -> BTreeSet<String> {
    let mut lines = BTreeSet::new();
    let sys = Path::new("/sys");
    for class in names(sys.join("class")) {
        for device in names(sys.join("class").join(&class)) {
            let link = sys.join("class").join(&class).join(&device);
            // `../../devices/platform/a.0/misc/b`
            let to = fs::read_link(link).unwrap_or_default();
            let to = to.to_string_lossy().replace("../", "");
            lines.insert(format!("device {to}"));
        }
        lines.insert(format!("class {class}"));
    }
    for bus in names(sys.join("bus")) {
        let of = sys.join("bus").join(&bus);
        for device in names(of.join("devices")) {
            let of_device = |name: &str| {
                let value = fs::read_to_string(of.join("devices").join(&device).join(name));
                value.unwrap_or_default()
            };
            let value = of_device("driver_override");
            if !matches!(value.trim(), "" | "(null)") {
                lines.insert(format!("driver_override of {device}: {}", value.trim()));
            }
            // How often it has been enabled, and not disabled (`drivers/pci/pci-sysfs.c`). A bridge
            // stays enabled when the device below it is disabled (`pci_enable_bridge()`).
            let is_enabled = || {
                let enabled = of_device("enable").trim().parse::<i32>();
                enabled.is_ok_and(|times| times > 0)
            };
            if bus == "pci" && is_enabled() && !of_device("class").starts_with("0x06") {
                lines.insert(format!("PCI device {device} enabled"));
            }
            lines.insert(format!("device {device} on {bus}"));
        }
        let drivers = names(of.join("drivers")).into_iter();
        lines.extend(drivers.map(|name| format!("driver {name} on {bus}")));
        lines.insert(format!("bus {bus}"));
    }
    let numbers = fs::read_to_string("/proc/devices").unwrap_or_default();
    let numbers = numbers.lines().filter(|line| !line.ends_with(':'));
    lines.extend(numbers.map(|line| format!("device number {}", line.trim())));
    // `183: perf/x86:online`, and the number may be another one the next time.
    let states = fs::read_to_string("/sys/devices/system/cpu/hotplug/states").unwrap_or_default();
    let states = states.lines().filter_map(|line| line.split_once(": "));
    lines.extend(states.map(|(_, name)| format!("state of CPU hotplug {name}")));
    for (what, directory) in [
        ("file /dev/", "/dev"),
        ("file /proc/", "/proc"),
        ("file /proc/driver/", "/proc/driver"),
        ("file /proc/sys/dev/", "/proc/sys/dev"),
        ("directory /sys/", "/sys"),
        ("directory /sys/kernel/", "/sys/kernel"),
        ("directory of debugfs ", "/sys/kernel/debug"),
        ("slab cache ", "/sys/kernel/slab"),
    ] {
        let mut names = names(directory);
        if directory.ends_with("/slab") {
            // A cache that is alike another is a link to it, and stays (`mm/slub.c`,
            // `sysfs_slab_alias()`).
            names.retain(|name| !Path::new(directory).join(name).is_symlink());
        }
        let names = names.into_iter();
        // Caches that are alike share one with such a name, and processes have numbers.
        let own =
            names.filter(|name| !name.starts_with(|first: char| ":0123456789".contains(first)));
        lines.extend(own.map(|name| format!("{what}{name}")));
    }
    let tasks = names("/proc").into_iter().filter_map(|pid| {
        pid.parse::<u32>().ok()?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let of = |key: &str| status.lines().find_map(|line| line.strip_prefix(key));
        let is_kernels = of("PPid:")?.trim() == "2";
        let name = of("Name:")?.trim().to_owned();
        let is_worker = name.starts_with("kworker/") && !name.starts_with("kworker/R-");
        (is_kernels && !is_worker).then_some(name)
    });
    let mut threads: BTreeMap<String, usize> = BTreeMap::new();
    tasks.for_each(|name| *threads.entry(name).or_default() += 1);
    lines.extend(threads.into_iter().map(|(name, count)| match count {
        1 => format!("kernel thread {name}"),
        // One for each bind.
        _ => format!("{count} kernel threads {name}"),
    }));
    lines.extend(stray_hrtimers());
    lines.extend(stray_mappings());
    // A suspend has a virtual terminal of its own (`kernel/power/console.c`).
    lines.retain(|line| !line.contains("/vcs"));
    lines
}

/// The functions of the hrtimers that are started, those of modules as `function [module]`.
pub(crate) fn hrtimers() -> Vec<String> {
    // ` #0: <000000004f1b8a2c>, tick_nohz_handler, S:01` (kernel/time/timer_list.c)
    let timers = fs::read_to_string("/proc/timer_list").unwrap_or_default();
    let timers = timers.lines().filter(|line| line.starts_with(" #"));
    timers
        .filter_map(|line| line.split(", ").nth(1))
        .map(str::to_owned)
        .collect()
}

/// The hrtimers that are started and whose function is in no module that is loaded.
pub(crate) fn stray_hrtimers() -> Vec<String> {
    let functions = hrtimers().into_iter();
    let stray = functions.filter(|function| function.starts_with("0x"));
    stray
        .map(|function| format!("hrtimer {function}"))
        .collect()
}

/// What `ioremap()`, `vmalloc()` and their like have mapped for a function that is in no module
/// which is loaded.
fn stray_mappings() -> Vec<String> {
    // `0x000000004f1b8a2c-0x00000000c1b8a2ff    8192 0xffffffffc0401234 phys=0x... ioremap`
    // (mm/vmalloc.c)
    let areas = fs::read_to_string("/proc/vmallocinfo").unwrap_or_default();
    let stray = areas.lines().filter_map(|line| {
        let mut words = line.split_whitespace().skip(2);
        let by = words.next().filter(|by| by.starts_with("0x"))?;
        let how = words.find(|how| ["ioremap", "vmalloc", "vmap"].contains(how))?;
        Some(format!("mapping of {how}() by {by}"))
    });
    stray.collect()
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
