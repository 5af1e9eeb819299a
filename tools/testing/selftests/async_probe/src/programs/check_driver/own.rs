// SPDX-License-Identifier: GPL-2.0

//! The results of functions that tell what a probe keeps from the driver core: the driver's own
//! probe functions, and those that register what there may be one of.

use std::fs;
use std::path::{Path, PathBuf};

use crate::sysfs::append;

const TRACING: &str = "/sys/kernel/tracing";
const GROUP: &str = "own";

/// The functions are watched until this is dropped.
pub(crate) struct Watch {
    functions: Vec<String>,
    instance: PathBuf,
}

impl Watch {
    /// Watches functions, those of a module that is to be loaded as `module:function`. What cannot be
    /// watched is not.
    pub(crate) fn begin(functions: Vec<String>) -> Self {
        let instance = Path::new(TRACING).join("instances").join(GROUP);
        // Where there is no tracing, nothing is said.
        let _ = fs::create_dir(&instance);
        for (number, function) in functions.iter().enumerate() {
            let event = format!("{GROUP}/{GROUP}_{number}");
            let _ = define(&format!("r:{event} {function} ret=$retval:s32"));
            // Of a module that is not loaded yet, the arguments cannot be fetched.
            let _ = define(&format!("p:{event}_of {function} of=$arg1:x64"));
        }
        let _ = fs::write(instance.join(format!("events/{GROUP}/enable")), "1");
        Self {
            functions,
            instance,
        }
    }

    /// The functions that have failed, each time with the errno and the first argument.
    pub(crate) fn failures(&self) -> Vec<Failed<'_>> {
        let trace = fs::read_to_string(self.instance.join("trace")).unwrap_or_default();
        let mut calls = vec![0; self.functions.len()];
        let mut failed = Vec::new();
        for line in trace.lines() {
            let event = line.split_once(&format!(": {GROUP}_"));
            let Some((number, values)) = event.and_then(|(_, event)| event.split_once(": ")) else {
                continue;
            };
            let (number, is_call) = match number.strip_suffix("_of") {
                Some(number) => (number, true),
                None => (number, false),
            };
            let (Ok(number), Some((_, value))) = (number.parse::<usize>(), values.rsplit_once('='))
            else {
                continue;
            };
            let Some(function) = self.functions.get(number) else {
                continue;
            };
            if is_call {
                let at = value.trim().trim_start_matches("0x");
                calls[number] = u64::from_str_radix(at, 16).unwrap_or(0);
            } else if let Ok(ret @ ..0) = value.trim().parse::<i32>() {
                failed.push(Failed {
                    function: function.rsplit(':').next().unwrap_or(function),
                    errno: -ret,
                    of: calls[number],
                });
            }
        }
        failed
    }
}

/// A function that has failed.
pub(crate) struct Failed<'a> {
    pub(crate) function: &'a str,
    pub(crate) errno: i32,
    /// Its first argument.
    pub(crate) of: u64,
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = fs::write(self.instance.join(format!("events/{GROUP}/enable")), "0");
        let _ = fs::remove_dir(&self.instance);
        for number in 0..self.functions.len() {
            for event in ["", "_of"] {
                let _ = define(&format!("-:{GROUP}/{GROUP}_{number}{event}"));
            }
        }
    }
}

fn define(line: &str) -> std::io::Result<()> {
    append(Path::new(TRACING).join("kprobe_events"), line)
}
