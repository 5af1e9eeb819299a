// SPDX-License-Identifier: GPL-2.0

//! The kind of a round, and the state that its threads share.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32};
use std::sync::Mutex;

use crate::kmsg::Log;

/// Kinds of rounds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Nothing takes a device from its driver but unloading the driver: at the end all are bound.
    Gentle,
    /// Devices are also unbound by hand, and probing is switched off at times.
    Unbinding,
    /// The bus and the crate come and go, too.
    Unloading,
}

impl Kind {
    /// The kind of the round with this number.
    pub(crate) fn of(round: u32) -> Self {
        match round % 4 {
            0 => Self::Gentle,
            2 => Self::Unloading,
            _ => Self::Unbinding,
        }
    }
}

/// The state that the threads of a round share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The number of devices, as added and removed.
    pub(crate) population: AtomicI64,
    pub(crate) left: AtomicU32,
    pub(crate) stop: AtomicBool,
    pub(crate) log: Mutex<Log>,
    pub(crate) failures: Mutex<Vec<String>>,
}
