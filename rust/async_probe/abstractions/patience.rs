// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: a wait that says so when it takes long.
//!
//! Unnecessary once the hung-task detector names the object that a task waits for.

use kernel::time::delay::fsleep;

use crate::prelude::*;

/// A wait that takes longer is worth a line in dmesg.
const PATIENCE: Delta = Delta::from_secs(10);

/// Waits until `is_done`, and calls `warn` after 10 seconds.
///
/// # Context
///
/// Sleeps.
pub(crate) fn wait(is_done: impl Fn() -> bool, warn: impl FnOnce()) {
    if !wait_for(PATIENCE, &is_done) {
        warn();
        while !is_done() {
            fsleep(Delta::from_millis(10));
        }
    }
}

/// Waits until `is_done`, for `limit` at most, and returns whether it is.
///
/// # Context
///
/// Sleeps.
pub(crate) fn wait_for(limit: Delta, is_done: impl Fn() -> bool) -> bool {
    // What has ended costs no look at the clock.
    if is_done() {
        return true;
    }

    let begin = Instant::<Monotonic>::now();
    while begin.elapsed() < limit {
        // A short wait is not much longer for that, and a long one does not wake up often.
        let pause = begin.elapsed().as_micros_ceil() / 8;

        fsleep(Delta::from_micros(pause.clamp(10, 10_000)));
        if is_done() {
            return true;
        }
    }
    false
}

/// Waits until the lock of a device that is about to be unregistered is free, for 10 seconds at
/// most: a probe holds it, or any other callback of the driver. Then a line in dmesg says so.
pub(crate) fn wait_for_lock(dev: &Device) {
    // CAST: `Device` is a transparent wrapper of `struct device`.
    let raw = core::ptr::from_ref(dev).cast_mut().cast();

    // SAFETY: `dev` is valid.
    if !wait_for(PATIENCE, || unsafe {
        bindings::async_probe_device_is_unlocked(raw)
    }) {
        dev_warn!(
            dev,
            "waits to be unregistered: its probe or its driver holds its lock\n"
        );
    }
}
