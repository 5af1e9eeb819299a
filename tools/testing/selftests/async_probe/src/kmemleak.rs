// SPDX-License-Identifier: GPL-2.0

//! What kmemleak finds (`mm/kmemleak.c`), where the kernel has it.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::{kernel, kmsg, skip, unmet, Failure};

const FILE: &str = "/sys/kernel/debug/kmemleak";

/// Younger objects are not reported (`MSECS_MIN_AGE` is five seconds).
const AGE: Duration = Duration::from_secs(6);

/// The first scan only notes what is in an object that nothing points to. It is leaked if the next
/// scan finds the same in it (`update_checksum()`).
const SCANS: u32 = 2;

/// Whether the kernel has it.
pub(crate) fn is_there() -> bool {
    kernel::has("DEBUG_KMEMLEAK")
}

/// Forgets what has been found so far, and has the kernel scan when it is told to only.
///
/// This does not look for what has not been found yet: to look costs ten seconds. What the scans
/// miss, since a pointer to it still lies somewhere, those of the next program find.
///
/// [`Failure::Skip`] if debugfs is not mounted, [`Failure::Io`] if kmemleak is off.
pub(crate) fn forget() -> Result<(), Failure> {
    if !Path::new(FILE).exists() {
        return skip(format!(
            "no {FILE}: mount -t debugfs debugfs /sys/kernel/debug"
        ));
    }
    tell("scan=off")?;
    tell("clear")
}

/// What has been leaked since, but by the driver core: the objects, with the backtraces of their
/// allocation.
pub(crate) fn found() -> Result<String, Failure> {
    sleep(AGE);
    for _ in 0..SCANS {
        tell("scan")?;
    }
    let report = fs::read_to_string(FILE).map_err(|error| Failure::io("read", FILE, error))?;
    Ok(objects(&report)
        .filter(|object| !is_of_driver_core(object))
        .collect())
}

/// The objects of a report, each with its lines.
fn objects(report: &str) -> impl Iterator<Item = String> + '_ {
    const HEAD: &str = "unreferenced object";
    let objects = report.split(HEAD).skip(1);
    objects.map(|object| format!("{HEAD}{object}"))
}

/// Whether the driver core of 7.3 has leaked it: the reason that it gives a device that is not
/// ready to be probed, and does not put on the list of deferred devices. It calls
/// `dev_err_probe()` itself for that reason only; in a driver's probe another function does.
fn is_of_driver_core(object: &str) -> bool {
    let functions: Vec<_> = object
        .lines()
        .filter_map(|line| Some(line.trim().split_once('+')?.0))
        .collect();
    functions.windows(2).any(|pair| {
        pair[0] == "dev_err_probe" && pair[1].trim_start_matches('_') == "driver_probe_device"
    })
}

/// Nothing has been leaked since.
pub(crate) fn finds_nothing() -> Result<(), Failure> {
    match kmsg::judging("leak", found)?.as_str() {
        "" => Ok(()),
        leaks => unmet("kmemleak to find nothing", leaks),
    }
}

fn tell(command: &str) -> Result<(), Failure> {
    fs::write(FILE, command)
        .map_err(|error| Failure::io(&format!("write `{command}` to"), FILE, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    const REASON: &str = "\
unreferenced object 0xffff88800e2ef840 (size 64):
  comm \"kworker/u8:12\", pid 1130, jiffies 4295340509
  hex dump (first 32 bytes):
    70 6c 61 74 66 6f 72 6d 3a 20 44 65 76 69 63 65  platform: Device
    20 6e 6f 74 20 72 65 61 64 79 20 74 6f 20 70 72   not ready to pr
  backtrace (crc 9b4da429):
    kasprintf+0x70/0x80
    device_set_deferred_probe_reason+0x41/0x60
    dev_err_probe+0xdd/0x110
    driver_probe_device+0x49/0xc0
    __driver_attach_async_helper+0x9c/0xd0
";

    const ANOTHER: &str = "\
unreferenced object 0xffff88800e2ef880 (size 64):
  comm \"insmod\", pid 1131, jiffies 4295340510
  backtrace (crc 9b4da42a):
    device_set_deferred_probe_reason+0x41/0x60
    dev_err_probe+0xdd/0x110
    slow_probe+0x49/0xc0 [slow]
    driver_probe_device+0x49/0xc0
";

    #[test]
    fn the_driver_core_s_own_leak_is_told_from_others() {
        let report = [REASON, ANOTHER, REASON].concat();
        let found: Vec<_> = objects(&report).collect();
        assert_eq!(found, [REASON, ANOTHER, REASON]);
        assert!(is_of_driver_core(REASON));
        assert!(!is_of_driver_core(ANOTHER));
        assert_eq!(objects("").count(), 0);
    }
}
