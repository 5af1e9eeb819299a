// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: the current task, as asynchronous functions see it.
//!
//! Unnecessary once `kernel::task` has it.

/// Returns the current task as a number, which is not zero. Numbers may only be compared.
#[inline]
pub(crate) fn current() -> usize {
    kernel::current!().as_ptr() as usize
}

/// Whether the current task is a worker that runs an asynchronous function: `current_is_async()`.
pub fn is_async() -> bool {
    // SAFETY: The function has no requirements.
    unsafe { crate::bindings::current_is_async() }
}
