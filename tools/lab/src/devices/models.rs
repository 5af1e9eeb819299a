// SPDX-License-Identifier: GPL-2.0

//! The device models that a QEMU has, and their properties, as it tells them itself.

use std::process::{Output, Stdio};

use crate::arch::Arch;
use crate::environment::Environment;
use crate::error::{Error, IoContext, Kind, Result};

/// So many names are shown where one was mistyped.
const LIKE: usize = 5;

/// Seconds in which QEMU has made a machine, or answered.
const PATIENCE: u32 = 60;

/// A device model.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Model {
    pub name: String,
    pub alias: String,
    /// The bus that it is plugged into; empty if it is part of the board.
    pub bus: String,
    /// What it is, if QEMU says so.
    pub about: String,
}

/// The QEMU of the root file system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Qemu<'a> {
    pub env: &'a Environment,
    /// What it plays.
    pub arch: &'a Arch,
}

impl Qemu<'_> {
    /// Its output with these arguments, on a machine that has nothing else. If it has not ended
    /// after [`PATIENCE`] it is killed.
    pub(crate) fn ask(&self, args: &[String], input: Stdio) -> Result<Output> {
        let patience = PATIENCE.to_string();
        let own = ["timeout", "-s", "KILL", &patience, self.arch.qemu];
        let machine = [
            "-nodefaults",
            "-no-user-config",
            "-display",
            "none",
            "-machine",
        ];
        let argv = own.into_iter().chain(machine).chain([self.arch.machine]);
        self.env
            .enter(argv.map(str::to_owned).chain(args.iter().cloned()))
            .command()
            .stdin(input)
            .output()
            .at(self.env.root(), "enter")
    }

    fn help(&self, device: &str) -> Result<String> {
        let output = self.ask(&["-device".to_owned(), device.to_owned()], Stdio::null())?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(Error::new(
            Kind::Environment,
            format!("{} does not answer `-device {device}`", self.arch.qemu),
            String::from_utf8_lossy(&output.stderr).trim(),
            "`make clean-cache`, then run the same command again",
        ))
    }

    /// All models but processors.
    pub(crate) fn models(&self) -> Result<Vec<Model>> {
        self.help("help").map(|text| models(&text))
    }

    /// The names of a model's properties.
    pub(crate) fn properties(&self, model: &str) -> Result<Vec<String>> {
        self.help(&format!("{model},help"))
            .map(|text| properties(&text))
    }
}

/// Reads `-device help`: `name "nvme", bus PCI, alias "x", desc "y"` below headings.
fn models(help: &str) -> Vec<Model> {
    let mut processors = false;
    let mut models = Vec::new();
    for line in help.lines() {
        let Some(rest) = line.strip_prefix("name \"") else {
            processors = line.starts_with("CPU devices") || processors && !line.is_empty();
            continue;
        };
        let (name, rest) = rest.split_once('"').unwrap_or((rest, ""));
        let field = |key: &str, end: char| {
            let (_, value) = rest.split_once(key)?;
            Some(value.split(end).next().unwrap_or(value).to_owned())
        };
        if !processors {
            models.push(Model {
                name: name.to_owned(),
                bus: field(", bus ", ',').unwrap_or_default(),
                alias: field(", alias \"", '"').unwrap_or_default(),
                about: field(", desc \"", '"').unwrap_or_default(),
            });
        }
    }
    models
}

/// Reads `-device nvme,help`: `  serial=<str>  - what it is` below a heading.
fn properties(help: &str) -> Vec<String> {
    let names = help
        .lines()
        .filter_map(|line| line.strip_prefix("  ")?.split_once("=<"));
    // A child is a part of the device, and no option.
    let options = names.filter(|(_, kind)| !kind.starts_with("child<"));
    options.map(|(name, _)| name.to_owned()).collect()
}

/// The names that look most like a word that is none of them: those that have it as a part first.
pub(crate) fn like<'a>(word: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let word = word.to_lowercase();
    let mut like: Vec<(f64, &str)> = names
        .filter(|name| !name.is_empty())
        .map(|name| {
            let lower = name.to_lowercase();
            let part = f64::from(u8::from(lower.contains(&word)));
            (part + strsim::jaro_winkler(&lower, &word), name)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    like.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    like.into_iter().take(LIKE).map(|(_, name)| name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HELP: &str = "USB devices:\nname \"usb-host\", bus usb-bus\n\nStorage devices:\n\
        name \"ich9-ahci\", bus PCI, alias \"ahci\", desc \"a, b\"\n\nCPU devices:\n\
        name \"486-v1-x86_64-cpu\"\n\nWatchdog devices:\nname \"ib700\", bus ISA\n\
        name \"vmgenid\"\n";

    #[test]
    fn what_qemu_has() {
        let models = models(HELP);
        let names: Vec<_> = models.iter().map(|model| model.name.as_str()).collect();
        assert_eq!(names, ["usb-host", "ich9-ahci", "ib700", "vmgenid"]);
        assert_eq!(models[1].alias, "ahci");
        assert_eq!(
            (models[1].bus.as_str(), models[3].bus.as_str()),
            ("PCI", "")
        );
        assert_eq!(models[1].about, "a, b");
    }

    #[test]
    fn what_a_model_has() {
        let help =
            "nvme options:\n  drive=<str>            - Node\n  rombar=<int32> -  (default: -1)\n  \
            serial=<child<serial>>\n";
        assert_eq!(properties(help), ["drive", "rombar"]);
    }

    #[test]
    fn near_names() {
        let names = ["e1000", "e1000e", "nvme", "usb-mouse"];
        assert_eq!(like("nvm", names.into_iter()), ["nvme"]);
        assert_eq!(like("e1000x", names.into_iter())[0], "e1000");
        assert_eq!(like("Mouse", names.into_iter()), ["usb-mouse"]);
        assert!(like("zzz", names.into_iter()).is_empty());
    }
}
