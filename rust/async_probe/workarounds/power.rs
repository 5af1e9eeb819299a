// SPDX-License-Identifier: GPL-2.0

//! Workaround: suspend, hibernation, power-off and reboot wait for second phases, before they stop
//! a task or a device that a second phase may need.
//!
//! Unnecessary once `wait_for_device_probe()` of the driver core waits for second phases:
//! `device_shutdown()` and `dpm_prepare()` call it first.
//!
//! They wait for 30 seconds at most. Then dmesg has a line, and they go on. The lock of a device
//! whose second phase runs still keeps them from stopping that device before its second phase has
//! ended ([`super::two_phase`]).

use crate::abstractions::notifier::Notifier;
use crate::abstractions::patience;
use crate::prelude::*;

/// The number of second phases that have not ended.
static IN_FLIGHT: Atomic<i32> = Atomic::new(0);

/// A second phase that has not ended, until it is dropped.
pub(super) struct InFlight(());

impl InFlight {
    pub(super) fn new() -> Self {
        IN_FLIGHT.fetch_add(1, Full);
        Self(())
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        IN_FLIGHT.fetch_add(-1, Full);
    }
}

/// Waits until no second phase is in flight, for 30 seconds at most.
fn wait() {
    if !patience::wait_for(Delta::from_secs(30), || IN_FLIGHT.load(Relaxed) == 0) {
        let number = IN_FLIGHT.load(Relaxed);

        pr_warn!("second phases that have not ended after 30 seconds: {number}\n");
    }
}

/// The entry of the chain of `register_reboot_notifier()`, which calls it before
/// `device_shutdown()`.
extern "C" fn shuts_down(_: *mut bindings::notifier_block, _: c_ulong, _: *mut c_void) -> c_int {
    wait();
    0
}

/// The entry of the chain of `register_pm_notifier()`, which calls it before tasks are frozen.
extern "C" fn sleeps(_: *mut bindings::notifier_block, action: c_ulong, _: *mut c_void) -> c_int {
    if matches!(
        action as u32,
        bindings::PM_SUSPEND_PREPARE | bindings::PM_HIBERNATION_PREPARE
    ) {
        wait();
    }
    0
}

/// Returns the initializer of the entry for power-off and reboot.
pub(crate) fn reboot_notifier() -> impl PinInit<Notifier, Error> {
    let register = bindings::register_reboot_notifier;
    let unregister = bindings::unregister_reboot_notifier;

    // SAFETY: The functions are those of one chain, and `shuts_down()` uses no argument.
    unsafe { Notifier::new(register, unregister, Some(shuts_down)) }
}

/// Returns the initializer of the entry for suspend and hibernation.
pub(crate) fn pm_notifier() -> impl PinInit<Notifier, Error> {
    let register = bindings::async_probe_register_pm_notifier;
    let unregister = bindings::async_probe_unregister_pm_notifier;

    // SAFETY: The functions are those of one chain, and `sleeps()` uses no pointer.
    unsafe { Notifier::new(register, unregister, Some(sleeps)) }
}
