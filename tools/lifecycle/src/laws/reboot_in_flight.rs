// SPDX-License-Identifier: GPL-2.0

//! Power-off during probes neither hangs nor oopses.

use super::console::POWER_DOWN;
use super::mutant::Console;
use super::prelude::*;
use crate::parse::dmesg;

/// The law. It judges a console, by [`CONSOLE`].
pub static LAW: Law = Law {
    name: "reboot_in_flight",
    promise: "Power-off during probes waits for the probes, and neither hangs nor oopses.",
    kernel: "kernel/reboot.c: kernel_power_off() calls device_shutdown() (drivers/base/core.c), which \
             takes the lock of each device. A probe holds that lock until it has ended. The last line \
             of the kernel is `reboot: Power down`.",
    mend: "A probe that never ends keeps the machine from going down. Give every wait in probe a limit.",
    needs: &[Sight::Console],
    check: |_| Ok(0),
    mutants: &[
        Mutant::console("never_powered_down", &CONSOLE, never_powered_down),
        Mutant::console("oops_on_the_way", &CONSOLE, oops_on_the_way),
    ],
};

/// What judges a console.
pub static CONSOLE: Console = Console {
    recorded: include_str!("../../tests/recordings/power_off.txt"),
    check,
};

/// What a program of the selftests writes to the console when its call has returned.
const RETURNED: &str = "lifecycle: call_returned ";

/// The texts with which the kernel complains.
const COMPLAINTS: &[&str] = &[
    "BUG:",
    "WARNING:",
    "Oops:",
    "Call Trace:",
    "Kernel panic",
    "blocked for more than",
    "general protection fault",
];

/// Judges what the console has printed from the beginning of the probes on; returns how many there
/// were.
///
/// # Errors
///
/// How the law was broken, in one sentence.
fn check(console: &str) -> Result<usize, String> {
    let complaint = console
        .lines()
        .find(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint)));
    if let Some(complaint) = complaint {
        return Err(format!("the kernel complains: {complaint}"));
    }
    // A program still sees its call return while the kernel powers the machine down.
    let last = console
        .lines()
        .rfind(|line| !line.trim().is_empty() && !line.contains(RETURNED));
    if !last.is_some_and(|last| last.ends_with(POWER_DOWN)) {
        return Err(format!(
            "expected `{POWER_DOWN}` at the end, seen `{}`",
            last.unwrap_or_default()
        ));
    }
    let events = dmesg::parse(console).map_err(|error| error.to_string())?;
    match events
        .iter()
        .filter(|event| matches!(event.what, What::ProbeBegan { .. }))
        .count()
    {
        0 => Err("no probe began before power-off".to_owned()),
        probes => Ok(probes),
    }
}

/// Splits the console before the last line.
fn before_power_down(console: &str) -> Option<(&str, &str)> {
    let at = console.find(POWER_DOWN)?;
    let line = console[..at].rfind('\n').map_or(0, |at| at + 1);
    Some(console.split_at(line))
}

/// The kernel does not say that it powers down.
fn never_powered_down(console: &str) -> Option<String> {
    let (before, _) = before_power_down(console)?;
    Some(before.to_owned())
}

/// The kernel complains on the way.
fn oops_on_the_way(console: &str) -> Option<String> {
    let (before, after) = before_power_down(console)?;
    Some(format!(
        "{before}[   20.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n{after}"
    ))
}

#[cfg(test)]
mod tests {
    use super::{check, RETURNED};

    const GOOD: &str = "\
[    9.885613] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=39 task=kworker/u9:4
[   10.406559] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=520.940
[   10.918895] reboot: Power down
";

    #[test]
    fn holds() {
        assert_eq!(check(GOOD), Ok(1));
        assert_eq!(check(super::CONSOLE.recorded), Ok(3));
        let returned = format!("{GOOD}[   10.918899] {RETURNED}call=insmod on=d pid=1 ret=0\n");
        assert_eq!(check(&returned), Ok(1));
    }

    #[test]
    fn broken() {
        let (probes, _) = GOOD.split_once("[   10.918895]").unwrap();
        assert!(check(probes).is_err());
        assert!(check(&GOOD[probes.len()..]).is_err());
        assert!(check(&format!("[    9.000000] BUG: soft lockup\n{GOOD}")).is_err());
        assert!(check(&format!("{GOOD}[   11.000000] and more\n")).is_err());
        assert!(check("").is_err());
    }
}
