// SPDX-License-Identifier: GPL-2.0

//! insmod and rmmod of an unrelated module beside the probes of every design: they wait beside
//! `prefer_async`, and take 5 ms longer at most than on an idle machine beside those that probe in
//! exclusive domains, rmmod as much longer again as it varies there. So beside the platform driver in
//! one phase and in two. Where instruments make everything slow it may be a quarter of a probe.

//@ plain: rmmod is judged to 5 ms, and with kprobes in place it takes 18 ms instead of 12

use std::process::ExitCode;
use std::thread::sleep;
use std::time::Duration;

use lifecycle::call::calls;
use lifecycle::event::Call;
use lifecycle::laws::convoy;
use lifecycle::laws::insmod_waits::Insmod;
use lifecycle::{Micros, What};
use selftests::kernel::wants_quick_first_phase;
use selftests::slow::slow_ms;
use selftests::slow_bus::{self, Design, Driver};
use selftests::{kernel, ktap, modules, sysfs, Bench, Failure, Order, Test};

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

/// Whether rmmod waits for a second or more whatever runs beside it.
fn rmmod_is_delayed() -> bool {
    kernel::has("DEBUG_KOBJECT_RELEASE")
}

/// How often an idle machine is tried: rmmod waits for grace periods of RCU, which take 2 to 25 ms, as
/// they happen to lie to the ticks.
fn tries() -> u32 {
    match kernel::instrument() {
        None => 24,
        // There is time to spare.
        Some(_) => 5,
    }
}

/// Between the tries, so that they lie to the ticks in different ways.
const STEP: Duration = Duration::from_micros(1300);

/// How long insmod and rmmod take at most on an idle machine. What differs between two tries of rmmod
/// there is no sign of anything beside probes either.
fn idle(bench: &mut Bench) -> Result<(Micros, Micros), Failure> {
    for number in 0..tries() {
        sleep(STEP * (number % 4));
        bench.insmod(UNRELATED, "")?;
        bench.rmmod(UNRELATED)?;
    }
    // Nothing is to wait for this beside the probes.
    modules::wait_until_gone(UNRELATED);
    let events = bench.events()?;
    let took = |kind| {
        let mut took: Vec<Micros> = calls(events)
            .iter()
            .filter(|call| call.kind == kind && call.on == UNRELATED)
            .filter_map(|call| Some(events[call.returned?].time - events[call.began].time))
            .collect();
        took.sort_unstable();
        (
            took.first().copied().unwrap_or_default(),
            took.last().copied().unwrap_or_default(),
        )
    };
    let (_, insmod) = took(Call::Insmod);
    let (shortest, longest) = took(Call::Rmmod);
    Ok((insmod, longest + (longest - shortest)))
}

/// Loads and unloads the unrelated module beside the probes that are under way.
fn beside(
    bench: &mut Bench,
    (insmod, rmmod): (Micros, Micros),
    from: usize,
    driver: &str,
    phases: u32,
    expected: Insmod,
) -> Result<(), Failure> {
    bench.insmod(UNRELATED, "")?;
    if expected == Insmod::Returns {
        bench.rmmod(UNRELATED)?;
    }
    bench.wait_for_ends_since(from, DEVICES)?;
    if phases == 2 {
        bench.wait("all devices to be ready", |events| {
            let ready = events
                .iter()
                .filter(|event| matches!(event.what, What::Ready { .. }));
            ready.count() == DEVICES
        })?;
    }
    let judged = [(Call::Insmod, insmod), (Call::Rmmod, rmmod)];
    for (kind, idle) in judged {
        if kind == Call::Insmod || expected == Insmod::Returns && !rmmod_is_delayed() {
            let at_most = Micros(idle.0 + longer().0);
            let events = &bench.events()?[from..];
            convoy::check(events, kind, UNRELATED, driver, expected, at_most)?;
        }
    }
    Ok(())
}

fn beside_the_bus(bench: &mut Bench, design: Design, expected: Insmod) -> Result<(), Failure> {
    let idle = idle(bench)?;
    let from = bench.events()?.len();
    let order = match design {
        Design::DeviceRegister => Order::DriverFirst,
        _ => Order::DevicesFirst,
    };
    bench.load_bus(order, DEVICES, Driver::slow(design), "async_probe")?;
    bench.wait_for_probe(&slow_bus::device(0))?;
    beside(bench, idle, from, slow_bus::DRIVER, 1, expected)
}

fn beside_the_platform(bench: &mut Bench, phases: u32, expected: Insmod) -> Result<(), Failure> {
    if phases == 2 {
        wants_quick_first_phase()?;
    }
    let idle = idle(bench)?;
    let from = bench.events()?.len();
    bench.insmod(modules::DEVICES, &format!("devices={DEVICES}"))?;
    bench.insmod(
        modules::DRIVER,
        &format!("phases={phases} firmware_ms={} async_probe", slow_ms()),
    )?;
    bench.wait_for_probe(&sysfs::device(0))?;
    beside(bench, idle, from, sysfs::DRIVER, phases, expected)
}

/// rmmod beside PREFER probes waits, too.
fn rmmod_waits(bench: &mut Bench) -> Result<(), Failure> {
    bench.insmod(UNRELATED, "")?;
    let driver = Driver::slow(Design::PreferAsync);
    bench.load_bus(Order::DevicesFirst, DEVICES, driver, "async_probe")?;
    bench.wait_for_probe(&slow_bus::device(0))?;
    bench.rmmod(UNRELATED)?;
    convoy::check(
        bench.events()?,
        Call::Rmmod,
        UNRELATED,
        slow_bus::DRIVER,
        Insmod::Waits,
        LONGER,
    )?;
    Ok(())
}

fn main() -> ExitCode {
    let mut tests = Vec::new();
    for (design, expected) in [
        (Design::PreferAsync, Insmod::Waits),
        (Design::DriverAttach, Insmod::Returns),
        (Design::DeviceRegister, Insmod::Returns),
        (Design::ModuleInit, Insmod::Returns),
        (Design::ExclusiveAttach, Insmod::Returns),
    ] {
        tests.push(Test::new(format!("convoy: {design}"), move |bench| {
            beside_the_bus(bench, design, expected)
        }));
    }
    for (phases, expected) in [(1, Insmod::Waits), (2, Insmod::Returns)] {
        tests.push(Test::new(
            format!("convoy: platform, phases={phases}"),
            move |bench| beside_the_platform(bench, phases, expected),
        ));
    }
    tests.push(Test::new("convoy: rmmod beside prefer_async", rmmod_waits));
    ktap::run(tests)
}
