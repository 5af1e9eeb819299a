// SPDX-License-Identifier: GPL-2.0

//! Lives of a driver: it is loaded, its devices are probed, something happens in the middle of it,
//! and it is unloaded.

use std::thread;
use std::time::Duration;

use bench::measured::{Bind, Cold, Idle, OwnRmmod, Row, Upstream};
use bench::{Bus, Design};

use lifecycle::Event;

use super::probes::Probes;
use super::system::{self, insmod, rmmod, settle, sleep_until, timed, try_rmmod, Result};
use crate::kmsg::{mark, Log};
use crate::samples::{self, BUS, PLATFORM};
use crate::sysfs;

const UNRELATED: &str = "unrelated";

/// How many functions of all asynchronous domains run at once (`WQ_DFL_ACTIVE`).
const AT_ONCE: usize = 1024;

/// How long the system is left alone before something is measured.
const SETTLE: Duration = Duration::from_millis(500);

/// How often an unrelated module is loaded and unloaded on an idle system.
const IDLE_SAMPLES: usize = 5;

/// The action in the middle of the probes.
#[derive(Clone, Copy, PartialEq)]
enum During {
    Nothing,
    UnrelatedInsmod,
    UnrelatedRmmod,
    OwnRmmod,
}

/// The figures of one life.
struct Life {
    insmod: u64,
    arrival: Option<u64>,
    probes: Probes,
    during: u64,
    refused: Option<String>,
}

/// Loads and unloads the unrelated module while nothing else happens; the median of some times.
pub(crate) fn idle() -> Result<Idle> {
    let (mut insmods, mut rmmods) = (Vec::new(), Vec::new());
    for _ in 0..IDLE_SAMPLES {
        settle(SETTLE)?;
        insmods.push(insmod(UNRELATED, "")?);
        settle(SETTLE)?;
        rmmods.push(rmmod(UNRELATED)?);
    }
    let median = |mut samples: Vec<u64>| {
        samples.sort_unstable();
        samples[samples.len() / 2]
    };
    Ok(Idle {
        insmod_ns: median(insmods),
        rmmod_ns: median(rmmods),
    })
}

/// Does something at this time in a thread of its own; what is returned waits for its result.
fn meanwhile<T: Send + 'static>(
    time: Duration,
    act: impl FnOnce() -> Result<T> + Send + 'static,
) -> impl FnOnce() -> Result<T> {
    let thread = thread::spawn(move || {
        // An error crosses threads as its text.
        let done = sleep_until(time).and_then(|()| act());
        done.map_err(|error| error.to_string())
    });
    let panicked = "the thread that acts in the middle panicked";
    move || Ok(thread.join().map_err(|_| panicked)??)
}

/// Loads upstream's own test, and an unrelated module in the middle of its asynchronous probes.
pub(crate) fn upstream() -> Result<Upstream> {
    const TEST: &str = "test_async_driver_probe";
    let began = system::round(SETTLE)?;
    let meanwhile = meanwhile(began + Duration::from_millis(1500), || {
        insmod(UNRELATED, "")
    });
    sleep_until(began)?;
    let insmod_ns = insmod(TEST, "")?;
    let other_insmod_ns = meanwhile()?;
    rmmod(UNRELATED)?;
    settle(SETTLE)?;
    Ok(Upstream {
        insmod_ns,
        other_insmod_ns,
        rmmod_ns: rmmod(TEST)?,
    })
}

/// Probes devices for the first time, so that the workers are there afterwards.
pub(crate) fn cold(devices: usize, firmware_ms: u32) -> Result<Cold> {
    let life = life(
        Design::Bus(Bus::PreferAsync),
        devices,
        firmware_ms,
        During::Nothing,
    )?;
    Ok(Cold {
        devices,
        bound_ns: life.probes.until.0 * 1000,
        slowest_ns: life.probes.slowest.0 * 1000,
    })
}

pub(crate) fn row(design: Design, devices: usize, firmware_ms: u32) -> Result<Row> {
    let live = |during| life(design, devices, firmware_ms, during);
    let first = live(During::UnrelatedInsmod)?;
    let second = live(During::UnrelatedRmmod)?;
    let third = live(During::OwnRmmod)?;
    Ok(Row {
        design,
        devices,
        firmware_ms,
        insmod_ns: first.insmod,
        arrival_ns: first.arrival,
        bound_ns: first.probes.until.0 * 1000,
        bound: first.probes.bound,
        slowest_ns: first.probes.slowest.0 * 1000,
        at_once: first.probes.at_once,
        other_insmod_ns: first.during,
        other_rmmod_ns: second.during,
        own_rmmod: match third.refused {
            Some(errno) => OwnRmmod::Refused(errno),
            None => OwnRmmod::Ns(third.during),
        },
    })
}

