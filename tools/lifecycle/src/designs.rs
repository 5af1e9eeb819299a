// SPDX-License-Identifier: GPL-2.0

//! The designs of the sample bus: the one table of them for tests, benchmark and boots.
//!
//! `Documentation/designs.rst` tells where each comes from.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::laws::boot_waits::Boot;
use crate::laws::designs::{Insmod, Probes, Promise};

/// What the names of kernels end with that have the series `driver_domain` of `scripts/series`.
pub const DRIVER_DOMAIN: &str = "driver-domain";

/// Whether a kernel of this release has them.
pub fn has_driver_domain(release: &str) -> bool {
    release.ends_with(DRIVER_DOMAIN)
}

/// A design: a value of the parameter `design=` of `slow_bus_driver.ko`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// The task that loads the module probes one device after the other.
    Sync,
    /// A worker initializes the module, and probes one device after the other.
    ModuleInit,
    /// One worker probes all devices of the driver, one after the other.
    DriverAttach,
    /// A worker for each device, in the global domain.
    PreferAsync,
    /// A worker for each device, which registers the device.
    DeviceRegister,
    /// A worker for each device, in a domain of the driver's own.
    ExclusiveAttach,
    /// The same, by a driver core with the series `driver_domain`.
    DriverDomain,
}

/// The properties of a design.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// The value of `design=`.
    pub name: &'static str,
    /// The promise of the insmod of the driver, whose devices are there.
    pub devices_first: Promise,
    /// The promise of the call that registers the devices, whose driver is there.
    pub driver_first: Promise,
    /// Whether it is the registration of the devices that is asynchronous.
    pub registers_devices: bool,
    /// What a kernel with the driver built in does at boot.
    pub boot: Boot,
}

impl Design {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 7] = [
        Self::Sync,
        Self::ModuleInit,
        Self::DriverAttach,
        Self::PreferAsync,
        Self::DeviceRegister,
        Self::ExclusiveAttach,
        Self::DriverDomain,
    ];

    /// Those that a kernel of this release has.
    pub fn of(release: &str) -> impl Iterator<Item = Self> {
        let has_domain = has_driver_domain(release);
        let all = Self::ALL.into_iter();
        all.filter(move |design| has_domain || *design != Self::DriverDomain)
    }

    /// The row of the table.
    pub const fn row(self) -> Row {
        const CALLER: Promise = promise(Insmod::Waits, Probes::InCaller);
        const WORKER: Promise = promise(Insmod::Returns, Probes::InOneWorker);
        const PARALLEL: Promise = promise(Insmod::Returns, Probes::InParallel);
        const CONVOY: Promise = promise(Insmod::Waits, Probes::InParallel);
        match self {
            Self::Sync => row("sync", CALLER, CALLER, Boot::Probes),
            Self::ModuleInit => row("module_init", WORKER, CALLER, Boot::GoesOn),
            Self::DriverAttach => row("driver_attach", WORKER, CALLER, Boot::GoesOn),
            Self::PreferAsync => row("prefer_async", CONVOY, PARALLEL, Boot::Waits),
            Self::DeviceRegister => Row {
                registers_devices: true,
                ..row("device_register", CALLER, PARALLEL, Boot::GoesOn)
            },
            Self::ExclusiveAttach => row("exclusive_attach", PARALLEL, PARALLEL, Boot::GoesOn),
            Self::DriverDomain => row("driver_domain", PARALLEL, PARALLEL, Boot::GoesOn),
        }
    }

    /// The value of `design=`.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The promise of the call that is asynchronous, if one of the two is.
    pub const fn promise(self) -> Promise {
        if self.row().registers_devices {
            self.row().driver_first
        } else {
            self.row().devices_first
        }
    }

    /// Whether the probes run at the same time.
    pub fn is_parallel(self) -> bool {
        self.promise().probes == Probes::InParallel
    }

    /// Whether the insmod or rmmod of any other module waits for the probes: they are in the global
    /// domain, for which the boot waits, too (`kernel/async.c`, `async_synchronize_full()`).
    pub fn has_convoy(self) -> bool {
        self.row().boot == Boot::Waits
    }
}

const fn promise(call: Insmod, probes: Probes) -> Promise {
    Promise { call, probes }
}

const fn row(name: &'static str, devices_first: Promise, driver_first: Promise, boot: Boot) -> Row {
    Row {
        name,
        devices_first,
        driver_first,
        registers_devices: false,
        boot,
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_design_is_named_as_its_variant() {
        for design in Design::ALL {
            let json = serde_json::to_string(&design).unwrap();
            assert_eq!(json, format!("\"{design}\""));
        }
    }

    #[test]
    fn one_convoy() {
        let with = Design::ALL.into_iter().filter(|one| one.has_convoy());
        assert!(with.eq([Design::PreferAsync]));
    }
}
