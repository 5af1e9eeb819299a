// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: the current task, as asynchronous functions see it.

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

/// Waits, sleeping, until each task has left the text of a module that it is in now, whether it was
/// preempted there or not.
pub(crate) fn synchronize() {
    // SAFETY: The functions may be called where the caller may sleep.
    unsafe {
        #[cfg(CONFIG_TASKS_RCU)]
        kernel::bindings::synchronize_rcu_tasks();
        #[cfg(not(CONFIG_TASKS_RCU))]
        kernel::bindings::synchronize_rcu();
    }
}

#[cfg(all(CONFIG_PREEMPTION, not(CONFIG_TASKS_RCU)))]
compile_error!("async_probe needs CONFIG_TASKS_RCU, which CONFIG_KPROBES selects");
