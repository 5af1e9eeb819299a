// SPDX-License-Identifier: GPL-2.0

//! The instruments of the kernel complain about wrong code, and the lab sees it in the log: each
//! instrument is shown a module that does the wrong that it looks for. A complaint is announced in
//! the log, and the lab fails the test if it does not come.
//!
//! After this lockdep is off until the next boot.

//@ plain: what it provokes is no part of a driver's life
//@ last: lockdep is off afterwards

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use crate::test_modules::SPLATS;
use crate::{
    ensure, kernel, kmemleak, kmsg, ktap, lockdep, skip, sysfs, unmet, Bench, Failure, Test,
};

/// Has the kernel complain again where it complains once.
const AGAIN: &str = "/sys/kernel/debug/clear_warn_once";

const HUNG_TASK_TIMEOUT: &str = "/proc/sys/kernel/hung_task_timeout_secs";

/// Something wrong: `splat=`, its kind as `tools/lab/src/console.rs` names it, the option that the
/// kernel needs for it (`CONFIG_`), and the words that the kernel prints.
struct Wrong(
    &'static str,
    &'static str,
    Option<&'static str>,
    &'static str,
);

/// Lockdep is off after its own complaint, and KASAN's turns it off, too: they come last.
const ALL: &[Wrong] = &[
    Wrong("warning", "WARNING", None, "splats.c:"),
    Wrong(
        "refcount",
        "refcount",
        None,
        "refcount_t: addition on 0; use-after-free",
    ),
    Wrong(
        "kobject",
        "kobject",
        None,
        "tried to init an initialized object",
    ),
    Wrong(
        "ubsan",
        "UBSAN",
        Some("UBSAN"),
        "UBSAN: shift-out-of-bounds",
    ),
    Wrong(
        "odebug",
        "ODEBUG",
        Some("DEBUG_OBJECTS"),
        "ODEBUG: free active",
    ),
    Wrong(
        "atomic_sleep",
        "atomic sleep",
        Some("DEBUG_ATOMIC_SLEEP"),
        "BUG: sleeping function called from invalid context",
    ),
    Wrong(
        "rcu",
        "lockdep",
        Some("PROVE_RCU"),
        "WARNING: suspicious RCU usage",
    ),
    Wrong(
        "lockdep",
        "lockdep",
        Some("PROVE_LOCKING"),
        "WARNING: possible circular locking dependency detected",
    ),
    Wrong(
        "kasan",
        "KASAN",
        Some("KASAN"),
        "BUG: KASAN: slab-use-after-free in kasan",
    ),
    Wrong(
        "kfence",
        "KFENCE",
        Some("KFENCE"),
        "BUG: KFENCE: use-after-free read in kfence",
    ),
    Wrong(
        "kcsan",
        "KCSAN",
        Some("KCSAN"),
        "BUG: KCSAN: data-race in race",
    ),
];

/// Loads the module, and looks whether the kernel complains.
fn provoke(bench: &mut Bench, wrong: &Wrong) -> Result<(), Failure> {
    let Wrong(splat, kind, option, says) = *wrong;
    if let Some(option) = option.filter(|option| !kernel::has(option)) {
        return skip(format!("this kernel lacks CONFIG_{option}"));
    }
    if kind == "KCSAN" && std::env::var_os("ASYNC_PROBE_ICOUNT_SHIFT").is_some() {
        return skip("in virtual time processors take turns: TIME=wall");
    }
    if Path::new(AGAIN).exists() {
        sysfs::put(AGAIN, "1")?;
    }
    let from = bench.lines()?.len();
    kmsg::expecting(kind, || {
        bench.insmod(SPLATS, &format!("splat={splat}"))?;
        bench.rmmod(SPLATS)
    })?;
    let lines = &bench.lines()?[from..];
    if lines.iter().any(|line| line.contains(says)) {
        return Ok(());
    }
    unmet(format!("the kernel to say `{says}`"), lines.join("\n"))
}

/// A lockdep that is off complains no more.
fn lockdep_is_off(_: &mut Bench) -> Result<(), Failure> {
    if !lockdep::is_there() {
        return skip("this kernel lacks CONFIG_PROVE_LOCKING");
    }
    match lockdep::is_on() {
        Err(Failure::Assertion { .. }) => Ok(()),
        verdict => unmet("lockdep to be off", format!("{verdict:?}")),
    }
}

fn leak(bench: &mut Bench) -> Result<(), Failure> {
    if !kmemleak::is_there() {
        return skip("this kernel lacks CONFIG_DEBUG_KMEMLEAK");
    }
    kmemleak::forget()?;
    let found = kmsg::expecting("leak", || {
        bench.insmod(SPLATS, "splat=leak")?;
        let found = kmemleak::found()?;
        bench.rmmod(SPLATS)?;
        Ok(found)
    })?;
    let objects = found.matches("unreferenced object ").count();
    ensure("leaked objects", &objects, &1)?;
    if found.contains("[splats]") {
        // With the module it is gone.
        kmemleak::finds_nothing()
    } else {
        unmet("the module in the backtrace", found)
    }
}

/// A task that sleeps and cannot be woken.
fn hung_task(bench: &mut Bench) -> Result<(), Failure> {
    let Ok(before) = fs::read_to_string(HUNG_TASK_TIMEOUT) else {
        return skip("this kernel lacks CONFIG_DETECT_HUNG_TASK");
    };
    sysfs::put(HUNG_TASK_TIMEOUT, "2")?;
    let says = "blocked for more than 2 seconds";
    let verdict = provoke(bench, &Wrong("hung_task", "hung task", None, says));
    sysfs::put(HUNG_TASK_TIMEOUT, before)?;
    verdict
}

pub(crate) fn main() -> ExitCode {
    let mut tests = vec![
        Test::new("a leak is found", leak),
        Test::new("hung_task is complained about", hung_task),
    ];
    tests.extend(ALL.iter().map(|one| {
        Test::new(format!("{} is complained about", one.0), move |bench| {
            provoke(bench, one)
        })
    }));
    tests.push(Test::new("lockdep that is off is seen", lockdep_is_off));
    ktap::run_unwatched(tests)
}
