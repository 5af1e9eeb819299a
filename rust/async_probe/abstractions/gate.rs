// SPDX-License-Identifier: GPL-2.0

//! Abstraction for upstream: a gate that users enter while it is open, and that waits for them when
//! it is shut.
//!
//! The algorithm is that of `kernfs_get_active()` and `kernfs_drain()`: a count of users from which
//! a bias is taken when the gate is shut. `percpu_ref` cannot be initialized in a `static`.

use kernel::{
    bindings,
    prelude::*,
    sync::atomic::{
        Atomic,
        Full,
        Relaxed, //
    },
    types::Opaque, //
};

use super::patience;

/// The bias of the count of users while the gate is shut.
const SHUT: i32 = i32::MIN;

/// A gate, for use in a `static`.
///
/// # Invariants
///
/// `drained` is initialized whenever the count has been anything but [`SHUT`] before.
pub(crate) struct Gate {
    /// The number of users, plus [`SHUT`] while the gate is shut.
    users: Atomic<i32>,
    /// Completed when the last user leaves a gate that is shut.
    drained: Opaque<bindings::completion>,
}

// SAFETY: The count is atomic, and a completion may be used from any task.
unsafe impl Sync for Gate {}

impl Gate {
    /// Returns a gate that is shut.
    pub(crate) const fn new() -> Self {
        Self {
            users: Atomic::new(SHUT),
            drained: Opaque::uninit(),
        }
    }

    /// Opens the gate.
    ///
    /// # Safety
    ///
    /// The gate is shut and has no users, and no other task opens it at the same time.
    pub(crate) unsafe fn open(&self) {
        // SAFETY: By the safety requirements, no other task uses the completion.
        // INVARIANT: The completion is initialized before the count changes.
        unsafe { bindings::init_completion(self.drained.get()) };
        self.users.cmpxchg(SHUT, 0, Full).ok();
    }

    /// Enters the gate; [`Self::leave`] undoes it.
    ///
    /// # Errors
    ///
    /// `ENODEV` if the gate is shut.
    pub(crate) fn enter(&self) -> Result {
        let mut users = self.users.load(Relaxed);

        while users >= 0 {
            match self.users.cmpxchg(users, users + 1, Full) {
                Ok(_) => return Ok(()),
                Err(now) => users = now,
            }
        }
        Err(ENODEV)
    }

    /// Leaves the gate, after [`Self::enter`].
    pub(crate) fn leave(&self) {
        if self.users.fetch_add(-1, Full) - 1 == SHUT {
            // SAFETY: By the type invariant, the completion is initialized.
            unsafe { bindings::complete_all(self.drained.get()) };
        }
    }

    /// Shuts the gate: from now on [`Self::enter`] fails.
    ///
    /// # Safety
    ///
    /// The gate is open, and no other task shuts it.
    pub(crate) unsafe fn shut(&self) {
        if self.users.fetch_add(SHUT, Full) == 0 {
            // SAFETY: By the type invariant, the completion is initialized.
            unsafe { bindings::complete_all(self.drained.get()) };
        }
    }

    /// Waits until the last user has left, and calls `warn` after 10 seconds.
    ///
    /// # Context
    ///
    /// Sleeps.
    ///
    /// # Safety
    ///
    /// The gate has been shut with [`Self::shut`].
    pub(crate) unsafe fn wait(&self, warn: impl FnOnce()) {
        // SAFETY: By the type invariant, the completion is initialized.
        let is_drained = || unsafe { bindings::completion_done(self.drained.get()) };

        patience::wait(is_drained, warn);
        // SAFETY: By the type invariant, the completion is initialized.
        unsafe { bindings::wait_for_completion(self.drained.get()) };
    }
}

#[kunit_tests(async_probe_gate)]
mod tests {
    use super::*;

    /// Whether the last user has left a gate that is shut.
    fn is_drained(gate: &Gate) -> bool {
        // SAFETY: By the type invariant, as the tests have opened the gate.
        unsafe { bindings::completion_done(gate.drained.get()) }
    }

    #[test]
    fn no_user_enters_while_shut() -> Result {
        static GATE: Gate = Gate::new();

        assert_eq!(GATE.enter(), Err(ENODEV));
        // Twice: a gate that has been shut may be opened again.
        for _ in 0..2 {
            // SAFETY: The gate is shut, and known to this test only.
            unsafe { GATE.open() };
            GATE.enter()?;
            GATE.leave();
            // SAFETY: The gate is open, and known to this test only.
            unsafe { GATE.shut() };
            assert_eq!(GATE.enter(), Err(ENODEV));
            // SAFETY: The gate has been shut.
            unsafe { GATE.wait(|| ()) };
        }
        Ok(())
    }

    #[test]
    fn last_user_drains() -> Result {
        static GATE: Gate = Gate::new();

        // SAFETY: The gate is shut, and known to this test only.
        unsafe { GATE.open() };
        GATE.enter()?;
        GATE.enter()?;
        // SAFETY: The gate is open, and known to this test only.
        unsafe { GATE.shut() };
        assert_eq!(GATE.enter(), Err(ENODEV));
        GATE.leave();
        assert!(!is_drained(&GATE));
        GATE.leave();
        assert!(is_drained(&GATE));
        Ok(())
    }
}
