// SPDX-License-Identifier: GPL-2.0

//! Power-off during probes neither hangs nor oopses.
//!
//! `kernel/reboot.c`, `kernel_power_off()`: `device_shutdown()` takes the lock of each device, which
//! its probe holds, and waits for it; the last that the kernel says is `reboot: Power down`.

use crate::parse::dmesg;
use crate::What;

/// The last line.
const POWER_DOWN: &str = "reboot: Power down";

/// With which the kernel tells that something is wrong.
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
pub fn check(console: &str) -> Result<usize, String> {
    let complaint = console
        .lines()
        .find(|line| COMPLAINTS.iter().any(|complaint| line.contains(complaint)));
    if let Some(complaint) = complaint {
        return Err(format!("the kernel complains: {complaint}"));
    }
    let last = console.lines().rfind(|line| !line.trim().is_empty());
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

#[cfg(test)]
mod tests {
    use super::check;

    const GOOD: &str = "\
[    9.885613] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=39 task=kworker/u9:4
[   10.406559] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=520.940
[   10.918895] reboot: Power down
";

    #[test]
    fn holds() {
        assert_eq!(check(GOOD), Ok(1));
        let real = include_str!("../../tests/recordings/power_off.txt");
        assert_eq!(check(real), Ok(3));
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
