// SPDX-License-Identifier: GPL-2.0

//! The designs: how a driver can have its devices probed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A design. Those of the sample bus are the values of the parameter `design=` of its driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// The task that loads the module probes one device after the other.
    Sync,
    /// A worker for each device, in the global domain.
    PreferAsync,
    /// The same, and the module is loaded with `async_probe`.
    PreferAsyncParameter,
    /// One worker for all devices of the driver.
    DriverAttach,
    /// A worker for each device, which registers it.
    DeviceRegister,
    /// A worker initializes the module.
    ModuleInit,
    /// A worker for each device, in a domain of the driver's own.
    ExclusiveAttach,
    /// [`PreferAsync`](Self::PreferAsync) on the platform bus.
    PlatformPreferAsync,
    /// The probe leaves the slow part to a worker, on the platform bus.
    PlatformTwoPhase,
}

/// The modules that a design needs beside the crate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Modules {
    /// Registers the devices.
    pub devices: &'static str,
    /// Registers the driver.
    pub driver: &'static str,
}

const BUS: Modules = Modules {
    devices: "slow_bus",
    driver: "slow_bus_driver",
};

const PLATFORM: Modules = Modules {
    devices: "slow_platform_devices",
    driver: "slow_platform_driver",
};

impl Design {
    /// All of them, in the order of the tables.
    pub const ALL: [Self; 9] = [
        Self::Sync,
        Self::ModuleInit,
        Self::DriverAttach,
        Self::PreferAsync,
        Self::PreferAsyncParameter,
        Self::DeviceRegister,
        Self::ExclusiveAttach,
        Self::PlatformPreferAsync,
        Self::PlatformTwoPhase,
    ];

    /// Its name on the command line and in the tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::PreferAsync => "prefer_async",
            Self::PreferAsyncParameter => "prefer, async_probe",
            Self::DriverAttach => "driver_attach",
            Self::DeviceRegister => "device_register",
            Self::ModuleInit => "module_init",
            Self::ExclusiveAttach => "exclusive_attach",
            Self::PlatformPreferAsync => "platform prefer",
            Self::PlatformTwoPhase => "platform two-phase",
        }
    }

    /// Its modules.
    pub fn modules(self) -> Modules {
        match self {
            Self::PlatformPreferAsync | Self::PlatformTwoPhase => PLATFORM,
            _ => BUS,
        }
    }

    /// The parameters of the driver's module that choose it.
    pub fn parameters(self) -> &'static str {
        match self {
            Self::Sync => "design=sync",
            Self::PreferAsync => "design=prefer_async",
            Self::PreferAsyncParameter => "design=prefer_async async_probe",
            Self::DriverAttach => "design=driver_attach",
            Self::DeviceRegister => "design=device_register",
            Self::ModuleInit => "design=module_init",
            Self::ExclusiveAttach => "design=exclusive_attach",
            Self::PlatformPreferAsync => "probe_type=prefer_asynchronous phases=1",
            Self::PlatformTwoPhase => "probe_type=force_synchronous phases=2",
        }
    }

    /// Whether the devices come when the driver is there already: it is their registration that is
    /// asynchronous.
    pub fn driver_first(self) -> bool {
        self == Self::DeviceRegister
    }

    /// Whether a device is probed in parallel with the others.
    pub fn is_parallel(self) -> bool {
        !matches!(self, Self::Sync | Self::DriverAttach | Self::ModuleInit)
    }

    /// Whether others that load or unload a module wait for the probes.
    pub fn has_convoy(self) -> bool {
        matches!(
            self,
            Self::PreferAsync | Self::PreferAsyncParameter | Self::PlatformPreferAsync
        )
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
        Self::ALL
            .into_iter()
            .find(|design| design.name() == text)
            .ok_or_else(|| Unknown(text.to_owned()))
    }
}
