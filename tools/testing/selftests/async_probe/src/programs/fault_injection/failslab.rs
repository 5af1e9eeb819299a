// SPDX-License-Identifier: GPL-2.0

//! Allocations that fail when told to: `lib/fault-inject.c`, `mm/failslab.c`.

use std::fmt::Display;
use std::fs::{self, OpenOptions};
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use lifecycle::event::Call;
use nix::errno::Errno;

use crate::{kernel, kmsg, sysfs, Failure};

const DIRECTORY: &str = "/sys/kernel/debug/failslab";

/// Of the calling task: that its n-th allocation from now on fails.
const NTH: &str = "/proc/thread-self/fail-nth";

/// More frames of a backtrace are not looked at (`MAX_STACK_TRACE_DEPTH`).
const DEPTH: u32 = 32;

/// Set up so that nothing fails yet; as it was at boot when dropped.
#[derive(Debug)]
pub(crate) struct Failslab(());

impl Failslab {
    /// Whether the kernel can do that; why not.
    pub(crate) fn is_there() -> Result<(), String> {
        if !kernel::has("FAILSLAB") {
            return Err("this kernel lacks CONFIG_FAILSLAB".to_owned());
        }
        if !Path::new(DIRECTORY).exists() {
            return Err(format!(
                "no {DIRECTORY}: mount -t debugfs debugfs /sys/kernel/debug"
            ));
        }
        Ok(())
    }

    /// Any allocation may fail, wherever it is made.
    pub(crate) fn new() -> Result<Self, Failure> {
        let this = Self(());
        this.reset()?;
        // Most allocations may wait for memory, and would not fail otherwise.
        this.set("ignore-gfp-wait", "N")?;
        Ok(this)
    }

    fn reset(&self) -> Result<(), Failure> {
        self.set("probability", 0)?;
        self.set("verbose", 0)?;
        self.set("times", -1)?;
        self.set("space", 0)?;
        self.set("stacktrace-depth", DEPTH)?;
        self.within(&(0..u64::MAX))?;
        self.without(&(0..0))
    }

    /// Only allocations fail that are made from code in this range.
    pub(crate) fn within(&self, code: &Range<u64>) -> Result<(), Failure> {
        self.set("require-start", code.start)?;
        self.set("require-end", code.end)
    }

    /// Of those, none that are made from code in this range.
    pub(crate) fn without(&self, code: &Range<u64>) -> Result<(), Failure> {
        self.set("reject-start", code.start)?;
        self.set("reject-end", code.end)
    }

    /// In whichever task, the first allocation fails after so many bytes have been allocated.
    pub(crate) fn after(&self, bytes: u32) -> Result<(), Failure> {
        self.set("space", bytes)?;
        self.set("times", 1)?;
        self.set("probability", 100)
    }

    /// Nothing fails any more; whether one has failed since [`after()`](Self::after).
    pub(crate) fn stop(&self) -> Result<bool, Failure> {
        self.set("probability", 0)?;
        let file = format!("{DIRECTORY}/times");
        let left = sysfs::read(&file)?;
        self.set("times", -1)?;
        Ok(left.trim() == "0")
    }

    fn set(&self, file: &str, value: impl Display) -> Result<(), Failure> {
        sysfs::put(format!("{DIRECTORY}/{file}"), value.to_string())
    }
}

impl Drop for Failslab {
    fn drop(&mut self) {
        // There is no caller to return an error to.
        let _ = self.reset().and_then(|()| self.set("ignore-gfp-wait", "Y"));
    }
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Outcome {
    pub(crate) result: Result<(), Errno>,
    /// Whether an allocation has failed.
    pub(crate) failed: bool,
}

/// Makes a call whose `nth` allocation fails, from 1 on; with 0 none does.
pub(crate) fn nth(
    nth: u32,
    call: Call,
    on: &str,
    make: impl FnOnce() -> Result<(), Errno>,
) -> Result<Outcome, Failure> {
    let file = OpenOptions::new()
        .read(true)
        .write(true)
        .open(NTH)
        .map_err(|error| Failure::io("open", NTH, error))?;
    let mut left = [0; 16];
    let mut told = Ok(0);
    // Between the two writes nothing may allocate but the call.
    let number = nth.to_string();
    let result = kmsg::around(call, on, None, || {
        let armed = file.write_at(number.as_bytes(), 0);
        let result = make();
        let read = file.read_at(&mut left, 0);
        let disarmed = file.write_at(b"0", 0);
        told = armed.and(disarmed).and(read);
        result
    })?;
    let length = told.map_err(|error| Failure::io("use", NTH, error))?;
    let left = String::from_utf8_lossy(&left[..length]);
    Ok(Outcome {
        result,
        failed: nth > 0 && left.trim() == "0",
    })
}

/// Where the code of a function of the kernel lies.
pub(crate) fn code(function: &str) -> Result<Range<u64>, Failure> {
    static SYMBOLS: OnceLock<Vec<(u64, String)>> = OnceLock::new();
    let symbols = SYMBOLS.get_or_init(|| {
        let text = fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        let mut symbols: Vec<_> = text.lines().filter_map(symbol).collect();
        symbols.sort();
        symbols
    });
    let of = |name: &str| symbols.iter().position(|(_, symbol)| symbol == name);
    let found = of(function).and_then(|at| {
        let start = symbols[at].0;
        let end = symbols[at..].iter().find(|(address, _)| *address > start)?;
        Some(start..end.0)
    });
    found.ok_or_else(|| Failure::assertion(format!("{function} in /proc/kallsyms"), "nothing"))
}

/// Reads `ffffffff81000000 T _text`; symbols of modules have a third word.
fn symbol(line: &str) -> Option<(u64, String)> {
    let words: Vec<_> = line.split_whitespace().collect();
    let [address, "t" | "T" | "w" | "W", name] = words[..] else {
        return None;
    };
    Some((u64::from_str_radix(address, 16).ok()?, name.to_owned()))
}
