// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: a wait that says so when it takes long.
//!
//! Unnecessary once the hung-task detector names the object that a task waits for.

use kernel::time::delay::fsleep;

use crate::prelude::*;

/// A wait that takes longer is worth a line in dmesg.
const PATIENCE: Delta = Delta::from_secs(10);

/// Waits until `is_done`, sleeping, and calls `warn` after 10 seconds.
pub(crate) fn wait(is_done: impl Fn() -> bool, warn: impl FnOnce()) {
    if !wait_for(PATIENCE, &is_done) {
        warn();
        while !is_done() {
            fsleep(Delta::from_millis(10));
        }
    }
}

/// Waits until `is_done`, sleeping, for `limit` at most, and returns whether it is.
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
    // SAFETY: `dev` is valid.
    let is_unlocked = || unsafe { bindings::async_probe_device_is_unlocked(raw_device(dev)) };

    if !wait_for(PATIENCE, is_unlocked) {
        dev_warn!(
            dev,
            "waits to be unregistered: its probe or its driver holds its lock\n"
        );
    }
}
