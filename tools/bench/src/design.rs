// SPDX-License-Identifier: GPL-2.0

//! The designs: how a driver can have its devices probed.

use std::fmt;
use std::str::FromStr;

use lifecycle::designs::{Design as Bus, DRIVER_DOMAIN};
use serde::{Deserialize, Serialize};

/// A way to measure: a design of the sample bus, or another way to have devices probed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// [`Bus::PreferAsync`], and the module is loaded with `async_probe`.
    PreferAsyncParameter,
    /// [`Bus::PreferAsync`] on the platform bus.
    PlatformPreferAsync,
    /// The probe leaves the slow part to a worker, on the platform bus.
    PlatformTwoPhase,
    /// A design of the sample bus.
    #[serde(untagged)]
    Bus(Bus),
}

impl Design {
    /// Those that a kernel of this release has, in the order of the tables.
    pub fn of(release: &str) -> impl Iterator<Item = Self> {
        Bus::of(release)
            .flat_map(|bus| {
                let parameter = (bus == Bus::PreferAsync).then_some(Self::PreferAsyncParameter);
                [Self::Bus(bus)].into_iter().chain(parameter)
            })
            .chain([Self::PlatformPreferAsync, Self::PlatformTwoPhase])
    }

    /// Its name on the command line and in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bus(bus) => bus.name(),
            Self::PreferAsyncParameter => "prefer, async_probe",
            Self::PlatformPreferAsync => "platform prefer",
            Self::PlatformTwoPhase => "platform two-phase",
        }
    }

    /// Whether its devices are on the platform bus, or else on the sample bus.
    pub fn is_platform(self) -> bool {
        matches!(self, Self::PlatformPreferAsync | Self::PlatformTwoPhase)
    }

    /// The parameters of the driver's module that choose it.
    pub fn parameters(self) -> String {
        match self {
            Self::Bus(bus) => format!("design={bus}"),
            Self::PreferAsyncParameter => format!("design={} async_probe", Bus::PreferAsync),
            Self::PlatformPreferAsync => "probe_type=prefer_asynchronous phases=1".to_owned(),
            Self::PlatformTwoPhase => "probe_type=force_synchronous phases=2".to_owned(),
        }
    }

    /// Whether the devices come when the driver is there already: it is their registration that is
    /// asynchronous.
    pub fn driver_first(self) -> bool {
        matches!(self, Self::Bus(bus) if bus.row().registers_devices)
    }

    /// Whether a device is probed in parallel with the others.
    pub fn is_parallel(self) -> bool {
        match self {
            Self::Bus(bus) => bus.is_parallel(),
            _ => true,
        }
    }

    /// Whether others that load or unload a module wait for the probes.
    pub fn has_convoy(self) -> bool {
        match self {
            Self::Bus(bus) => bus.has_convoy(),
            Self::PreferAsyncParameter | Self::PlatformPreferAsync => true,
            Self::PlatformTwoPhase => false,
        }
    }
}

impl fmt::Display for Design {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// No design has that name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no design is named `{0}`")]
pub struct Unknown(String);

impl FromStr for Design {
    type Err = Unknown;

    fn from_str(text: &str) -> Result<Self, Unknown> {
        Self::of(DRIVER_DOMAIN)
            .find(|design| design.name() == text)
            .ok_or_else(|| Unknown(text.to_owned()))
    }
}
