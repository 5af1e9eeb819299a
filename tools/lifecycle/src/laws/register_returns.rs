// SPDX-License-Identifier: GPL-2.0

//! The registration of a driver does not wait for its asynchronous probes.

use super::default_type::asked;
use super::doctor::registrations;
use super::prelude::*;
use super::registrations::{in_helper, Registrations};
use crate::event::{Fetched, Point};

/// The law.
pub static LAW: Law = Law {
    name: "register_returns",
    promise: "The registration of a driver that is probed asynchronously schedules the probes and \
              returns. It runs none of them itself and waits for none.",
    kernel: "drivers/base/dd.c: __driver_attach() calls async_schedule_dev() for each device and \
             goes on with the next. Where memory is short, kernel/async.c runs the probe in the \
             caller after all, which is no breach.",
    mend:
        "A match callback of the bus that attaches devices itself, or that waits for asynchronous \
           work, breaks it. Let the match callback only compare the device and the driver.",
    needs: &[Sight::Probes, Sight::Registrations],
    check,
    mutants: &[
        Mutant::live("match_waits"),
        Mutant::live("match_probes"),
        Mutant::doctored("registration_waits", registration_waits).also(&["convoy"]),
    ],
};

/// Judges every registration that sets off async probes; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let registrations = Registrations::of(life);
    let mut cases = 0;
    for (at, register) in life.of(Kind::Register) {
        if !may_schedule(life, at, register) || registrations.scheduled_by(at).is_empty() {
            continue;
        }
        cases += 1;
        for kind in [Kind::Probe, Kind::Flush] {
            let mut own = life.inside(kind, at);
            let own = own.find(|(inner, _)| in_helper(life, *inner).is_none());
            if let Some((_, own)) = own {
                let on = &register.on;
                court.demand(
                    false,
                    format!("the registration of {on} neither to probe nor to wait"),
                    &[register, own].map(Span::whole).concat(),
                )?;
            }
        }
    }
    Ok(cases)
}

/// Whether asynchronous probes that begin after this registration may be its own. The dmesg
/// interface does not show what has set them off: a worker may add a device, too, and probes it,
/// whatever the driver asks for.
fn may_schedule(life: &Life, at: usize, register: &Span) -> bool {
    let recorded = register.facts.by.is_some();
    recorded
        || match register.facts.probe_type {
            Some(ProbeType::ForceSynchronous) => false,
            Some(ProbeType::DefaultStrategy) => asked(life, at) == Some(true),
            _ => true,
        }
}

/// Judges the registration of a PREFER driver that is slow to probe, and met `devices` devices: it
/// returned before any of the probes ended.
///
/// # Errors
///
/// How the law was broken.
pub fn check_slow(life: &Life, driver: &str, devices: usize) -> Result<(), Violation> {
    let court = Court::of(LAW.name, life);
    let prefer = Some(ProbeType::PreferAsynchronous);
    let register = life.each(Kind::Register).find(|of| {
        of.driver.as_deref() == Some(driver) && of.facts.probe_type == prefer && of.ret == Some(0)
    });
    let Some(register) = register else {
        let expected = format!("a registration of {driver} as prefer_asynchronous");
        return Err(court.broken(expected, "none", &life.events));
    };
    for probe in court.first_probes(driver, devices)? {
        let worker = probe.asynchronous == Some(true);
        court.demand(worker, "probes in async workers", &[probe.began])?;
        let on = &probe.on;
        court.demand(
            register.end_place() < probe.end_place(),
            format!("the registration to return before the probe of {on} ends"),
            &[probe.end_place(), register.end_place()],
        )?;
    }
    Ok(())
}

/// The registration waits for all async work before it returns.
fn registration_waits(life: &Life) -> Option<Vec<Event>> {
    let (_, register) = registrations(life).next()?;
    let (at, pid) = (register.ended?, life.pid_of(register));
    let flush = Fetched {
        domain: Some(0),
        caller: Some("doctored+0x0/0x10".into()),
        ..Fetched::default()
    };
    let draft = Draft::of(life);
    draft.call(at, pid, Point::Flush, flush, None).done()
}
