// SPDX-License-Identifier: GPL-2.0

//! A plain insmod waits for the asynchronous probes that it sets off.

use std::collections::{HashMap, HashSet};

use super::doctor::wait;
use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "insmod_waits",
    promise: "An insmod that sets off asynchronous probes returns after they have ended. With the \
              module parameter async_probe it waits for none of them.",
    kernel: "kernel/module/main.c: do_init_module() calls async_synchronize_full() unless the \
             module was loaded with async_probe.",
    mend:
        "A probe that returns while it leaves work to be done is not waited for: insmod returns, \
           and the device does not work yet. Do the work in the probe, or let a second phase say \
           when the device is ready.",
    needs: &[Sight::Probes, Sight::Modules],
    check,
    mutants: &[
        // The first probe of a device never ends, since its work is pending when it is queued
        // again.
        Mutant::live("work_is_left").in_trials(&["convoy", "rmmod_waits"]),
        Mutant::doctored("insmod_returns_early", insmod_returns_early).also(&["convoy"]),
    ],
};

/// Judges every insmod that sets off async probes and has to wait for them; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    Ok(recorded(court)? + printed(court)?)
}

/// The kernel's part of insmod. The wait is the last thing that the loader does, after the module's
/// own init.
fn recorded(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut scheduled: HashMap<usize, Vec<(usize, usize)>> = HashMap::new();
    for probe in life.async_probes() {
        let init = life.within(probe.scheduled, |outer| outer.kind == Kind::Init);
        if let Some(init) = init {
            let ended = probe.run.map(|run| life.spans[run].end_place());
            let ended = ended.unwrap_or(usize::MAX);
            let began = life.spans[probe.scheduled].began;
            scheduled.entry(init).or_default().push((began, ended));
        }
    }
    let mut cases = 0;
    for (at, init) in life.of(Kind::Init).filter(|(_, init)| init.ret == Some(0)) {
        let scheduled = scheduled.get(&at);
        let Some(scheduled) = scheduled.filter(|_| life.loader_waits(at).is_some()) else {
            continue;
        };
        cases += 1;
        for (began, ended) in scheduled {
            court.demand(
                *ended < init.end_place(),
                format!("insmod of {} to return after the probe", init.on),
                &[*began, *ended, init.end_place()],
            )?;
        }
    }
    Ok(cases)
}

/// Userspace's call. Of the probes that began during it those are judged whose driver it registers
/// as PREFER: other designs have workers of their own, for which insmod does not wait.
fn printed(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for (at, call) in life.of(Kind::Call(Call::Insmod)) {
        let plain = call.facts.async_probe == Some(false) && call.ret == Some(0);
        if !plain || life.inside(Kind::Init, at).next().is_some() {
            continue;
        }
        let registers = |of: &&Span| {
            of.kind == Kind::Register
                && of.task == call.task
                && of.facts.probe_type == Some(ProbeType::PreferAsynchronous)
        };
        let drivers: Vec<&Span> = life.during(at).filter(registers).collect();
        // Something else sets off a second probe of a device.
        let mut met = HashSet::new();
        let probes = life.during(at).filter(|of| of.kind == Kind::Probe);
        let mut awaited = probes
            .filter(|of| met.insert(of.device) && of.asynchronous == Some(true))
            .filter(|of| drivers.iter().any(|driver| driver.same_driver(of)))
            .peekable();
        cases += usize::from(awaited.peek().is_some());
        for probe in awaited {
            let (module, on) = (&call.on, &probe.on);
            court.demand(
                probe.end_place() < call.end_place(),
                format!("insmod of {module} to return after the probe of {on}"),
                &[probe.began, probe.end_place(), call.end_place()],
            )?;
        }
    }
    Ok(cases)
}

/// insmod returns before the last of the probes that it has set off.
fn insmod_returns_early(life: &Life) -> Option<Vec<Event>> {
    let (init, flush, last) = wait(life)?;
    let flushed = Draft::of(life).shift(flush.ended?, last.ended?);
    // The end of the probe is one place later now.
    flushed.shift(init.ended?, last.ended? + 1).done()
}
