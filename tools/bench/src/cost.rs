// SPDX-License-Identifier: GPL-2.0

//! What a device costs in Rust and in C: twins that do the same on the same bus.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the twins are about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Twins {
    /// A bus of its own with devices and a driver.
    Bus,
    /// Platform devices, and a driver that prefers asynchronous probing.
    Platform,
    /// A platform driver as upstream has it; the devices are made in C.
    UpstreamPlatform,
    /// Auxiliary devices and a driver, as upstream has them.
    UpstreamAuxiliary,
}

/// What a twin is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// C.
    C,
    /// Rust.
    Rust,
}

/// A call of the driver core.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Call {
    /// A device is made and added.
    Add,
    /// The bus is asked whether a driver matches a device.
    Match,
    /// A device is bound: the probe.
    Bind,
    /// A device is unbound: the remove.
    Unbind,
    /// A device is removed and freed.
    Remove,
}

/// The modules of a twin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modules {
    /// Makes the devices.
    pub devices: &'static str,
    /// Registers the driver, if it is not the same.
    pub driver: Option<&'static str>,
    /// The driver.
    pub driver_name: &'static str,
    /// The parent of the devices, if it is not that of all platform devices.
    pub parent: Option<&'static str>,
}

impl Twins {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 4] = [
        Self::Bus,
        Self::Platform,
        Self::UpstreamPlatform,
        Self::UpstreamAuxiliary,
    ];

    /// The modules of one of the two.
    pub fn modules(self, language: Language) -> Modules {
        use Language::{Rust, C};
        let own = |devices, driver_name| Modules {
            devices,
            driver: None,
            driver_name,
            parent: Some("bench_parent"),
        };
        let platform = |devices, driver| Modules {
            devices,
            driver: Some(driver),
            driver_name: driver,
            parent: None,
        };
        match (self, language) {
            (Self::Bus, C) => own("bench_bus_in_c", "bench_bus_in_c"),
            (Self::Bus, Rust) => own("bench_bus_rust", "bench_bus_rust"),
            (Self::UpstreamAuxiliary, C) => {
                let name = "bench_auxiliary_in_c.bench_auxiliary_in_c";
                own("bench_auxiliary_in_c", name)
            }
            (Self::UpstreamAuxiliary, Rust) => {
                let name = "bench_auxiliary_rust.bench_auxiliary_rust";
                own("bench_auxiliary_rust", name)
            }
            (Self::Platform | Self::UpstreamPlatform, C) => {
                platform("bench_devices_in_c", "bench_platform_in_c")
            }
            (Self::Platform, Rust) => platform("bench_devices_rust", "bench_platform_rust"),
            (Self::UpstreamPlatform, Rust) => platform("bench_devices_in_c", "bench_platform_main"),
        }
    }

    /// Whether the two make their devices differently.
    pub fn has_devices(self) -> bool {
        self != Self::UpstreamPlatform
    }
}

impl Call {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 5] = [
        Self::Add,
        Self::Match,
        Self::Bind,
        Self::Unbind,
        Self::Remove,
    ];
}

/// Its name in the guest's log and in the tables.
impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Add => "add",
            Self::Match => "match",
            Self::Bind => "bind",
            Self::Unbind => "unbind",
            Self::Remove => "remove",
        })
    }
}

/// The name in the tables.
impl fmt::Display for Twins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bus => "own bus",
            Self::Platform => "platform",
            Self::UpstreamPlatform => "platform, upstream",
            Self::UpstreamAuxiliary => "auxiliary, upstream",
        })
    }
}

/// What one of many devices costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Which twins.
    pub twins: Twins,
    /// Which of them.
    pub language: Language,
    /// How many devices there are.
    pub devices: usize,
    /// Adding: the mean.
    pub add_ns: u64,
    /// Matching: the median.
    pub match_ns: u64,
    /// Binding: the median.
    pub bind_ns: u64,
    /// Unbinding: the median.
    pub unbind_ns: u64,
    /// Removing, until the memory is free: the mean.
    pub remove_ns: u64,
    /// The memory of a device: slab objects.
    pub device_bytes: i64,
    /// The memory that a device takes in addition when it is bound.
    pub bound_bytes: i64,
}

impl Cost {
    /// What a call costs.
    pub fn of(&self, call: Call) -> u64 {
        match call {
            Call::Add => self.add_ns,
            Call::Match => self.match_ns,
            Call::Bind => self.bind_ns,
            Call::Unbind => self.unbind_ns,
            Call::Remove => self.remove_ns,
        }
    }
}

/// What twins cost, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair<'a> {
    /// The one in C.
    pub c: &'a Cost,
    /// The one in Rust.
    pub rust: &'a Cost,
}

impl Pair<'_> {
    /// Rust over C.
    pub fn ratio(&self, call: Call) -> f64 {
        self.rust.of(call) as f64 / self.c.of(call) as f64
    }
}

/// The pairs of twins, by their number of devices.
pub fn pairs(costs: &[Cost], twins: Twins) -> Vec<Pair<'_>> {
    let of = |language| {
        costs
            .iter()
            .filter(move |cost| cost.twins == twins && cost.language == language)
    };
    let mut pairs: Vec<Pair<'_>> = of(Language::C)
        .filter_map(|c| {
            let rust = of(Language::Rust).find(|rust| rust.devices == c.devices)?;
            Some(Pair { c, rust })
        })
        .collect();
    pairs.sort_by_key(|pair| pair.c.devices);
    pairs
}
