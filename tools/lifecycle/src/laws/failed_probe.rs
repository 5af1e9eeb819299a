// SPDX-License-Identifier: GPL-2.0

//! A failed probe binds nothing and leaves the device free.

use super::prelude::*;
use crate::errno::EBUSY;
use crate::event::{Fetched, Point};

/// The law.
pub static LAW: Law = Law {
    name: "failed_probe",
    promise:
        "A failed probe binds nothing and calls no remove. It is cleaned up before it returns, and \
              leaves the device free to be bound later.",
    kernel:
        "drivers/base/dd.c: really_probe() goes to probe_failed when call_driver_probe() fails, \
             which releases devres and driver data (device_unbind_cleanup()) and never comes to \
             driver_bound(). It returns the errno of the driver as a positive number, by which it \
             can be told from an error of the driver core.",
    mend:
        "A bus or a driver that calls its remove callback when its probe fails breaks it. Undo in \
           probe what probe has done, or leave that to devres, and return the error.",
    needs: &[Sight::Probes, Sight::Removes],
    check,
    mutants: &[
        Mutant::live("remove_after_failure").also(&["one_at_a_time"]),
        Mutant::doctored("bound_after_failure", bound_after_failure),
        Mutant::doctored("failure_leaks", failure_leaks),
    ],
};

/// Judges every probe that has failed; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for (at, probe) in life.of(Kind::Probe) {
        if probe.ret.is_none_or(|ret| ret == 0) {
            continue;
        }
        cases += 1;
        if probe.facts.at.is_some() {
            recorded(court, at)?;
        }
        // By name: the lines `removing` and `unbound` do not say which device of that name it is.
        let next = life.named(&probe.on).find(|(_, next)| {
            matches!(next.kind, Kind::Probe | Kind::Bound) && probe.end_place() < next.began
        });
        let next = next.map_or(usize::MAX, |(_, next)| next.began);
        let is_undone = |span: &Span| {
            let line = |what: &What| matches!(what, What::Removing { .. } | What::Unbound { .. });
            match span.kind {
                Kind::Remove | Kind::Unbound => true,
                Kind::Stray => line(&life.events[span.began].what),
                _ => false,
            }
        };
        let removed = life
            .of_device(probe)
            .find(|(_, of)| is_undone(of) && probe.end_place() < of.began && of.began < next)
            .map_or(usize::MAX, |(_, of)| of.began);
        court.demand(
            removed == usize::MAX,
            format!("no remove of {}, whose probe failed", probe.on),
            &[probe.began, probe.end_place(), removed],
        )?;
        let refused = life.about(probe, Kind::Bind).find(|bind| {
            bind.ret == Some(EBUSY) && probe.end_place() < bind.began && bind.end_place() < next
        });
        if let Some(refused) = refused {
            court.demand(
                false,
                format!("{} to be free after its probe failed", probe.on),
                &[probe, refused].map(Span::whole).concat(),
            )?;
        }
    }
    Ok(cases)
}

/// Judges what a recording shows of a failed probe itself.
fn recorded(court: &Court<'_>, at: usize) -> Result<(), Violation> {
    let life = court.life;
    let probe = &life.spans[at];
    let inside =
        |kind: Kind| -> Vec<usize> { life.own(kind, at).map(|(_, of)| of.began).collect() };
    let whole = probe.whole();
    let bound = inside(Kind::Bound);
    court.demand(
        bound.is_empty(),
        format!("{} not to be bound, as its probe failed", probe.on),
        &[&whole[..], &bound].concat(),
    )?;
    let (removed, cleaned) = (inside(Kind::Remove), inside(Kind::Cleanup));
    court.demand(
        probe.facts.by_core || removed.is_empty() && cleaned.len() == 1,
        format!("a clean-up of {} and no remove", probe.on),
        &[&whole[..], &removed, &cleaned].concat(),
    )
}

/// A probe whose callback has failed, and its clean-up.
fn failed(life: &Life) -> Option<(&Span, &Span)> {
    life.of(Kind::Probe)
        .filter(|(_, probe)| probe.ret.is_some_and(|ret| ret < 0) && !probe.facts.by_core)
        .find_map(|(at, probe)| Some((probe, life.own(Kind::Cleanup, at).next()?.1)))
}

/// A device is bound though its probe fails.
fn bound_after_failure(life: &Life) -> Option<Vec<Event>> {
    let (probe, cleanup) = failed(life)?;
    let bound = Fetched {
        device: Some(life.device_of(probe).into()),
        at: probe.facts.at,
        ..Fetched::default()
    };
    let (at, pid) = (cleanup.began, life.pid_of(probe));
    Draft::of(life).begin(at, pid, Point::Bound, bound).done()
}

/// A failed probe is not cleaned up.
fn failure_leaks(life: &Life) -> Option<Vec<Event>> {
    let (_, cleanup) = failed(life)?;
    Draft::of(life).remove(&[cleanup.began]).done()
}