/// The bus of a design.
fn bus(design: Design) -> &'static samples::Bus {
    if design.is_platform() {
        &PLATFORM
    } else {
        &BUS
    }
}

/// Writes to a file of the bus.
fn add(file: &str, devices: usize) -> Result<()> {
    Ok(sysfs::put(
        format!("{}/{file}", BUS.path),
        devices.to_string(),
    )?)
}

/// The events until now.
fn read(log: &mut Log) -> Result<&[Event]> {
    log.read()?;
    Ok(log.printed())
}

/// How long all probes together take at least.
fn expected(design: Design, devices: usize, firmware_ms: u32) -> Result<Duration> {
    let rounds = if design.is_parallel() {
        devices.div_ceil(AT_ONCE)
    } else {
        devices
    };
    Ok(Duration::from_millis(firmware_ms.into()) * u32::try_from(rounds)?)
}

fn life(design: Design, devices: usize, firmware_ms: u32, during: During) -> Result<Life> {
    let bus = bus(design);
    let two_phases = design == Design::PlatformTwoPhase;
    let there = if design.driver_first() { 0 } else { devices };
    insmod(bus.devices, &format!("devices={there}"))?;
    if during == During::UnrelatedRmmod {
        insmod(UNRELATED, "")?;
    }

    let mut log = Log::open()?;
    let began = system::round(SETTLE)?;
    // Between two wake-ups of the probes, which write the firmware in eighths.
    let middle = began + Duration::from_millis(firmware_ms.into()) * 3 / 10;
    let meanwhile = meanwhile(middle, move || match during {
        During::Nothing => Ok((Ok(()), 0)),
        During::UnrelatedInsmod => Ok((Ok(()), insmod(UNRELATED, "")?)),
        During::UnrelatedRmmod => Ok((Ok(()), rmmod(UNRELATED)?)),
        During::OwnRmmod => try_rmmod(bus.module),
    });

    sleep_until(began)?;
    if !design.driver_first() {
        mark(bus.module)?;
    }
    let parameters = format!("{} firmware_ms={firmware_ms}", design.parameters());
    let insmod = insmod(bus.module, &parameters)?;
    let arrival = if design.driver_first() {
        mark(bus.devices)?;
        Some(timed(|| add("add_async", devices))?.1)
    } else {
        None
    };
    let (result, took) = meanwhile()?;

    let gone = during == During::OwnRmmod && result.is_ok();
    let expected = expected(design, devices, firmware_ms)?;
    if !gone {
        sleep_until(began + expected + SETTLE)?;
    }
    let mut probes = Probes::of(read(&mut log)?, two_phases);
    let mut patience = 20;
    while !gone && probes.ended < devices {
        if patience == 0 {
            return Err(format!("{design}: {} of {devices} probes ended", probes.ended).into());
        }
        patience -= 1;
        settle(expected / 10)?;
        probes = Probes::of(read(&mut log)?, two_phases);
    }

    settle(SETTLE)?;
    if !gone {
        rmmod(bus.module)?;
    }
    if during == During::UnrelatedInsmod {
        rmmod(UNRELATED)?;
    }
    rmmod(bus.devices)?;
    Ok(Life {
        insmod,
        arrival,
        probes,
        during: took,
        refused: result.err().map(|errno| format!("{errno:?}")),
    })
}

/// Adds devices to a driver that binds them at once.
pub(crate) fn bind(design: Design, devices: usize) -> Result<Bind> {
    let bus = bus(design);
    insmod(bus.devices, "devices=0")?;
    insmod(
        bus.module,
        &format!("{} firmware_ms=0", design.parameters()),
    )?;
    settle(SETTLE)?;
    let mut log = Log::open()?;
    mark(bus.devices)?;
    let ((), took) = timed(|| add("add", devices))?;
    let mut probes = Probes::of(read(&mut log)?, false);
    while probes.bound < devices {
        settle(SETTLE)?;
        let more = Probes::of(read(&mut log)?, false);
        if more.ended == probes.ended {
            return Err(format!("{design}: {} of {devices} are bound", more.bound).into());
        }
        probes = more;
    }
    let ns = if design == Design::Bus(Bus::Sync) {
        took
    } else {
        probes.until.0 * 1000
    };
    rmmod(bus.module)?;
    rmmod(bus.devices)?;
    Ok(Bind {
        design,
        devices,
        ns,
    })
}
