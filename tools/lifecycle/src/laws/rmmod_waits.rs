// SPDX-License-Identifier: GPL-2.0

//! The unregistration of a driver, and rmmod of its module, wait for its probes.

use std::collections::{BTreeMap, HashMap};

use super::doctor::fetched;
use super::prelude::*;
use crate::event::Point;

/// The law.
pub static LAW: Law = Law {
    name: "rmmod_waits",
    promise: "The unregistration of a driver during its probes waits for them and unbinds every device. \
              When it has returned, nothing of the driver runs any more. rmmod returns when all \
              drivers of the module are unregistered, and releases the memory of the module when all \
              asynchronous work has ended.",
    kernel: "drivers/base/dd.c: driver_detach() calls async_synchronize_full() if the driver may be \
             probed asynchronously, and then releases every device of the driver. \
             kernel/module/main.c: delete_module() calls async_synchronize_full() between the exit \
             function of the module and free_module().",
    mend: "Unregister each driver in the exit function of its module. The kernel does not wait for the \
           functions that a driver runs in an async domain, a work queue or a thread of its own: wait \
           for them in remove.",
    needs: &[Sight::Probes, Sight::Registrations, Sight::Modules],
    check,
    mutants: &[
        // As that of insmod_waits.
        Mutant::live("work_is_left")
            .also(&["one_at_a_time"])
            .in_trials(&["convoy"]),
        Mutant::live("driver_is_left"),
        Mutant::doctored("probe_after_exit", probe_after_exit),
        Mutant::doctored("exit_does_not_flush", exit_does_not_flush),
    ],
};

/// The dmesg interface tells when a registration ended and how long it took. Rounding may put its
/// beginning up to this much after the beginning of its first probe.
const ROUNDED: Micros = Micros(1000);

/// Judges every driver and every module; the cases are the unregistrations during a probe.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let done = done(life);
    let mut cases = 0;
    for (at, _) in life.of(Kind::Unregister) {
        cases += usize::from(unregistration(court, at, &done)?);
    }
    freed_modules(court)?;
    unloaded_modules(court)?;
    Ok(cases)
}

/// Where in the log a driver is done with a probe: at the end of its second phase, if there is one.
fn done(life: &Life) -> HashMap<usize, usize> {
    let phases = life.each(Kind::SecondPhase);
    let phases = phases.filter_map(|phase| Some((phase.cause?, phase.end_place())));
    let mut done: HashMap<usize, usize> = HashMap::new();
    for (probe, ended) in phases {
        let of = done.entry(probe).or_default();
        *of = ended.max(*of);
    }
    done
}

/// Judges an unregistration; returns whether there was a probe during it.
fn unregistration(
    court: &Court<'_>,
    at: usize,
    done: &HashMap<usize, usize>,
) -> Result<bool, Violation> {
    let life = court.life;
    let gone = &life.spans[at];
    // What prints the end of an unregistration only is in a call that began before.
    let began = match (gone.facts.by, life.around(Kind::Call(Call::Rmmod), at)) {
        (None, Some(call)) => call.began,
        _ => gone.began,
    };
    let name = gone.driver.as_deref().unwrap_or("(no name)");
    let mut later = life.of(Kind::Register).filter(|(of, _)| at < *of);
    let again = later.find(|(_, again)| again.same_driver(gone));
    let is_later = |span: &Span| {
        gone.end_place() < span.began
            && again.is_none_or(|(_, again)| match again.facts.by {
                Some(_) => span.began < again.began,
                None => span.begin + ROUNDED < again.begin,
            })
    };
    let probes = life.of(Kind::Probe);
    let probes =
        probes.filter(|(_, probe)| probe.same_driver(gone) && !life.is_initcall_line(probe));
    let whole = |of: usize| {
        let ended = life.spans[of].end_place();
        done.get(&of).copied().unwrap_or(0).max(ended)
    };
    let mut waited = false;
    for (of, probe) in probes {
        let on = &probe.on;
        waited |= probe.began < began && began < whole(of);
        court.demand(
            gone.end_place() < probe.began || gone.ended.is_none() || whole(of) < gone.end_place(),
            format!("the unregistration of {name} to wait for the probe of {on}"),
            &[probe.began, whole(of), gone.began, gone.end_place()],
        )?;
        court.demand(
            !is_later(probe),
            format!("no probe by {name} after its unregistration has returned"),
            &[gone.end_place(), probe.began],
        )?;
    }
    // A recording shows the rest by the release of the devices.
    let rest = life.spans.iter().filter(|span| {
        let lines = [Kind::Remove, Kind::SecondPhase, Kind::Firmware, Kind::Stray];
        waited && lines.contains(&span.kind) && span.facts.at.is_none() && span.same_driver(gone)
    });
    for span in rest {
        let during = span.began < gone.end_place() && gone.end_place() < span.end_place();
        court.demand(
            !(gone.ended.is_some() && during || is_later(span)),
            format!("nothing of {name} when its unregistration has returned"),
            &[span.began, gone.end_place(), span.end_place()],
        )?;
    }
    Ok(waited)
}

