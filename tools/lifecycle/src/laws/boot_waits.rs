// SPDX-License-Identifier: GPL-2.0

//! Built into the kernel, a driver's probes hold up the boot.

use super::prelude::*;
use super::registrations::Registrations;

/// The law.
pub static LAW: Law = Law {
    name: "boot_waits",
    promise: "The kernel runs init only when the asynchronous probes of drivers that are built in \
              have ended. Synchronous probes hold up the boot by their sum, asynchronous ones by the \
              longest, and those in exclusive domains not at all.",
    kernel: "init/main.c: do_one_initcall() returns when the driver is registered, and with it the \
             synchronous probes; kernel_init() calls async_synchronize_full() before it runs init, \
             which passes over exclusive domains (kernel/async.c).",
    mend: "A slow driver that is needed neither for the root file system nor by init should not hold \
           up the boot: probe in two phases or in an exclusive domain, or build it as a module.",
    needs: &[Sight::Probes, Sight::Registrations, Sight::Boot],
    check,
    mutants: &[],
};

/// Judges every async probe of a PREFER driver that begins before init runs; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let registrations = Registrations::of(life);
    let mut cases = 0;
    for boot in life.each(Kind::Boot).filter(|boot| boot.ended.is_some()) {
        for probe in life.each(Kind::Probe) {
            let awaited = registrations.probe_type(probe) == Some(ProbeType::PreferAsynchronous)
                && probe.asynchronous == Some(true)
                && probe.began < boot.end_place();
            if !awaited {
                continue;
            }
            cases += 1;
            court.demand(
                probe.end_place() < boot.end_place(),
                format!("init to run after the probe of {}", probe.on),
                &[probe.began, probe.end_place(), boot.end_place()],
            )?;
        }
    }
    Ok(cases)
}

/// What the boot is expected to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// The task that boots probes one device after the other.
    Probes,
    /// It waits for the probes, which run in parallel.
    Waits,
    /// It goes on, and init runs before any probe ends.
    GoesOn,
}

/// Judges the boot of a kernel with `driver` built in, whose initcall is `function`, and with
/// `devices` devices. Returns how long after the beginning of that initcall init was run.
///
/// # Errors
///
/// How the law was broken.
pub fn check_boot(
    life: &Life,
    function: &str,
    driver: &str,
    devices: usize,
    boot: Boot,
) -> Result<Micros, Violation> {
    let court = Court::of(LAW.name, life);
    let initcall = |of: &Span| of.kind == Kind::Initcall && of.on == function;
    let called = court.only(&format!("one initcall {function}"), initcall)?;
    let runs = court.only("one run of init", |of| of.kind == Kind::Boot)?;
    let init = runs.end_place();
    let stall = runs.end.unwrap_or(life.end) - called.begin;

    let (mut sum, mut longest, mut before) = (Micros(0), Micros(0), called.began);
    for probe in court.first_probes(driver, devices)? {
        // A second phase is as slow as a probe.
        let last = court.second_phase(probe).unwrap_or(probe);
        let took = last.end.unwrap_or(life.end) - probe.begin;
        sum = sum + took;
        longest = longest.max(took);
        if boot == Boot::GoesOn {
            court.demand(
                called.began < init && init < last.end_place(),
                format!("init to run before {} is ready", probe.on),
                &[init, last.end_place()],
            )?;
            continue;
        }
        court.demand(
            (probe.asynchronous == Some(true)) == (boot == Boot::Waits),
            "probes in async workers where the boot waits, and in the task that boots where not",
            &[probe.began],
        )?;
        court.demand(
            boot == Boot::Waits || before < probe.began,
            "probes one after the other",
            &[before, probe.began],
        )?;
        court.demand(
            called.began < probe.began && last.end_place() < init,
            format!("the probe of {} between the initcall and init", probe.on),
            &[probe.began, last.end_place(), init],
        )?;
        before = last.end_place();
    }
    let (expected, holds) = match boot {
        Boot::Probes => ("at least the sum of the probes", stall >= sum),
        Boot::Waits => (
            "at least the longest probe, and less than their sum",
            stall >= longest && (stall < sum || devices == 1),
        ),
        Boot::GoesOn => ("less than the longest probe", stall < longest),
    };
    court.demand_seen(
        holds,
        format!("the boot to be held up for {expected}"),
        format!("{stall} ms"),
    )?;
    Ok(stall)
}
