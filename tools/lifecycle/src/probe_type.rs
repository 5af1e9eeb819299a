// SPDX-License-Identifier: GPL-2.0

//! What a driver asks of the driver core.

use std::fmt;

use serde::{Deserialize, Serialize};

/// `enum probe_type` of `include/linux/device/driver.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProbeType {
    /// `PROBE_DEFAULT_STRATEGY`: synchronous, unless the command line or the loader asks.
    DefaultStrategy,
    /// `PROBE_PREFER_ASYNCHRONOUS`.
    PreferAsynchronous,
    /// `PROBE_FORCE_SYNCHRONOUS`.
    ForceSynchronous,
    /// `PROBE_PREFER_ASYNC_DOMAIN` of the series `driver_domain`: asynchronous, in a domain of the
    /// driver.
    PreferAsyncDomain,
}

impl ProbeType {
    /// All of them, in the kernel's order.
    pub const ALL: [Self; 4] = [
        Self::DefaultStrategy,
        Self::PreferAsynchronous,
        Self::ForceSynchronous,
        Self::PreferAsyncDomain,
    ];
}

/// Prints the value of the module parameter `probe_type`.
impl fmt::Display for ProbeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}
