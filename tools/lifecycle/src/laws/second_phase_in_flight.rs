// SPDX-License-Identifier: GPL-2.0

//! Suspend and power-off wait for second phases.

use std::collections::BTreeSet;

use super::console::{comes_last, has, lines, POWER_DOWN, RESUMED};
use super::mutant::Console;
use super::prelude::*;

/// The law. It judges a console, by [`CONSOLE`].
pub static LAW: Law = Law {
    name: "second_phase_in_flight",
    promise: "Suspend, hibernation, power-off and reboot wait for second phases that run, for 30 \
              seconds at most, before they freeze a task or stop a device.",
    kernel:
        "kernel/power/suspend.c and kernel/power/hibernate.c: suspend_prepare() and hibernate() call \
             the PM notifiers before they freeze tasks. kernel/reboot.c: \
             kernel_shutdown_prepare() calls the reboot notifiers before device_shutdown(). \
             async_probe has a notifier in both chains.",
    mend:
        "Start the second phase through async_probe::two_phase, whose notifiers count it. A second \
           phase that takes longer than 30 seconds has to be shortened.",
    needs: &[Sight::Console],
    check: |_| Ok(0),
    mutants: &[Mutant::console("late_second_phase", &CONSOLE, late)],
};

/// What judges a console.
pub static CONSOLE: Console = Console {
    recorded: include_str!("../../tests/recordings/suspend_second_phase.txt"),
    check,
};

/// The lines with which the kernel says that it has begun to stop tasks, or that all is stopped.
const STOPS: &[&str] = &[
    "Freezing user space processes",
    POWER_DOWN,
    "reboot: Restarting system",
];

/// The line with which `async_probe` says that it waits no longer.
const LIMIT: &str = "second phases that have not ended after 30 seconds";

/// The firmware of a device that is bound arrives in its second phase.
fn check(console: &str) -> Result<usize, String> {
    let (mut bound, mut running) = (BTreeSet::new(), BTreeSet::new());
    let (mut ended, mut cases, mut gave_up) = (0, 0, false);
    for line in lines(console) {
        let (line, events) = line?;
        for event in events {
            match event.what {
                What::ProbeEnded { device, ret: 0, .. } => _ = bound.insert(device),
                What::FirmwareArrived { device, .. } if bound.contains(&device) => {
                    running.insert(device);
                }
                What::Ready { device, .. } => ended += usize::from(running.remove(&device)),
                What::Removing { device, .. } => _ = bound.remove(&device),
                _ => (),
            }
        }
        gave_up = (gave_up || line.contains(LIMIT)) && !has(line, RESUMED);
        if STOPS.iter().any(|end| line.ends_with(end)) {
            match running.first() {
                Some(device) if !gave_up => {
                    return Err(format!("the second phase of {device} runs at `{line}`"));
                }
                _ => cases += ended + running.len(),
            }
            ended = 0;
        }
    }
    Ok(cases)
}

/// The second phase ends when tasks are frozen already.
fn late(console: &str) -> Option<String> {
    comes_last(console, " ready ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_or_says_so() {
        let good = CONSOLE.recorded;
        assert_eq!(check(good), Ok(2));
        let late = late(good).unwrap();
        let says = check(&late).unwrap_err();
        assert!(says.contains(" runs at `"), "{says}");
        let frozen = good.lines().find(|line| line.contains("Freezing user"));
        let frozen = frozen.unwrap();
        let limit = format!("[    0.000000] async_probe: {LIMIT}: 1\n{frozen}");
        assert_eq!(check(&late.replace(frozen, &limit)), Ok(2));
        let off = late.replace(frozen, "[    0.000000] reboot: Power down");
        assert!(check(&off).is_err());
        assert_eq!(check(""), Ok(0));
    }
}
