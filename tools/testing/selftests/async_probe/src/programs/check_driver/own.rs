// SPDX-License-Identifier: GPL-2.0

//! The results of the driver's own probe functions, which a bus may keep from the driver core.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const TRACING: &str = "/sys/kernel/tracing";
const GROUP: &str = "own";

/// The functions are watched until this is dropped.
pub(crate) struct Watch {
    functions: Vec<String>,
    instance: PathBuf,
}

impl Watch {
    /// Watches the functions of a module that is to be loaded. What cannot be watched is not.
    pub(crate) fn begin(module: &str, functions: &[String]) -> Self {
        let instance = Path::new(TRACING).join("instances").join(GROUP);
        // Where there is no tracing, nothing is said.
        let _ = fs::create_dir(&instance);
        let kept = functions.iter().enumerate().filter(|(number, function)| {
            define(&format!("r:{GROUP}/{GROUP}_{number} {module}:{function} ret=$retval:s32"))
                .is_ok()
        });
        let functions = kept.map(|(_, function)| function.clone()).collect();
        let _ = fs::write(instance.join(format!("events/{GROUP}/enable")), "1");
        Self {
            functions,
            instance,
        }
    }

    /// The functions that have failed, each time with the errno.
    pub(crate) fn failures(&self) -> Vec<String> {
        let trace = fs::read_to_string(self.instance.join("trace")).unwrap_or_default();
        let failure = |line: &str| {
            let (_, event) = line.split_once(&format!(": {GROUP}_"))?;
            let number: usize = event.split(':').next()?.parse().ok()?;
            let ret: i32 = event.rsplit_once(" ret=")?.1.trim().parse().ok()?;
            let function = self.functions.get(number)?;
            (ret < 0).then(|| format!("{function} {}", -ret))
        };
        trace.lines().filter_map(failure).collect()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = fs::write(self.instance.join(format!("events/{GROUP}/enable")), "0");
        let _ = fs::remove_dir(&self.instance);
        for number in 0..self.functions.len() {
            let _ = define(&format!("-:{GROUP}/{GROUP}_{number}"));
        }
    }
}

fn define(line: &str) -> std::io::Result<()> {
    let events = Path::new(TRACING).join("kprobe_events");
    let mut events = OpenOptions::new().append(true).open(events)?;
    events.write_all(format!("{line}\n").as_bytes())
}
