// SPDX-License-Identifier: GPL-2.0

//! Calls to the kernel, and the clock.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bench::measured::Boot;
use nix::errno::Errno;
use nix::sys::time::TimeSpec;
use nix::time::{clock_gettime, clock_nanosleep, ClockId, ClockNanosleepFlags};

use crate::modules::{Insmod, Rmmod};

/// The result of a step of a measurement.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Times are rounded up to this before something is measured, so that it always meets the kernel's
/// ticks in the same way.
const ALIGNMENT: Duration = Duration::from_millis(100);

/// The guest's `CLOCK_MONOTONIC`.
pub(crate) fn now() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_MONOTONIC)?.into())
}

/// The next round time that is at least `after` from now.
pub(crate) fn round(after: Duration) -> Result<Duration> {
    let nanos = (now()? + after).as_nanos();
    let step = ALIGNMENT.as_nanos();
    Ok(Duration::from_nanos(
        (nanos.div_ceil(step) * step).try_into()?,
    ))
}

/// Sleeps until then.
pub(crate) fn sleep_until(time: Duration) -> Result<()> {
    loop {
        match clock_nanosleep(
            ClockId::CLOCK_MONOTONIC,
            ClockNanosleepFlags::TIMER_ABSTIME,
            &TimeSpec::from(time),
        ) {
            Ok(_) => return Ok(()),
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// Sleeps for so long, and to the next round time.
pub(crate) fn settle(time: Duration) -> Result<()> {
    sleep_until(round(time)?)
}

/// How long a call took.
pub(crate) fn timed<T>(call: impl FnOnce() -> Result<T>) -> Result<(T, u64)> {
    let began = now()?;
    let result = call()?;
    Ok((result, (now()? - began).as_nanos().try_into()?))
}

fn file(module: &str) -> PathBuf {
    Path::new("/modules").join(format!("{module}.ko"))
}

/// Whether there is a module of this name in `/modules`.
pub(crate) fn is_there(module: &str) -> bool {
    file(module).is_file()
}

/// Loads a module of `/modules`, and leaves nothing in the log; returns how long the system call
/// took.
pub(crate) fn insmod(module: &str, parameters: &str) -> Result<u64> {
    let insmod = Insmod::prepare(&file(module), parameters)?;
    let call = || {
        Ok(insmod
            .call()
            .map_err(|errno| format!("insmod {module} {parameters}: {errno}"))?)
    };
    timed(call).map(|((), took)| took)
}

/// Tries to unload a module, as rmmod does.
pub(crate) fn try_rmmod(module: &str) -> Result<(std::result::Result<(), Errno>, u64)> {
    let rmmod = Rmmod::prepare(module)?;
    timed(|| Ok(rmmod.call()))
}

/// Unloads a module and returns how long that took.
pub(crate) fn rmmod(module: &str) -> Result<u64> {
    match try_rmmod(module)? {
        (Ok(()), took) => Ok(took),
        (Err(errno), _) => Err(format!("rmmod {module}: {errno}").into()),
    }
}

/// When the kernel has started its first process, as its log has it.
pub(crate) fn boot() -> Result<Boot> {
    let log = Command::new("dmesg").output()?;
    let log = String::from_utf8_lossy(&log.stdout);
    let line = log.lines().find(|line| line.contains("] Run /init "));
    let seconds = line.and_then(|line| line.trim_start_matches('[').split(']').next());
    let time = seconds.and_then(|seconds| seconds.trim().replace('.', "").parse::<u64>().ok());
    let micros = time.ok_or("the log does not tell when /init was run")?;
    Ok(Boot {
        init_ns: micros * 1000,
    })
}
