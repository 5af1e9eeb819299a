// SPDX-License-Identifier: GPL-2.0

//! insmod and rmmod of an unrelated module beside the probes of every design: they wait beside
//! `prefer_async`, and take 5 ms longer at most than on an idle machine beside those that probe in
//! exclusive domains; rmmod may take longer by as much again as it varies on an idle machine. The
//! same holds beside the platform driver, in one phase and in two. Where instruments make
//! everything slow, the limit is a quarter of a probe.

//@ plain: rmmod is judged to 5 ms, and with kprobes in place it takes 18 ms instead of 12

use std::sync::OnceLock;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::designs::Design;
use lifecycle::event::Call;
use lifecycle::laws::convoy;
use lifecycle::life::Kind;
use lifecycle::{Micros, ProbeType};

use crate::samples::{designs, Driver, Sample};
use crate::slow::slow_ms;
use crate::{kernel, modules, Bench, Failure, Order, Test};

/// A module that has nothing to do with the others.
const UNRELATED: &str = "unrelated";
const DEVICES: usize = 8;
const LONGER: Micros = Micros(5000);

/// The same where instruments make everything slow: still far less than a probe takes.
fn longer() -> Micros {
    match kernel::instrument() {
        None => LONGER,
        Some(_) => Micros(u64::from(slow_ms()) * 1000 / 4),
    }
}

/// How often an idle machine is tried: rmmod waits for grace periods of RCU, which take 2 to 25 ms,
/// as they happen to lie to the ticks.
fn tries() -> u32 {
    match kernel::instrument() {
        None => 24,
        // There is time to spare.
        Some(_) => 5,
    }
}

/// Between the tries, so that they lie to the ticks in different ways.
const STEP: Duration = Duration::from_micros(1300);

/// The same for all tests.
static IDLE: OnceLock<(Micros, Micros)> = OnceLock::new();

/// How long insmod and rmmod take at most on an idle machine. Two tries of rmmod on one differ: a
/// difference of that size beside probes proves nothing.
fn idle(bench: &mut Bench) -> Result<(Micros, Micros), Failure> {
    if let Some(known) = IDLE.get() {
        return Ok(*known);
    }
    for number in 0..tries() {
        sleep(STEP * (number % 4));
        bench.insmod(UNRELATED, "")?;
        bench.rmmod(UNRELATED)?;
    }
    // Nothing is to wait for this beside the probes.
    modules::wait_until_gone(UNRELATED);
    let life = bench.life()?;
    let took = |kind| {
        let calls = life.of(Kind::Call(kind));
        let calls = calls.filter(|(_, call)| call.on == UNRELATED);
        calls.map(|(at, _)| life.length(at))
    };
    let insmod = took(Call::Insmod).max().unwrap_or_default();
    let shortest = took(Call::Rmmod).min().unwrap_or_default();
    let longest = took(Call::Rmmod).max().unwrap_or_default();
    Ok(*IDLE.get_or_init(|| (insmod, longest + (longest - shortest))))
}

/// Loads and unloads the unrelated module beside the probes, or the second phases, of this driver,
/// for which its insmod `waits` or not.
fn beside(bench: &mut Bench, driver: Driver, waits: bool) -> Result<(), Failure> {
    let (insmod, rmmod) = idle(bench)?;
    let (from, ended) = (bench.printed()?.len(), bench.events()?.len());
    // The order in which the probes are not those of the caller.
    bench.take_off(driver.sample.order(), DEVICES, driver)?;
    bench.insmod(UNRELATED, "")?;
    if !waits {
        bench.rmmod(UNRELATED)?;
    }
    bench.wait_for_ends_since(ended, DEVICES)?;
    if driver.two_phases {
        bench.wait_until_ready(DEVICES)?;
    }
    if waits {
        return bench.keeps(&convoy::LAW, 1);
    }
    let life = bench.life_since(from)?;
    convoy::check_free(&life, Call::Insmod, UNRELATED, insmod + longer())?;
    // There rmmod waits for a second or more whatever runs beside it.
    if !kernel::has("DEBUG_KOBJECT_RELEASE") {
        convoy::check_free(&life, Call::Rmmod, UNRELATED, rmmod + longer())?;
    }
    Ok(())
}

/// rmmod beside PREFER probes waits, too.
fn rmmod_waits(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(UNRELATED, "")?;
    let driver = Driver::slow(Design::PreferAsync);
    bench.take_off(Order::DevicesFirst, DEVICES, driver)?;
    bench.rmmod(UNRELATED)?;
    bench.keeps(&convoy::LAW, 1)
}

pub(crate) fn tests() -> Vec<Test> {
    let one_phase = Driver::slow(ProbeType::PreferAsynchronous);
    let platform = [("1", one_phase), ("2", one_phase.two_phases())];
    let platform = platform.map(|(phases, driver)| (format!("platform, phases={phases}"), driver));
    let designs = designs().into_iter().filter(|one| *one != Design::Sync);
    let bus = designs.map(|design| (design.to_string(), Driver::slow(design)));
    let mut tests: Vec<Test> = bus
        .chain(platform)
        .map(|(name, driver)| {
            let waits = match driver.sample {
                Sample::Bus(design) => design.has_convoy(),
                Sample::Platform(_) => !driver.two_phases,
            };
            Test::new(format!("convoy: {name}"), move |bench| {
                beside(bench, driver, waits)
            })
        })
        .collect();
    tests.push(Test::new("convoy: rmmod beside prefer_async", rmmod_waits));
    tests
}
