// SPDX-License-Identifier: GPL-2.0

//! All that was measured: `out/bench.json`.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::measured::{Bind, Cold, Idle, Measured, Row};

/// The version of the format. A reader refuses others.
pub const VERSION: u32 = 1;

/// The machine that was measured on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The kernel's release.
    pub kernel: String,
    /// Processors.
    pub cpus: u8,
    /// How long one instruction takes, if time is virtual.
    pub ns_per_instruction: Option<u32>,
}

/// What was measured with the same number of devices, in one life of the machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// How many devices there are.
    pub devices: usize,
    /// An unrelated module while nothing is probed.
    pub idle: Option<Idle>,
    /// The first probes after boot.
    pub cold: Option<Cold>,
    /// The designs.
    pub rows: Vec<Row>,
}

/// All that was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Benchmark {
    /// [`VERSION`]
    pub version: u32,
    /// The machine.
    pub machine: Machine,
    /// Slow devices, by their number.
    pub groups: Vec<Group>,
    /// Quick devices.
    pub bind: Vec<Bind>,
}

/// Why a file is none of ours.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not of the format.
    #[error("not a benchmark: {0}")]
    Format(#[from] serde_json::Error),
    /// It is of another version.
    #[error("version {0} of the format, expected {VERSION}")]
    Version(u32),
}

impl Benchmark {
    /// Nothing measured yet.
    pub fn new(machine: Machine) -> Self {
        Self {
            version: VERSION,
            machine,
            groups: Vec::new(),
            bind: Vec::new(),
        }
    }

    /// Reads what [`to_json`](Self::to_json) has written.
    ///
    /// # Errors
    ///
    /// See [`Error`].
    pub fn from_json(text: &str) -> Result<Self, Error> {
        let value: serde_json::Value = serde_json::from_str(text)?;
        let version = value.get("version").and_then(serde_json::Value::as_u64);
        match version.and_then(|version| u32::try_from(version).ok()) {
            Some(version) if version != VERSION => Err(Error::Version(version)),
            _ => Ok(serde_json::from_value(value)?),
        }
    }

    /// The benchmark as JSON, with a line feed at its end.
    ///
    /// # Errors
    ///
    /// [`Error::Format`], which does not happen.
    pub fn to_json(&self) -> Result<String, Error> {
        Ok(serde_json::to_string_pretty(self)? + "\n")
    }

    /// Whether times are numbers of instructions, so that they are the same everywhere.
    pub fn is_exact(&self) -> bool {
        self.machine.ns_per_instruction == Some(1)
    }
}

impl Group {
    /// Takes what the guest has measured up, and hands back what belongs to no group.
    pub fn add(&mut self, measured: Measured) -> Option<Bind> {
        match measured {
            Measured::Idle(idle) => self.idle = Some(idle),
            Measured::Cold(cold) => self.cold = Some(cold),
            Measured::Row(row) => self.rows.push(row),
            Measured::Bind(bind) => return Some(bind),
        }
        None
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Linux {}, {} CPUs, ", self.kernel, self.cpus)?;
        match self.ns_per_instruction {
            Some(ns) => write!(f, "virtual time, {ns} ns per instruction"),
            None => f.write_str("wall time"),
        }
    }
}
