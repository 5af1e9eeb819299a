// SPDX-License-Identifier: GPL-2.0

//! Asynchronous driver probing for Rust drivers.
//!
//! The half of the driver model that the `kernel` crate lacks: each module of this crate names in
//! its header what it adds to upstream and what would make it unnecessary.
//!
//! - [`probe_type`] lets a driver of any Rust bus say how it wants to be probed.
//! - [`platform`] creates platform devices.
//! - [`bus`] and [`attribute`] register buses with devices and drivers of their own, [`device`]
//!   registers their devices, synchronously and asynchronously.
//! - [`domain`] calls functions asynchronously and waits for them.
//! - [`driver_attach`] and [`exclusive_attach`] are other ways to probe a driver's devices
//!   asynchronously.
//! - [`module_init`] runs the whole init of a module asynchronously.
//! - [`two_phase`] runs the slow part of a probe after the probe, on any bus.
//! - [`module_param`] brings module parameters with ranges and named choices.
//! - [`timing`] prints the dmesg lines that tell when what was probed.
//!
//! What waits when it is dropped has to be dropped before its module is gone, such as a
//! [`domain::Domain`], a [`bus::Registration`], a [`module_init::AsyncInit`] or, as upstream, a
//! [`kernel::driver::Registration`]: Rust lets a module forget them, and the kernel would go on to
//! call its code.
//!
//! The crate is a module of its own, `async_probe.ko`. Modules that use its functions depend on it
//! and pin it while they are loaded; those that use generic code only, such as
//! [`module_async_platform_driver!`], have that compiled in.

use kernel::prelude::*;

mod attach;
pub mod attribute;
mod bindings;
pub mod bus;
pub mod device;
pub mod domain;
pub mod driver_attach;
pub mod exclusive_attach;
mod gate;
pub mod module_init;
pub mod module_param;
pub mod platform;
pub mod probe_type;
pub mod task;
pub mod timing;
pub mod two_phase;

module! {
    type: AsyncProbe,
    name: "async_probe",
    authors: ["The async_probe authors"],
    description: "Asynchronous driver probing for Rust drivers",
    license: "GPL",
}

/// The module: what the code that other modules use has to share.
#[pin_data(PinnedDrop)]
struct AsyncProbe {
    #[pin]
    _levels: module_init::Levels,
}

impl kernel::InPlaceModule for AsyncProbe {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _levels <- module_init::Levels::new(),
        })
    }
}

#[cfg(all(CONFIG_PREEMPTION, not(CONFIG_TASKS_RCU)))]
compile_error!("async_probe needs CONFIG_TASKS_RCU, which CONFIG_KPROBES selects");

#[pinned_drop]
impl PinnedDrop for AsyncProbe {
    fn drop(self: Pin<&mut Self>) {
        // A bus may be unregistered, and its module gone, when the last of its devices has been
        // freed (`bus::free_work()`). Whoever has freed it, or dropped the last reference to it,
        // still has to return from a function of this module: wait until every task has been
        // elsewhere, preempted or not.
        //
        // SAFETY: Modules exit in a task, which may sleep.
        unsafe {
            #[cfg(CONFIG_TASKS_RCU)]
            kernel::bindings::synchronize_rcu_tasks();
            #[cfg(not(CONFIG_TASKS_RCU))]
            kernel::bindings::synchronize_rcu();
        }
    }
}
