// SPDX-License-Identifier: GPL-2.0

//! What the sources of a life can show.

use std::fmt;

use super::model::Life;
use crate::parse::log::Source;

/// Something that a law has to see. Without it the law can neither be kept nor broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // What each prints says what it is.
pub enum Sight {
    /// When a probe of a device begins and ends, by which driver, in which task.
    Probes,
    Removes,
    /// When a driver is registered and unregistered, and what it asks of the driver core.
    Registrations,
    Modules,
    Sysfs,
    Firmware,
    SecondPhases,
    Devices,
    Memory,
    Buses,
    AsyncWork,
    Uevents,
    Boot,
    /// What the kernel prints on its console until it powers down. No life shows it.
    Console,
    /// What a test module prints of each step that it takes. No life shows it.
    Steps,
    /// What was expected of a driver, which no log shows: a test hands it to a function that stands
    /// beside the law.
    Expectation,
}

impl fmt::Display for Sight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Probes => "probes with their tasks",
            Self::Removes => "removes",
            Self::Registrations => "registrations of drivers",
            Self::Modules => "loading and unloading of modules",
            Self::Sysfs => "writes to bind and unbind",
            Self::Firmware => "requests for firmware",
            Self::SecondPhases => "second phases",
            Self::Devices => "addition and removal of devices",
            Self::Memory => "release of the memory of devices",
            Self::Buses => "registrations of buses",
            Self::AsyncWork => "async work and the waits for it",
            Self::Uevents => "uevents",
            Self::Boot => "initcalls and the start of init",
            Self::Console => "the console until power-off",
            Self::Steps => "the steps of a test module",
            Self::Expectation => "what was expected of it",
        })
    }
}

impl Life {
    /// Whether the sources of this life show it.
    pub fn sees(&self, sight: Sight) -> bool {
        let has = |source| self.sources.contains(&source);
        let (recording, timing) = (has(Source::Recording), has(Source::Timing));
        match sight {
            Sight::Probes | Sight::Removes | Sight::Registrations | Sight::Firmware => {
                recording || timing
            }
            Sight::Modules | Sight::Sysfs | Sight::Devices => recording || has(Source::Calls),
            Sight::SecondPhases => timing,
            Sight::Memory | Sight::Buses | Sight::AsyncWork | Sight::Uevents => recording,
            Sight::Boot => has(Source::InitcallDebug),
            Sight::Console | Sight::Steps | Sight::Expectation => false,
        }
    }
}
