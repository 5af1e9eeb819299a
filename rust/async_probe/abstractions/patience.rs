// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: a wait that says so when it takes long.
//!
//! Unnecessary once the hung-task detector names the object that a task waits for.

use kernel::{
    device::Device,
    prelude::*,
    time::{
        delay::fsleep,
        Delta,
        Instant,
        Monotonic, //
    },
};

use crate::bindings;

/// A wait that takes longer is worth a line in dmesg.
const PATIENCE: Delta = Delta::from_secs(10);

/// Waits until `is_done`, for 10 seconds at most. Then it calls `warn`, and the caller goes on to
/// wait.
///
/// # Context
///
/// Sleeps.
pub(crate) fn wait(is_done: impl Fn() -> bool, warn: impl FnOnce()) {
    wait_for(PATIENCE, is_done, warn);
}

/// Waits until `is_done`, for `limit` at most. Then it calls `warn`.
///
/// # Context
///
/// Sleeps.
pub(crate) fn wait_for(limit: Delta, is_done: impl Fn() -> bool, warn: impl FnOnce()) {
    let begin = Instant::<Monotonic>::now();

    while !is_done() {
        if begin.elapsed() >= limit {
            warn();
            return;
        }
        fsleep(Delta::from_millis(1));
    }
}

/// Waits for the lock of a device that is about to be unregistered, as [`wait`] does: a probe holds
/// it, and any other callback of the driver.
pub(crate) fn wait_for_lock(dev: &Device) {
    // CAST: `Device` is a transparent wrapper of `struct device`.
    let raw = core::ptr::from_ref(dev).cast_mut().cast();

    wait(
        // SAFETY: `dev` is valid.
        || unsafe { bindings::async_probe_device_is_unlocked(raw) },
        || {
            dev_warn!(
                dev,
                "waits to be unregistered: its probe or its driver holds its lock\n"
            )
        },
    );
}
