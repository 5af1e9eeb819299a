// SPDX-License-Identifier: GPL-2.0

//! The plan of the lab: one step on a line.
//!
//! ```text
//! deadline 100
//! need /modules/async_probe.ko async_probe
//! with /modules/slow_platform_devices.ko slow_platform_devices devices=4
//! driver /modules/slow_platform_driver.ko slow_platform_driver firmware_ms=500
//! before echo x >/sys/y
//! after echo x >/sys/z
//! static .bss 16 4 next
//! probe foo_probe
//! ```

use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Module {
    pub(crate) path: PathBuf,
    /// As in `/proc/modules`.
    pub(crate) name: String,
    pub(crate) parameters: String,
}

impl Module {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.splitn(3, ' ');
        Some(Self {
            path: words.next().filter(|path| !path.is_empty())?.into(),
            name: words.next()?.to_owned(),
            parameters: words.next().unwrap_or_default().to_owned(),
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// How long a step may take.
    pub(crate) deadline: Duration,
    /// Modules whose symbols others use: loaded first, and not unloaded.
    pub(crate) needs: Vec<Module>,
    /// Modules that bring devices, in this order.
    pub(crate) with: Vec<Module>,
    pub(crate) driver: Module,
    /// A shell command before the driver is loaded for the first time.
    pub(crate) before: Option<String>,
    /// A shell command each time after the driver has been loaded.
    pub(crate) after: Option<String>,
    /// A shell command each time before the driver is unloaded.
    pub(crate) undo: Option<String>,
    /// The driver's static variables.
    pub(crate) statics: Vec<Static>,
    /// The driver's own probe functions.
    pub(crate) probes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Static {
    pub(crate) section: String,
    /// Where in the section.
    pub(crate) at: u64,
    pub(crate) bytes: usize,
    pub(crate) name: String,
}

impl Static {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        Some(Self {
            section: words.next()?.to_owned(),
            at: words.next()?.parse().ok()?,
            bytes: words.next()?.parse().ok()?,
            name: words.next()?.to_owned(),
        })
    }
}

impl Plan {
    /// Reads it; the error is the line that makes no sense.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut plan = Self {
            deadline: Duration::from_secs(100),
            ..Self::default()
        };
        for line in text.lines() {
            plan.line(line).ok_or_else(|| line.to_owned())?;
        }
        if plan.driver == Module::default() {
            return Err("no driver".to_owned());
        }
        Ok(plan)
    }

    fn line(&mut self, line: &str) -> Option<()> {
        let (what, rest) = line.split_once(' ')?;
        match what {
            "deadline" => self.deadline = Duration::from_secs(rest.parse().ok()?),
            "need" => self.needs.push(Module::parse(rest)?),
            "with" => self.with.push(Module::parse(rest)?),
            "driver" => self.driver = Module::parse(rest)?,
            "before" => self.before = Some(rest.to_owned()),
            "probe" => self.probes.push(rest.to_owned()),
            "static" => self.statics.push(Static::parse(rest)?),
            "after" => self.after = Some(rest.to_owned()),
            "undo" => self.undo = Some(rest.to_owned()),
            _ => return None,
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_a_plan() {
        let text =
            "deadline 7\nwith /m/a.ko a\ndriver /m/d.ko d x=1 y=2\nafter echo 1 >/x\nundo rm /x\n";
        let plan = Plan::parse(text).unwrap();
        assert_eq!(plan.deadline, Duration::from_secs(7));
        assert_eq!(plan.with[0].name, "a");
        assert_eq!(plan.driver.parameters, "x=1 y=2");
        assert_eq!(plan.after.as_deref(), Some("echo 1 >/x"));
        assert_eq!(plan.undo.as_deref(), Some("rm /x"));
        assert_eq!(plan.before, None);
    }

    #[test]
    fn refuses_nonsense() {
        for text in [
            "",
            "deadline x\n",
            "driver\n",
            "driver /m/d.ko\n",
            "dance x\n",
        ] {
            assert!(Plan::parse(text).is_err(), "{text}");
        }
    }
}
