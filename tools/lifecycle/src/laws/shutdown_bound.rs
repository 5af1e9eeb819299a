// SPDX-License-Identifier: GPL-2.0

//! Power-off shuts each bound device down once, after its probes, and none after its remove.

use std::collections::{BTreeMap, BTreeSet};

use super::console::{lines, POWER_DOWN};
use super::mutant::Console;
use super::prelude::*;

/// The law. It judges a console with `initcall_debug`, by [`CONSOLE`].
pub static LAW: Law = Law {
    name: "shutdown_bound",
    promise: "Power-off and reboot shut each bound device down once, after its probe. A driver that \
              has been unbound from a device is not asked to shut it down.",
    kernel: "drivers/base/core.c: device_shutdown() waits for probes, but for those by `bind`. It \
             takes each device off the list of all devices, and calls the shutdown of its bus or its \
             driver with the lock of the device held, which every probe and remove holds, too.",
    mend: "Code that calls the probe, the remove or the shutdown of a driver without the driver \
           core and without the lock of the device breaks it. A reboot notifier of the driver's \
           runs earlier, while its probes may be under way.",
    needs: &[Sight::Console],
    check: |_| Ok(0),
    mutants: &[
        Mutant::apart("notifier_shuts_down"),
        Mutant::console("never_shut_down", &CONSOLE, never),
        Mutant::console("shut_down_twice", &CONSOLE, twice),
        Mutant::console("shut_down_in_its_probe", &CONSOLE, early),
        Mutant::console("shut_down_when_unbound", &CONSOLE, unbound),
    ],
};

/// What judges a console.
pub static CONSOLE: Console = Console {
    recorded: include_str!("../../tests/recordings/shutdown.txt"),
    check,
};

/// The driver and the device of `[   10.9] slow_platform slow_platform.0: shutdown`.
fn shut_down(line: &str) -> Option<(&str, &str)> {
    let (_, words) = line.strip_suffix(": shutdown")?.split_once("] ")?;
    words.split_once(' ')
}

/// Judges the devices whose drivers print the lines of the dmesg interface.
fn check(console: &str) -> Result<usize, String> {
    let (mut bound, mut probing) = (BTreeMap::new(), BTreeSet::new());
    let (mut drivers, mut down) = (BTreeSet::new(), BTreeSet::new());
    for line in lines(console) {
        let (line, events) = line?;
        for event in events {
            match event.what {
                What::ProbeBegan { device, driver, .. } => {
                    drivers.insert(driver);
                    probing.insert(device);
                }
                What::ProbeEnded {
                    device,
                    driver,
                    ret,
                    ..
                } => {
                    probing.remove(&device);
                    if ret == 0 {
                        bound.insert(device, driver);
                    }
                }
                What::Removing { device, .. } => _ = bound.remove(&device),
                _ => (),
            }
        }
        // Another driver's, or that of a device without one, which its bus prints.
        let ours = shut_down(line).filter(|(driver, _)| drivers.contains(*driver));
        let Some((driver, device)) = ours else {
            continue;
        };
        if probing.contains(device) {
            return Err(format!("{device} is shut down during its probe"));
        }
        if bound.get(device).is_none_or(|of| of != driver) {
            return Err(format!(
                "{driver} shuts {device} down, which it has not bound"
            ));
        }
        if !down.insert(device) {
            return Err(format!("{device} is shut down twice"));
        }
    }
    let powers_down = console.contains(POWER_DOWN);
    match bound.keys().find(|device| !down.contains(device.as_str())) {
        Some(device) if powers_down => Err(format!("{device} is bound and not shut down")),
        _ => Ok(down.len()),
    }
}

/// The first line about the shutdown of a device by a driver that has its name.
fn first(console: &str) -> Option<&str> {
    let is_bound = |(driver, device): (&str, &str)| device.starts_with(driver);
    let mut lines = console.lines();
    lines.find(|line| shut_down(line).is_some_and(is_bound))
}

fn never(console: &str) -> Option<String> {
    Some(console.replace(first(console)?, ""))
}

fn twice(console: &str) -> Option<String> {
    let line = first(console)?;
    Some(console.replace(line, &format!("{line}\n{line}")))
}

/// Before the last probe has ended.
fn early(console: &str) -> Option<String> {
    let ended = console
        .lines()
        .rfind(|line| line.contains(": probe_ended "))?;
    let device = ended.split_once(" dev=")?.1.split(' ').next()?;
    let mut lines = console.lines();
    let line = lines.find(|line| shut_down(line).is_some_and(|(_, of)| of == device))?;
    let without = console.replace(line, "");
    Some(without.replace(ended, &format!("{line}\n{ended}")))
}

/// The device that has been unbound.
fn unbound(console: &str) -> Option<String> {
    let removing = console.lines().rfind(|line| line.contains(": removing "))?;
    let device = removing.split_once(" dev=")?.1.split(' ').next()?;
    let line = first(console)?;
    let (_, of) = shut_down(line)?;
    let wrong = line.replace(&format!(" {of}: "), &format!(" {device}: "));
    Some(console.replace(line, &format!("{line}\n{wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_bound_device_once() {
        let good = CONSOLE.recorded;
        assert_eq!(check(good), Ok(2));
        for (edit, says) in [
            (
                never as fn(&str) -> Option<String>,
                " is bound and not shut down",
            ),
            (twice, " is shut down twice"),
            (early, " is shut down during its probe"),
            (unbound, ", which it has not bound"),
        ] {
            let seen = check(&edit(good).unwrap()).unwrap_err();
            assert!(seen.ends_with(says), "{seen}");
        }
        // Without initcall_debug, or before the power-off.
        let lines = good.lines().filter(|line| !line.ends_with(POWER_DOWN));
        let cut = lines.filter(|line| shut_down(line).is_none());
        let cut: String = cut.map(|line| format!("{line}\n")).collect();
        assert_eq!(check(&cut), Ok(0));
        assert_eq!(check(""), Ok(0));
    }
}
