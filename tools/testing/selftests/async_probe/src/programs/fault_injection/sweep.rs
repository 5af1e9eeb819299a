// SPDX-License-Identifier: GPL-2.0

//! A call that is made again and again, and of which another allocation fails each time.

use std::collections::BTreeSet;
use std::fs::{self, OpenOptions};
use std::thread::sleep;
use std::time::Duration;

use lifecycle::event::Call;
use nix::errno::Errno;
use nix::unistd;

use super::failslab::{self, Outcome};
use crate::modules::{Insmod, Rmmod};
use crate::{ensure, unmet, Bench, Failure};

/// No call makes so many allocations.
const MOST: u32 = 5000;

/// One of so many allocations fails, so that the sweep fits into the time of a program.
const STRIDE: u32 = 13;

/// The same at full length.
const FULL_STRIDE: u32 = 2;

/// Whether there is time for more: `ASYNC_PROBE_FULL=1`.
pub(crate) fn is_full() -> bool {
    std::env::var_os("ASYNC_PROBE_FULL").is_some()
}

/// The directories in which a module and its devices can leave something behind.
const DIRECTORIES: &[&str] = &[
    "/sys/module",
    "/sys/bus",
    "/sys/bus/platform/devices",
    "/sys/bus/platform/drivers",
    "/sys/bus/slow_bus/devices",
    "/sys/bus/slow_bus/drivers",
    "/sys/devices",
];

/// All that is registered, by its names in sysfs.
pub(crate) fn registered() -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for directory in DIRECTORIES {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            names.insert(entry.path().display().to_string());
        }
    }
    names
}

/// Names that a call has left go within four seconds (`CONFIG_DEBUG_KOBJECT_RELEASE`).
const LATE: u32 = 5000;

/// The same is registered as before, or is within five seconds.
pub(crate) fn as_before(when: &str, before: &BTreeSet<String>) -> Result<(), Failure> {
    let mut after = registered();
    for _ in (0..LATE).step_by(100) {
        if after == *before {
            return Ok(());
        }
        sleep(Duration::from_millis(100));
        after = registered();
    }
    ensure(
        &format!("what is registered and was not, or the other way round, {when}"),
        &after.symmetric_difference(before).collect(),
        &Vec::new(),
    )
}

/// A system call that brings modules, devices or drivers, or takes them.
#[derive(Clone, Debug)]
pub(crate) enum Syscall {
    Insmod {
        module: &'static str,
        parameters: String,
    },
    Rmmod(&'static str),
    Write {
        path: String,
        text: String,
        call: Call,
    },
}

impl Syscall {
    /// Makes it; its `nth` allocation fails, or none.
    pub(crate) fn make(&self, bench: &mut Bench, nth: u32) -> Result<Outcome, Failure> {
        match self {
            Self::Insmod { module, parameters } => {
                let insmod = Insmod::prepare(&bench.module(module), parameters)?;
                let outcome = failslab::nth(nth, Call::Insmod, module, || insmod.call())?;
                if outcome.result.is_ok() {
                    bench.adopt(module);
                }
                Ok(outcome)
            }
            Self::Rmmod(module) => {
                let rmmod = Rmmod::prepare(module)?;
                failslab::nth(nth, Call::Rmmod, module, || rmmod.call())
            }
            Self::Write { path, text, call } => {
                let file = OpenOptions::new()
                    .write(true)
                    .open(path)
                    .map_err(|error| Failure::io("open", path, error))?;
                failslab::nth(nth, *call, text, || {
                    unistd::write(&file, text.as_bytes()).map(drop)
                })
            }
        }
    }
}

/// A step before or after each call.
type Step<'a> = &'a dyn Fn(&mut Bench) -> Result<(), Failure>;

/// Makes the call until none of its allocations has failed. `before` prepares it;
/// `after` looks whether all is well, and takes that back.
///
/// Each time it returns 0 or one of `errnos`. In the latter case nothing is left of it, and it
/// succeeds when it is made once more.
pub(crate) fn sweep(
    bench: &mut Bench,
    syscall: &Syscall,
    errnos: &[Errno],
    before: Step<'_>,
    after: Step<'_>,
) -> Result<(), Failure> {
    let clean = registered();
    let stride = if is_full() { FULL_STRIDE } else { STRIDE };
    let (mut failed, mut refused) = (0, 0);
    for nth in (1..=MOST).step_by(stride as usize) {
        let verdict = once(bench, syscall, nth, errnos, before, after);

        let ended = verdict
            .and_then(|outcome| {
                bench.events()?;
                as_before("afterwards", &clean)?;
                failed += u32::from(outcome.failed);
                refused += u32::from(outcome.result.is_err());
                Ok(!outcome.failed)
            })
            .inspect_err(|_| bench.comment(format!("{syscall:?}: allocation {nth} failed")))?;
        if ended {
            bench.figure(format!(
                "{failed} allocations failed, each {stride}. of fewer than {nth}, and {refused} calls"
            ));
            return ensure("whether none has failed", &(failed == 0), &false);
        }
    }
    unmet("an end", format!("{MOST} allocations"))
}

fn once(
    bench: &mut Bench,
    syscall: &Syscall,
    nth: u32,
    errnos: &[Errno],
    before: Step<'_>,
    after: Step<'_>,
) -> Result<Outcome, Failure> {
    before(bench)?;
    let there = registered();
    let outcome = syscall.make(bench, nth)?;
    match outcome.result {
        Ok(()) => {}
        Err(errno) if outcome.failed && errnos.contains(&errno) => {
            as_before("after an error", &there)?;
            let again = syscall.make(bench, 0)?;
            ensure("the same call with memory", &again.result, &Ok(()))?;
        }
        Err(errno) => return unmet(format!("0 or one of {errnos:?}"), errno),
    }
    after(bench)?;
    Ok(outcome)
}
