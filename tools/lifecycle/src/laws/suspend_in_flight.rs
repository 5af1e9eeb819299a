// SPDX-License-Identifier: GPL-2.0

//! Suspend waits for probes.

use std::collections::BTreeSet;

use super::console::{comes_last, has, line_of, lines, RESUMED};
use super::mutant::Console;
use super::prelude::*;

/// The law. It judges a console, by [`CONSOLE`].
pub static LAW: Law = Law {
    name: "suspend_in_flight",
    promise: "Suspend and hibernation wait for all probes before they suspend a device, and no probe \
              begins before the resume.",
    kernel: "drivers/base/power/main.c: dpm_prepare() calls wait_for_device_probe(), which waits until \
             no probe runs and no asynchronous one is pending, and then \
             device_block_probing() (drivers/base/dd.c), after which each probe is deferred.",
    mend: "A function that uses the device without being its probe, such as a work item, is not waited \
           for. Stop it in the suspend callback, or do its work in the probe.",
    needs: &[Sight::Console],
    check: |_| Ok(0),
    mutants: &[
        Mutant::console("late_probe", &CONSOLE, late),
        Mutant::console("probe_while_suspended", &CONSOLE, while_suspended),
    ],
};

/// What judges a console.
pub static CONSOLE: Console = Console {
    recorded: include_str!("../../tests/recordings/suspend_probes.txt"),
    check,
};

/// Suspend begins.
const ENTRY: &[&str] = &["PM: suspend entry", "PM: hibernation: hibernation entry"];

/// All devices are suspended, as a test of the kernel says (`/sys/power/pm_test`), or an image of
/// the memory is made (`kernel/power/snapshot.c`, `enough_free_mem()`).
const SUSPENDED: &[&str] = &[
    "debug: Waiting for ",
    "PM: hibernation: Normal pages needed",
];

fn check(console: &str) -> Result<usize, String> {
    let mut running = BTreeSet::new();
    let (mut in_flight, mut cases, mut suspended) = (0, 0, false);
    for line in lines(console) {
        let (line, events) = line?;
        for event in events {
            match event.what {
                What::ProbeBegan { device, .. } if suspended => {
                    return Err(format!(
                        "the probe of {device} begins while it is suspended"
                    ));
                }
                What::ProbeBegan { device, .. } => _ = running.insert(device),
                What::ProbeEnded { device, .. } => _ = running.remove(&device),
                _ => (),
            }
        }
        if has(line, ENTRY) {
            in_flight = running.len();
        } else if has(line, SUSPENDED) {
            if let Some(device) = running.first() {
                return Err(format!("the probe of {device} runs at `{line}`"));
            }
            (cases, suspended) = (cases + in_flight, true);
        } else if has(line, RESUMED) {
            suspended = false;
        }
    }
    Ok(cases)
}

/// A probe ends after the devices are suspended.
fn late(console: &str) -> Option<String> {
    comes_last(console, " probe_ended ")
}

/// A probe begins after the devices are suspended.
fn while_suspended(console: &str) -> Option<String> {
    let (began, suspended) = (
        line_of(console, " probe_began ")?,
        line_of(console, SUSPENDED[0])?,
    );
    Some(console.replace(suspended, &format!("{suspended}\n{began}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits() {
        let good = CONSOLE.recorded;
        assert_eq!(check(good), Ok(2));
        assert!(check(&late(good).unwrap())
            .unwrap_err()
            .contains(" runs at `"));
        let began = check(&while_suspended(good).unwrap()).unwrap_err();
        assert!(began.contains(" begins while "), "{began}");
        let hibernates = good
            .replace(ENTRY[0], ENTRY[1])
            .replace(SUSPENDED[0], SUSPENDED[1]);
        assert_eq!(check(&hibernates), Ok(2));
        assert!(check(&late(&hibernates).unwrap()).is_err());
        assert_eq!(check(""), Ok(0));
    }
}
