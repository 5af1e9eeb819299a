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
use crate::{ensure, kernel, kmemleak, kmsg, ktap, lockdep, Bench, Failure, Test};

/// Has the kernel complain again where it complains once.
const AGAIN: &str = "/sys/kernel/debug/clear_warn_once";

const HUNG_TASK_TIMEOUT: &str = "/proc/sys/kernel/hung_task_timeout_secs";

/// Something wrong.
struct Wrong {
    /// `splat=`.
    splat: &'static str,
    /// As `tools/lab/src/console.rs` names it.
    kind: &'static str,
    /// The option that the kernel needs for it: `CONFIG_`.
    option: Option<&'static str>,
    /// The words that the kernel prints.
    says: &'static str,
}

const fn wrong(
    splat: &'static str,
    kind: &'static str,
    option: Option<&'static str>,
    says: &'static str,
) -> Wrong {
    Wrong {
        splat,
        kind,
        option,
        says,
    }
}

/// Lockdep is off after its own complaint, and KASAN's turns it off, too: they come last.
const ALL: &[Wrong] = &[
    wrong("warning", "WARNING", None, "splats.c:"),
    wrong(
        "refcount",
        "refcount",
        None,
        "refcount_t: addition on 0; use-after-free",
    ),
    wrong(
        "kobject",
        "kobject",
        None,
        "tried to init an initialized object",
    ),
    wrong(
        "ubsan",
        "UBSAN",
        Some("UBSAN"),
        "UBSAN: shift-out-of-bounds",
    ),
    wrong(
        "odebug",
        "ODEBUG",
        Some("DEBUG_OBJECTS"),
        "ODEBUG: free active",
    ),
    wrong(
        "atomic_sleep",
        "atomic sleep",
        Some("DEBUG_ATOMIC_SLEEP"),
        "BUG: sleeping function called from invalid context",
    ),
    wrong(
        "rcu",
        "lockdep",
        Some("PROVE_RCU"),
        "WARNING: suspicious RCU usage",
    ),
    wrong(
        "lockdep",
        "lockdep",
        Some("PROVE_LOCKING"),
        "WARNING: possible circular locking dependency detected",
    ),
    wrong(
        "kasan",
        "KASAN",
        Some("KASAN"),
        "BUG: KASAN: slab-use-after-free in kasan",
    ),
    wrong(
        "kfence",
        "KFENCE",
        Some("KFENCE"),
        "BUG: KFENCE: use-after-free read in kfence",
    ),
    wrong(
        "kcsan",
        "KCSAN",
        Some("KCSAN"),
        "BUG: KCSAN: data-race in race",
    ),
];

/// Loads the module, and looks whether the kernel complains.
fn provoke(bench: &mut Bench, wrong: &Wrong) -> Result<(), Failure> {
    if let Some(option) = wrong.option.filter(|option| !kernel::has(option)) {
        return Err(Failure::Skip(format!("this kernel lacks CONFIG_{option}")));
    }
    if wrong.kind == "KCSAN" && std::env::var_os("ASYNC_PROBE_ICOUNT_SHIFT").is_some() {
        return Err(Failure::Skip(
            "in virtual time processors take turns: TIME=wall".to_owned(),
        ));
    }
    if Path::new(AGAIN).exists() {
        fs::write(AGAIN, "1").map_err(|error| Failure::io("write", AGAIN, error))?;
    }
    let from = bench.lines()?.len();
    kmsg::expecting(wrong.kind, || {
        bench.insmod(SPLATS, &format!("splat={}", wrong.splat))?;
        bench.rmmod(SPLATS)
    })?;
    complained(bench, from, wrong.says)
}

fn complained(bench: &mut Bench, from: usize, says: &str) -> Result<(), Failure> {
    let lines = &bench.lines()?[from..];
    if lines.iter().any(|line| line.contains(says)) {
        return Ok(());
    }
    Err(Failure::assertion(
        format!("the kernel to say `{says}`"),
        lines.join("\n"),
    ))
}

/// A lockdep that is off complains no more.
fn lockdep_is_off(_: &mut Bench) -> Result<(), Failure> {
    if !lockdep::is_there() {
        return Err(Failure::Skip(
            "this kernel lacks CONFIG_PROVE_LOCKING".to_owned(),
        ));
    }
    match lockdep::is_on() {
        Err(Failure::Assertion { .. }) => Ok(()),
        verdict => Err(Failure::assertion(
            "lockdep to be off",
            format!("{verdict:?}"),
        )),
    }
}

fn leak(bench: &mut Bench) -> Result<(), Failure> {
    if !kmemleak::is_there() {
        return Err(Failure::Skip(
            "this kernel lacks CONFIG_DEBUG_KMEMLEAK".to_owned(),
        ));
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
        Err(Failure::assertion("the module in the backtrace", found))
    }
}

/// A task that sleeps and cannot be woken.
fn hung_task(bench: &mut Bench) -> Result<(), Failure> {
    let Ok(before) = fs::read_to_string(HUNG_TASK_TIMEOUT) else {
        return Err(Failure::Skip(
            "this kernel lacks CONFIG_DETECT_HUNG_TASK".to_owned(),
        ));
    };
    let set = |seconds: &str| {
        fs::write(HUNG_TASK_TIMEOUT, seconds)
            .map_err(|error| Failure::io("write", HUNG_TASK_TIMEOUT, error))
    };
    set("2")?;
    let verdict = provoke(
        bench,
        &wrong(
            "hung_task",
            "hung task",
            None,
            "blocked for more than 2 seconds",
        ),
    );
    set(&before)?;
    verdict
}

pub(crate) fn main() -> ExitCode {
    let mut tests = vec![
        Test::new("a leak is found", leak),
        Test::new("hung_task is complained about", hung_task),
    ];
    tests.extend(ALL.iter().map(|one| {
        Test::new(format!("{} is complained about", one.splat), move |bench| {
            provoke(bench, one)
        })
    }));
    tests.push(Test::new("lockdep that is off is seen", lockdep_is_off));
    ktap::run_unwatched(tests)
}
