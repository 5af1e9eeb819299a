// SPDX-License-Identifier: GPL-2.0

//! Whether lockdep still watches (`kernel/locking/lockdep.c`), where the kernel has it. It is off
//! after its first complaint, and after many that others make, without a word.

use crate::{ensure, kernel, sysfs, Failure};

/// Whether the kernel has it.
pub(crate) fn is_there() -> bool {
    kernel::has("PROVE_LOCKING")
}

/// It is on.
pub(crate) fn is_on() -> Result<(), Failure> {
    let stats = sysfs::read("/proc/lockdep_stats")?;
    ensure("debug_locks of lockdep", &debug_locks(&stats), &Some("1"))
}

fn debug_locks(stats: &str) -> Option<&str> {
    let mut lines = stats.lines();
    lines.find_map(|line| Some(line.trim().strip_prefix("debug_locks:")?.trim_start()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics() {
        let stats = " lock-classes:                          734 [max: 8192]\n debug_locks:                             1\n";
        assert_eq!(debug_locks(stats), Some("1"));
        assert_eq!(debug_locks(""), None);
    }
}