/// No module's memory goes while its drivers are registered, or before all async work has ended.
fn freed_modules(court: &Court<'_>) -> Result<(), Violation> {
    let life = court.life;
    let mut registered: BTreeMap<(&str, Option<u64>), usize> = BTreeMap::new();
    for (at, span) in life.spans.iter().enumerate() {
        match span.kind {
            Kind::Register if span.ret == Some(0) && span.facts.by.is_some() => {
                let init = life.around(Kind::Init, at).map(|init| init.on.as_str());
                if let Some(module) = span.facts.module.as_deref().or(init) {
                    registered.insert((module, span.facts.by), span.began);
                }
            }
            Kind::Unregister => registered.retain(|(_, by), _| *by != span.facts.by),
            Kind::ModuleFreed => {
                let left = registered.iter().find(|((of, _), _)| *of == span.on);
                let since = left.map_or(usize::MAX, |(_, since)| *since);
                court.demand(
                    left.is_none(),
                    format!("the drivers of {} to be unregistered", span.on),
                    &[since, span.began],
                )?;
                let Some(rmmod) = life.within(at, |outer| outer.kind == Kind::Rmmod) else {
                    continue;
                };
                // That of `driver_detach()` came before the module's exit returned.
                let flushed = life.inside(Kind::Flush, rmmod).any(|(_, flush)| {
                    flush.parent == Some(rmmod)
                        && flush.facts.domain == Some(0)
                        && flush.end_place() < span.began
                });
                court.demand(
                    flushed,
                    format!("all async work to end before {} is freed", span.on),
                    &[life.spans[rmmod].began, span.began],
                )?;
            }
            _ => {}
        }
    }
    Ok(())
}

/// Where userspace's calls are all that is known of modules: no rmmod returns while a driver that
/// the insmod of the same module has registered is still registered.
fn unloaded_modules(court: &Court<'_>) -> Result<(), Violation> {
    let life = court.life;
    let mut registered: HashMap<&str, Vec<&Span>> = HashMap::new();
    for (at, register) in life.of(Kind::Register) {
        let insmod = life.around(Kind::Call(Call::Insmod), at);
        if let Some(insmod) = insmod.filter(|_| register.ret == Some(0)) {
            registered.entry(&insmod.on).or_default().push(register);
        }
    }
    for (at, call) in life.of(Kind::Call(Call::Rmmod)) {
        let recorded = life.inside(Kind::Rmmod, at).next().is_some();
        if recorded || call.ret != Some(0) {
            continue;
        }
        let of_module = registered.get(call.on.as_str()).into_iter().flatten();
        for register in of_module.filter(|register| register.end_place() < call.began) {
            let unregistered = life.each(Kind::Unregister).any(|gone| {
                let during = register.end_place()..call.end_place();
                gone.same_driver(register) && during.contains(&gone.end_place())
            });
            court.demand(
                unregistered,
                format!("{} to be unregistered by rmmod of {}", register.on, call.on),
                &[register.end_place(), call.began, call.end_place()],
            )?;
        }
    }
    Ok(())
}

/// A probe begins after its driver has been unregistered.
fn probe_after_exit(life: &Life) -> Option<Vec<Event>> {
    let (begins, gone) = life.each(Kind::Unregister).find_map(|gone| {
        let probe = life.each(Kind::Probe).find(|of| of.same_driver(gone));
        let probe = probe.filter(|of| of.began < gone.began)?;
        Some((fetched(life, probe), gone.ended?))
    })?;
    let draft = Draft::of(life);
    draft
        .call(gone + 1, None, Point::Probe, begins?, Some(-19))
        .done()
}

/// rmmod does not wait for async work before a module's memory goes.
fn exit_does_not_flush(life: &Life) -> Option<Vec<Event>> {
    let flush = life.each(Kind::Flush).find(|flush| {
        let parent = flush.parent.map(|parent| life.spans[parent].kind);
        parent == Some(Kind::Rmmod) && flush.facts.domain == Some(0)
    })?;
    Draft::of(life).remove(&[flush.began, flush.ended?]).done()
}
