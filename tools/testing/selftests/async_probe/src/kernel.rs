// SPDX-License-Identifier: GPL-2.0

//! How the running kernel is configured, where it tells (`CONFIG_IKCONFIG_PROC`).

use lifecycle::Probing;
pub use recorder::config::{has, probing};

use crate::Failure;

/// Instruments that make all that the kernel does several times as long.
const INSTRUMENTS: &[&str] = &["KASAN", "KCSAN", "PROVE_LOCKING"];

/// Skips what wants the first of two phases to be quick: on a kernel that probes twice the second phase
/// of the trial is over before the probe is.
///
/// # Errors
///
/// [`Failure::Skip`] on such a kernel.
pub fn wants_quick_first_phase() -> Result<(), Failure> {
    match probing() {
        Probing::Once => Ok(()),
        Probing::Twice => Err(Failure::Skip(
            "CONFIG_DEBUG_TEST_DRIVER_REMOVE: a probe waits for the second phase of its trial"
                .to_owned(),
        )),
    }
}

/// The first of the instruments that the kernel has, under which durations say nothing.
pub fn instrument() -> Option<&'static str> {
    INSTRUMENTS.iter().copied().find(|option| has(option))
}
