// SPDX-License-Identifier: GPL-2.0

//! What came of checking one module on one device: a file each.

use std::fs;
use std::path::Path;

use lifecycle::driver::advice::Verdict;
use lifecycle::life::Kind;
use lifecycle::parse::recording;
use lifecycle::Micros;
use serde::{Deserialize, Serialize};

use crate::commands::check_driver::Checked;
use crate::error::Result;
use crate::paths;

/// A device model and a module that takes it.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    /// The model, as `DEVICE=` has it.
    pub device: String,
    pub module: String,
}

/// A driver of the module.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Driver {
    pub name: String,
    pub bus: String,
    /// What it asks for.
    pub probe_type: String,
    /// The devices that it has bound.
    pub devices: usize,
    /// What it is advised.
    pub advice: String,
    /// Why it must not be probed asynchronously, or why that cannot be told.
    #[serde(default)]
    pub why: String,
}

/// A row of the census.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Row {
    pub device: String,
    pub module: String,
    /// The kernel, as `uname -r` prints it.
    pub kernel: String,
    pub qemu: String,
    /// What the machine has that is not as by default.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub machine: String,
    /// The commit of the lab, as `git describe` prints it.
    #[serde(default)]
    pub revision: String,
    pub drivers: Vec<Driver>,
    /// The longest probe.
    pub probe: Option<Micros>,
    /// A plain insmod.
    pub insmod: Option<Micros>,
    /// What insmod waited for, beside its own work.
    pub waits: Vec<String>,
    /// The laws that were kept.
    pub kept: Vec<String>,
    /// The laws that were broken.
    pub broken: Vec<String>,
    /// What the kernel complained about: the line with the alarm.
    pub complaints: Vec<String>,
    /// What is the matter, in a line; none if all is well.
    pub verdict: Option<String>,
}

impl Pair {
    /// The name of its files.
    pub(crate) fn name(&self) -> String {
        format!("{}.{}", self.device, self.module)
    }
}

impl Row {
    /// With what came of a check whose files are in `out`.
    #[must_use]
    pub(crate) fn of(mut self, pair: &Pair, checked: Result<Checked>, out: &Path) -> Self {
        self.device.clone_from(&pair.device);
        self.module.clone_from(&pair.module);
        match checked {
            Ok(checked) => self.read(&checked, out),
            // On one line.
            Err(error) => {
                let error = error.to_string();
                let words: Vec<&str> = error.split_whitespace().collect();
                self.verdict = Some(words.join(" "));
            }
        }
        self
    }

    fn read(&mut self, checked: &Checked, out: &Path) {
        let complaints = checked.complaints().iter();
        self.complaints = complaints.map(|splat| splat.alarm.clone()).collect();
        self.verdict = checked
            .verdict()
            .err()
            .map(|error| match error.why.lines().next() {
                Some(why) if !why.is_empty() && !why.ends_with(':') => {
                    format!("{}: {why}", error.what)
                }
                _ => error.what,
            });
        let Some(report) = &checked.report else {
            return;
        };
        for law in &report.laws {
            match law.broken {
                Some(_) => self.broken.push(law.law.to_owned()),
                None if law.cases > 0 => self.kept.push(law.law.to_owned()),
                None => {}
            }
        }
        let plain = report.plain.as_ref();
        self.insmod = plain.and_then(|load| load.took);
        self.probe = plain.and_then(|load| load.initial().filter_map(|probe| probe.took).max());
        self.drivers = report
            .drivers
            .iter()
            .map(|of| Driver {
                name: of.driver.name.clone(),
                bus: of.driver.bus.clone(),
                probe_type: of
                    .advice
                    .probe_type
                    .map_or(String::new(), |of| of.to_string()),
                devices: of.driver.devices,
                advice: of.advice.verdict.to_string(),
                why: match of.advice.verdict {
                    Verdict::Forbidden | Verdict::Unknown => of.advice.why[1..].join(" "),
                    _ => String::new(),
                },
            })
            .collect();
        self.waits = waits(&self.module, out).unwrap_or_default();
    }

    /// What another row must share to be of the same census.
    pub(crate) fn key(&self) -> [&str; 3] {
        [&self.kernel, &self.machine, &self.qemu]
    }

    /// Whether a device was bound.
    pub(crate) fn is_bound(&self) -> bool {
        self.drivers.iter().any(|driver| driver.devices > 0)
    }

    /// Reads its file; none if there is none that is whole.
    pub(crate) fn load(path: &Path) -> Option<Self> {
        serde_json::from_str(&fs::read_to_string(path).ok()?).ok()
    }

    /// Writes its file, as a whole.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        paths::write(path, &(text + "\n"))
    }
}

/// What the first plain insmod waited for.
fn waits(module: &str, out: &Path) -> Option<Vec<String>> {
    let text = fs::read_to_string(out.join("load.txt")).ok()?;
    let life = lifecycle::Life::new(recording::parse(&text).ok()?, recording::probing(&text));
    let doing = format!("insmod of {module}");
    let mut lines = Vec::new();
    for wait in life.waits.iter().filter(|wait| wait.doing == doing) {
        let took = wait.end.map_or(Micros(0), |end| end - wait.begin);
        let what = |span: &usize| {
            let span = &life.spans[*span];
            match span.kind {
                Kind::Probe => format!("the probe of {}", span.on),
                _ => span.on.clone(),
            }
        };
        let mut on: Vec<String> = wait.on.iter().map(what).collect();
        on.dedup();
        lines.push(format!("{took} ms: {} ({})", on.join(", "), wait.through));
    }
    Some(lines)
}
