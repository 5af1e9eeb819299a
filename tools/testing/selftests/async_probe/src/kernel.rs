// SPDX-License-Identifier: GPL-2.0

//! How the running kernel is configured, where it tells (`CONFIG_IKCONFIG_PROC`).

pub(crate) use recorder::config::{has, probing};

/// Instruments that make all that the kernel does several times as long.
const INSTRUMENTS: &[&str] = &["KASAN", "KCSAN", "PROVE_LOCKING"];

/// The first of the instruments that the kernel has, under which durations say nothing.
pub(crate) fn instrument() -> Option<&'static str> {
    INSTRUMENTS.iter().copied().find(|option| has(option))
}
