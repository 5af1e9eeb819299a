// SPDX-License-Identifier: GPL-2.0

//! What a driver asks of the driver core.

use std::fmt;

use serde::Serialize;
use std::str::FromStr;

/// `enum probe_type` of `include/linux/device/driver.h`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
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

    /// Its name, as the value of the module parameter `probe_type`.
    pub fn name(self) -> &'static str {
        match self {
            Self::DefaultStrategy => "default_strategy",
            Self::PreferAsynchronous => "prefer_asynchronous",
            Self::ForceSynchronous => "force_synchronous",
            Self::PreferAsyncDomain => "prefer_async_domain",
        }
    }
}

impl fmt::Display for ProbeType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No probe type has this name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no probe type of this name")]
pub struct UnknownProbeType;

impl FromStr for ProbeType {
    type Err = UnknownProbeType;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|probe_type| probe_type.name() == name)
            .ok_or(UnknownProbeType)
    }
}
