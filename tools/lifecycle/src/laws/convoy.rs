// SPDX-License-Identifier: GPL-2.0

//! A task that waits for all asynchronous work waits for the probes of others.

use std::collections::HashSet;

use super::doctor::wait;
use super::prelude::*;
use super::registrations::Registrations;
use crate::life::AsyncProbe;

/// The law.
pub static LAW: Law = Law {
    name: "convoy",
    promise:
        "A task that waits for all asynchronous work waits for every asynchronous probe that is \
              scheduled or under way, whatever driver it is of. The insmod and the rmmod of every \
              module wait so. They do not wait for probes in exclusive domains, nor do they wait \
              where there is no such probe.",
    kernel: "kernel/async.c: async_synchronize_full() waits until no registered domain has work, \
             and passes over domains with ASYNC_DOMAIN_EXCLUSIVE. kernel/module/main.c calls it in \
             do_init_module() and delete_module(), drivers/base/dd.c in driver_detach().",
    mend:
        "A driver that must not hold up others while it probes has to probe in an exclusive domain \
           of its own. A domain that is registered (ASYNC_DOMAIN) is waited for.",
    needs: &[Sight::Probes, Sight::Modules],
    check,
    mutants: &[
        Mutant::live("domain_is_registered"),
        Mutant::doctored("flush_returns_early", flush_returns_early),
    ],
};

/// Judges every task that waits for all async work while probes are scheduled or under way; those
/// are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    Ok(recorded(court)? + printed(court)?)
}

/// The functions of the kernel that wait.
fn recorded(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let probes = life.async_probes();
    let mut cases = 0;
    let of_all = |flush: &&Span| flush.facts.domain == Some(0);
    for flush in life.each(Kind::Flush).filter(of_all) {
        let awaited: Vec<(usize, usize)> = awaited(life, &probes, flush).collect();
        cases += usize::from(!awaited.is_empty());
        for (scheduled, ended) in awaited {
            court.demand(
                flush.ended.is_none() || ended < flush.end_place(),
                "the task that waits for async work to wait for the probes",
                &[scheduled, ended, flush.began, flush.end_place()],
            )?;
        }
    }
    Ok(cases)
}

/// Where the async probes were scheduled and ended that had been scheduled when the flush began and
/// had not ended.
fn awaited<'l>(
    life: &'l Life,
    probes: &'l [AsyncProbe],
    flush: &'l Span,
) -> impl Iterator<Item = (usize, usize)> + 'l {
    let places = probes.iter().filter(|probe| {
        let run = probe.run.map(|run| &life.spans[run]);
        run.is_none_or(|run| run.task != flush.task)
    });
    let places = places.map(|probe| {
        let ended = probe.run.map(|run| life.spans[run].end_place());
        let scheduled = life.spans[probe.scheduled].began;
        (scheduled, ended.unwrap_or(usize::MAX))
    });
    places.filter(|(scheduled, ended)| *scheduled < flush.began && flush.began < *ended)
}

/// Userspace's calls, beside the probes of PREFER drivers: those of other drivers may be in
/// exclusive domains. The probes of a driver that the rmmod itself unregisters are a matter of
/// `rmmod_waits`.
fn printed(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let registrations = Registrations::of(life);
    let prefer = Some(ProbeType::PreferAsynchronous);
    let counts = |probe: &&Span| {
        probe.asynchronous == Some(true) && registrations.probe_type(probe) == prefer
    };
    let probes: Vec<&Span> = life.each(Kind::Probe).filter(counts).collect();
    let mut cases = 0;
    for (at, call) in life.spans.iter().enumerate() {
        let waits = match call.kind {
            Kind::Call(Call::Insmod) => call.facts.async_probe == Some(false),
            Kind::Call(Call::Rmmod) => true,
            _ => continue,
        };
        let inner = |kind| life.inside(kind, at).next().is_some();
        if !waits || call.ret != Some(0) || inner(Kind::Init) || inner(Kind::Rmmod) {
            continue;
        }
        let gone = life.during(at).filter(|of| of.kind == Kind::Unregister);
        let own: HashSet<&str> = gone.map(|of| of.on.as_str()).collect();
        let is_own = |probe: &Span| probe.driver.as_deref().is_some_and(|of| own.contains(of));
        let mut beside = probes
            .iter()
            .take_while(|probe| probe.began < call.began)
            .filter(|probe| probe.spans(call.began) && !is_own(probe))
            .peekable();
        cases += usize::from(beside.peek().is_some());
        for probe in beside {
            let (kind, module, on) = (call.kind, &call.on, &probe.on);
            court.demand(
                probe.end_place() < call.end_place(),
                format!("{kind} of {module} to wait for the probe of {on}"),
                &[probe.began, call.began, probe.end_place(), call.end_place()],
            )?;
        }
    }
    Ok(cases)
}

/// Judges that `module`, which has nothing to do with them, was loaded or unloaded (`kind`) beside
/// probes or second phases, each time within `limit`. The cases are the calls during one of them.
///
/// What follows when the memory of a module is about to go is not counted where the log shows it:
/// every rmmod waits for RCU there, with probes and without.
///
/// # Errors
///
/// How the law was broken; so it is by a life without a case.
pub fn check_free(
    life: &Life,
    kind: Call,
    module: &str,
    limit: Micros,
) -> Result<usize, Violation> {
    let court = Court::of(LAW.name, life);
    let function = match kind {
        Call::Insmod => Kind::Init,
        _ => Kind::Rmmod,
    };
    let is_slow = |span: &&Span| matches!(span.kind, Kind::Probe | Kind::SecondPhase);
    let slow: Vec<&Span> = life.spans.iter().filter(is_slow).collect();
    let mut cases = 0;
    for (at, call) in life.spans.iter().enumerate() {
        let is_call = match call.kind {
            // A recording shows the function in the call.
            Kind::Call(of) if of == kind => life.inside(function, at).next().is_none(),
            of => of == function,
        };
        if !is_call || call.on != module || !slow.iter().any(|of| of.spans(call.began)) {
            continue;
        }
        cases += 1;
        let freed = life.inside(Kind::ModuleFreed, at).next();
        let done = freed.map(|(_, freed)| freed.begin).or(call.end);
        let took = done.map(|done| done - call.begin);
        court.demand(
            took.is_some_and(|took| took <= limit) && call.ret.is_none_or(|ret| ret == 0),
            format!("{kind} of {module} to succeed within {limit} ms"),
            &call.whole(),
        )?;
    }
    let expected = format!("{kind} of {module} beside a probe");
    court.demand(cases > 0, expected, &[])?;
    Ok(cases)
}

/// The wait in insmod returns before the last probe; insmod does not.
fn flush_returns_early(life: &Life) -> Option<Vec<Event>> {
    let (_, flush, last) = wait(life)?;
    Draft::of(life).shift(flush.ended?, last.ended?).done()
}
