// SPDX-License-Identifier: GPL-2.0

//! What the guest measures.
//!
//! Times are in nanoseconds of the guest's `CLOCK_MONOTONIC`, or of printk's clock where something
//! lasted until a line of the log.

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::Design;

/// One line of the guest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Measured {
    /// Loading and unloading an unrelated module while nothing is probed.
    Idle(Idle),
    /// The first probes after boot.
    Cold(Cold),
    /// A design.
    Row(Row),
    /// Devices that are added and bound at once.
    Bind(Bind),
    /// What a device costs.
    Cost(Cost),
    /// The kernel's boot.
    Boot(Boot),
    /// Upstream's own test.
    Upstream(Upstream),
}

/// Upstream's own test of asynchronous probing, `drivers/base/test/test_async_driver_probe.c`: two
/// asynchronous devices for each processor and two synchronous ones, all of which take 5 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upstream {
    /// Loading it.
    pub insmod_ns: u64,
    /// Loading an unrelated module in the middle of the asynchronous probes.
    pub other_insmod_ns: u64,
    /// Unloading it when all are bound.
    pub rmmod_ns: u64,
}

/// The kernel's boot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Boot {
    /// When the kernel started its first process.
    pub init_ns: u64,
}

/// How long it takes to load and unload an unrelated module on an idle system.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Idle {
    /// Loading.
    pub insmod_ns: u64,
    /// Unloading.
    pub rmmod_ns: u64,
}

/// The first probes after boot, with `prefer_async`:
/// the workqueue creates a worker for each, which are there for those that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cold {
    /// How many devices there are.
    pub devices: usize,
    /// As [`Row::bound_ns`].
    pub bound_ns: u64,
    /// As [`Row::slowest_ns`].
    pub slowest_ns: u64,
}

impl Cold {
    /// As [`Row::ratio`].
    pub fn ratio(&self) -> f64 {
        self.bound_ns as f64 / self.slowest_ns as f64
    }
}

/// What became of an attempt to unload the driver's module in the middle of its probes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnRmmod {
    /// It took so long.
    Ns(u64),
    /// It failed, with this errno.
    Refused(String),
}

/// A design with a number of devices.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The design.
    pub design: Design,
    /// How many devices there are.
    pub devices: usize,
    /// How long writing the firmware to one of them takes.
    pub firmware_ms: u32,
    /// Loading the driver's module.
    pub insmod_ns: u64,
    /// Adding the devices, if they come after the driver.
    pub arrival_ns: Option<u64>,
    /// From the call that sets the probes off until the last device is bound, and its firmware
    /// loaded.
    pub bound_ns: u64,
    /// How many devices are bound then.
    pub bound: usize,
    /// The slowest probe; of one in two phases, the second.
    pub slowest_ns: u64,
    /// How many probes ran at once, at most.
    pub at_once: usize,
    /// Loading an unrelated module in the middle of the probes.
    pub other_insmod_ns: u64,
    /// Unloading an unrelated module in the middle of the probes.
    pub other_rmmod_ns: u64,
    /// Unloading the driver's module in the middle of the probes.
    pub own_rmmod: OwnRmmod,
}

impl Row {
    /// How much longer than the slowest probe it takes until all are bound: 1 is what no scheduling
    /// can beat.
    pub fn ratio(&self) -> f64 {
        self.bound_ns as f64 / self.slowest_ns as f64
    }
}

/// Devices that are added, and bound by a probe that has nothing to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bind {
    /// The design.
    pub design: Design,
    /// How many.
    pub devices: usize,
    /// How long all of it took; at one instruction per nanosecond, how many instructions.
    pub ns: u64,
}

impl Bind {
    /// The time for each device.
    pub fn each(&self) -> f64 {
        self.ns as f64 / self.devices as f64
    }
}
