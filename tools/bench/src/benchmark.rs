// SPDX-License-Identifier: GPL-2.0

//! All that was measured: `out/bench.json`.

use serde::{Deserialize, Serialize};

use crate::cost::Cost;
use crate::identity::Identity;
use crate::measured::{Bind, Boot, Cold, Idle, Measured, Row, Upstream};

/// The version of the format. A reader refuses others.
pub const VERSION: u32 = 2;

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

/// How large a module is, in bytes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    /// Its name.
    pub module: String,
    /// Code.
    pub text: u64,
    /// Data, constant data among it.
    pub data: u64,
    /// Data that is zero at first.
    pub bss: u64,
}

/// How long a command takes in wall time, which is never the same.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wall {
    /// The command.
    pub command: String,
    /// Whether it found nothing built.
    pub cold: bool,
    /// How long it took.
    pub seconds: f64,
}

/// All that was measured.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Benchmark {
    /// [`VERSION`]
    pub version: u32,
    /// What was measured on.
    pub identity: Identity,
    /// The kernel's boot.
    pub boot: Option<Boot>,
    /// Upstream's own test.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub upstream: Option<Upstream>,
    /// Slow devices, by their number.
    pub groups: Vec<Group>,
    /// Quick devices.
    pub bind: Vec<Bind>,
    /// Rust and C.
    pub costs: Vec<Cost>,
    /// The modules.
    pub sizes: Vec<Size>,
    /// Wall times, if they were asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wall: Vec<Wall>,
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
    pub fn new(identity: Identity) -> Self {
        Self {
            version: VERSION,
            identity,
            boot: None,
            upstream: None,
            groups: Vec::new(),
            bind: Vec::new(),
            costs: Vec::new(),
            sizes: Vec::new(),
            wall: Vec::new(),
        }
    }

    /// Takes up what the guest has measured with so many slow devices, or with none.
    pub fn add(&mut self, devices: Option<usize>, measured: Vec<Measured>) {
        let mut group = Group::default();
        for measured in measured {
            match measured {
                Measured::Idle(idle) => group.idle = Some(idle),
                Measured::Cold(cold) => group.cold = Some(cold),
                Measured::Row(row) => group.rows.push(row),
                Measured::Bind(bind) => self.bind.push(bind),
                Measured::Cost(cost) => self.costs.push(cost),
                Measured::Boot(boot) => self.boot = Some(boot),
                Measured::Upstream(upstream) => self.upstream = Some(upstream),
            }
        }
        if let Some(devices) = devices {
            group.devices = devices;
            self.groups.push(group);
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
        self.identity.ns_per_instruction == Some(1)
    }

    /// The unit of a time that is short.
    pub(crate) fn unit(&self) -> &'static str {
        if self.is_exact() {
            "guest instructions"
        } else {
            "ns"
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    const JSON: &str = include_str!("../tests/benchmark.json");

    /// A benchmark that nothing has measured.
    pub(crate) fn benchmark() -> Benchmark {
        Benchmark::from_json(JSON).unwrap()
    }

    #[test]
    fn json_there_and_back() {
        assert_eq!(benchmark().to_json().unwrap(), JSON);
        let other = JSON.replacen("\"version\": 2", "\"version\": 1", 1);
        let error = Benchmark::from_json(&other).unwrap_err();
        assert_eq!(error.to_string(), "version 1 of the format, expected 2");
    }
}
