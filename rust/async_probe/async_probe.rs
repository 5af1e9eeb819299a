// SPDX-License-Identifier: GPL-2.0

//! Asynchronous driver probing for Rust drivers.
//!
//! The half of the driver model that the `kernel` crate lacks: each module of this crate names in
//! its header what it adds to upstream and what would make it unnecessary.
//!
//! - [`probe_type`] lets a driver of any Rust bus say how it wants to be probed.
//! - [`platform`] creates platform devices.
//! - [`module_param`] brings module parameters with ranges and named choices.
//! - [`timing`] prints the dmesg lines that tell when what was probed.
//!
//! The crate is a module of its own, `async_probe.ko`; modules that use it depend on it and pin it
//! while they are loaded.

use kernel::prelude::*;

mod bindings;
pub mod module_param;
pub mod platform;
pub mod probe_type;
pub mod timing;

module! {
    type: AsyncProbe,
    name: "async_probe",
    authors: ["The async_probe authors"],
    description: "Asynchronous driver probing for Rust drivers",
    license: "GPL",
}

/// The module has no state: it only carries code that other modules use.
struct AsyncProbe;

impl kernel::Module for AsyncProbe {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
