// SPDX-License-Identifier: GPL-2.0

//! Asynchronous driver probing for Rust drivers.
//!
//! The crate has two layers, each a folder. No file of the first names one of the second:
//!
//! - `abstractions`: the half of the driver model that the `kernel` crate lacks, in a form that
//!   upstream could take: [`probe_type`], [`platform`], [`bus`] with [`device`] and [`attribute`],
//!   [`domain`], [`module_param`].
//! - `workarounds`: modules that a change of the driver core, named in their first lines, would
//!   make unnecessary: [`driver_attach`], [`exclusive_attach`], [`module_init`], [`two_phase`],
//!   [`timing`].
//!
//! A module drops a [`domain::Domain`], a [`bus::Registration`], a [`module_init::AsyncInit`] and a
//! [`kernel::driver::Registration`] when it exits. If it has leaked one of them, or given it away,
//! rmmod waits before the module's text is freed: for functions that have not ended, and for buses,
//! their devices and their drivers that are registered (`text.rs`). A driver of another bus is an
//! exception, as upstream: it must not be leaked.
//!
//! The crate is a module of its own, `async_probe.ko`. The module loader pins it while a module
//! that uses its symbols is loaded. A module that uses generic code only, such as
//! [`module_async_driver!`], has that code compiled in.

use kernel::prelude::*;

mod abstractions;
mod bindings;
mod prelude;
mod workarounds;

pub use abstractions::*;
pub use workarounds::*;

module! {
    type: AsyncProbe,
    name: "async_probe",
    authors: ["The async_probe authors"],
    description: "Asynchronous driver probing for Rust drivers",
    license: "GPL",
}

/// The module: the state that all modules share that use the crate.
#[pin_data(PinnedDrop)]
struct AsyncProbe {
    #[pin]
    _levels: shared::Shared<module_init::Levels>,
    #[pin]
    _second_phases: shared::Shared<domain::Domain>,
    #[pin]
    _reboot: notifier::Notifier,
    #[pin]
    _pm: notifier::Notifier,
    // Behind the domains, whose functions are users.
    #[pin]
    _users: shared::Shared<text::Users>,
}

impl kernel::InPlaceModule for AsyncProbe {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _users <- text::users(),
            _levels <- module_init::levels(),
            _second_phases <- two_phase::domain(),
            _reboot <- power::reboot_notifier(),
            _pm <- power::pm_notifier(),
        })
    }
}

#[pinned_drop]
impl PinnedDrop for AsyncProbe {
    fn drop(self: Pin<&mut Self>) {
        // The work that frees the last device of a bus lets the bus's module go, and with it this
        // module, before the work has returned from this module's text (`free_work()`).
        task::synchronize();
    }
}
