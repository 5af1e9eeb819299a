// SPDX-License-Identifier: GPL-2.0

//! Unbind during a probe waits for it.

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "unbind_waits",
    promise: "Unbind during a probe waits for it. Then come the remove callback, the drop of the \
              driver data and the release of devres, in this order, and only then does unbind return.",
    kernel: "drivers/base/dd.c: device_release_driver_internal() takes the device lock, which the \
             probe holds; __device_release_driver() calls device_remove(), then \
             device_unbind_cleanup(), which drops Rust driver data before devres_release_all().",
    mend: "A bus that calls the remove callback of its drivers itself, or later from a work item, \
           breaks it. Leave the call to the driver core: set bus_type.remove and return from it when \
           the driver's callback has returned.",
    needs: &[Sight::Probes, Sight::Removes, Sight::Sysfs],
    check,
    mutants: &[
        Mutant::live("devres_first").also(&["one_at_a_time"]),
        Mutant::live("remove_later").also(&["one_at_a_time"]),
        Mutant::doctored("remove_during_probe", remove_during_probe).also(&["one_at_a_time"]),
        Mutant::doctored("cleanup_first", cleanup_first).also(&["one_at_a_time"]),
    ],
};

/// Judges every release of a device from its driver; the cases are those during a probe.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for (at, release) in life.spans.iter().enumerate() {
        // A recording shows the release in the call.
        let called = release.kind == Kind::Call(Call::Unbind)
            && life.inside(Kind::Release, at).next().is_none();
        // A device that the driver has not bound yet is not taken off it: -ENODEV at once.
        let refused = called && release.ret.is_some_and(|ret| ret != 0);
        if release.kind != Kind::Release && !called || refused {
            continue;
        }
        let of_device: Vec<&Span> = match release.kind {
            Kind::Release => life.of_device(release).map(|(_, span)| span).collect(),
            _ => life.named(&release.on).map(|(_, span)| span).collect(),
        };
        let step = |kind: Kind, from: usize| {
            // The lines of the dmesg interface do not name a task. A recording has the functions.
            let own = |span: &Span| called && span.task.is_none() || span.task == release.task;
            let mut of_device = of_device.iter().copied();
            of_device.find(|span| {
                span.kind == kind && from <= span.began && release.spans(span.began) && own(span)
            })
        };
        let remove = step(Kind::Remove, release.began).map(|remove| remove.began);
        // Another task may be in the middle of an unbind when a call begins.
        let from = match called {
            true => remove.unwrap_or(usize::MAX),
            false => release.began,
        };
        let cleanup = step(Kind::Cleanup, from);
        let data = cleanup.or(step(Kind::Unbound, from));
        let devres = cleanup.or(step(Kind::DevresReleased, from));
        let [data, devres] = [data, devres].map(|step| step.map(|step| step.began));
        let on = &release.on;
        let places = [Some(release.began), remove, data, devres, release.ended];
        let places: Vec<usize> = places.into_iter().flatten().collect();
        court.demand(
            release.ended.is_none() || remove.is_some() == data.is_some(),
            format!("remove and clean-up of {on} together"),
            &places,
        )?;
        court.demand(
            data.is_none() || remove < data && data <= devres,
            format!("remove, then the driver data, then devres of {on}"),
            &places,
        )?;
        let probe = of_device.iter().find(|of| {
            of.kind == Kind::Probe && of.spans(release.began) && of.task != release.task
        });
        let Some(probe) = probe else {
            continue;
        };
        cases += 1;
        let under_way = release.ended.is_none() && remove.is_none();
        let first = remove.unwrap_or(release.end_place());
        court.demand(
            under_way || probe.end_place() < first,
            format!("the unbind of {on} to wait for its probe"),
            &[&places[..], &probe.whole()].concat(),
        )?;
        // What a probe has bound, unbind takes off.
        court.demand(
            !called || probe.ret != Some(0) || release.ret != Some(0) || devres.is_some(),
            format!("the unbind of {on} to return after its devres is released"),
            &places,
        )?;
    }
    Ok(cases)
}

/// Unbind removes before the probe has ended.
fn remove_during_probe(life: &Life) -> Option<Vec<Event>> {
    // A release that waits for a probe that succeeds.
    let (release, probe) = life.of(Kind::Release).find_map(|(at, release)| {
        let probe = life.about(release, Kind::Probe).find(|probe| {
            probe.task != release.task && probe.spans(release.began) && probe.ret == Some(0)
        })?;
        Some((at, probe))
    })?;
    let (_, remove) = life.inside(Kind::Remove, release).next()?;
    Draft::of(life).shift(remove.began, probe.ended?).done()
}

/// Driver data and devres are gone before the remove.
fn cleanup_first(life: &Life) -> Option<Vec<Event>> {
    let (remove, cleanup) = life.of(Kind::Release).find_map(|(at, _)| {
        let (_, remove) = life.inside(Kind::Remove, at).next()?;
        let (_, cleanup) = life.inside(Kind::Cleanup, at).next()?;
        Some((remove, cleanup))
    })?;
    Draft::of(life).shift(cleanup.began, remove.began).done()
}
