// SPDX-License-Identifier: GPL-2.0

//! What kmemleak finds (`mm/kmemleak.c`), where the kernel has it.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::{kernel, skip, unmet, Failure};

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

/// Forgets what has been found so far.
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
    tell("clear")
}

/// What has been leaked since: the objects, with the backtraces of their allocation.
pub(crate) fn found() -> Result<String, Failure> {
    sleep(AGE);
    for _ in 0..SCANS {
        tell("scan")?;
    }
    fs::read_to_string(FILE).map_err(|error| Failure::io("read", FILE, error))
}

/// Nothing has been leaked since.
pub(crate) fn finds_nothing() -> Result<(), Failure> {
    match found()?.as_str() {
        "" => Ok(()),
        leaks => unmet("kmemleak to find nothing", leaks),
    }
}

fn tell(command: &str) -> Result<(), Failure> {
    fs::write(FILE, command)
        .map_err(|error| Failure::io(&format!("write `{command}` to"), FILE, error))
}
