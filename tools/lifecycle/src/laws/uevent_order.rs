// SPDX-License-Identifier: GPL-2.0

//! The bind uevent follows the probe callback, the unbind uevent follows the remove callback.

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "uevent_order",
    promise: "The bind uevent of a device follows the end of the driver's probe callback, and the unbind \
              uevent follows its remove callback. There is one uevent for each. A failed probe sends \
              none. A program may wait for the bind uevent instead of insmod.",
    kernel: "drivers/base/dd.c: really_probe() calls driver_bound(), which sends the bind uevent, after \
             the callback has succeeded; __device_release_driver() sends the unbind uevent as its last \
             step.",
    mend: "A driver that sends these uevents itself, or suppresses them (dev_set_uevent_suppress()) \
           when it is bound, breaks it. Leave both to the driver core.",
    needs: &[Sight::Probes, Sight::Removes, Sight::Uevents],
    check,
    mutants: &[
        Mutant::live("uevent_early"),
        Mutant::live("uevent_suppressed"),
        Mutant::doctored("unbind_uevent_first", unbind_uevent_first),
    ],
};

const BIND: &str = "bind";
const UNBIND: &str = "unbind";

/// Judges every probe that has ended and every remove; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for (at, span) in life.spans.iter().enumerate() {
        let whole = span.ended.is_some() && span.facts.at.is_some();
        cases += match span.kind {
            Kind::Probe if whole => probe(court, at)?,
            Kind::Release if whole => release(court, at)?,
            _ => 0,
        };
    }
    for (at, uevent) in life.of(Kind::Uevent) {
        let inside = |kind: Kind| {
            let around = |outer: &Span| outer.kind == kind && outer.same_device(uevent);
            life.within(at, around).is_some()
        };
        let by_hand = || {
            let mut bound = life.about(uevent, Kind::Bound);
            bound.any(|bound| bound.task == uevent.task && bound.began < uevent.began)
        };
        let expected = match uevent.on.as_str() {
            BIND => inside(Kind::Probe) || by_hand(),
            UNBIND => inside(Kind::Release),
            _ => true,
        };
        court.demand(
            expected,
            "no bind uevent without a probe, no unbind uevent without a remove",
            &[uevent.began],
        )?;
    }
    Ok(cases)
}

/// Judges a probe that has ended.
fn probe(court: &Court<'_>, at: usize) -> Result<usize, Violation> {
    let life = court.life;
    let probe = &life.spans[at];
    let sent = places(life, Kind::Uevent, at, |uevent| uevent.on == BIND);
    let whole = probe.whole();
    if probe.ret != Some(0) {
        court.demand(
            sent.is_empty(),
            format!("no bind uevent of {}, whose probe failed", probe.on),
            &[&sent[..], &whole].concat(),
        )?;
        return Ok(1);
    }
    // The last line that the driver itself printed in the probe.
    let is_end = |place: &usize| matches!(life.events[*place].what, What::ProbeEnded { .. });
    let inside = probe.events.iter().copied();
    let printed = inside
        .filter(|place| *place < probe.end_place())
        .rfind(is_end);
    let bound = places(life, Kind::Bound, at, |_| true).first().copied();
    let in_order = matches!(sent[..], [sent] if bound < Some(sent) && printed < Some(sent));
    let callback = bound.or(printed).unwrap_or(probe.began);
    court.demand(
        bound.is_some() && in_order,
        format!("one bind uevent of {} after its probe callback", probe.on),
        &[&sent[..], &whole, &[callback]].concat(),
    )?;
    Ok(1)
}

/// Judges the release of a device from its driver; it is no case if there was no remove.
fn release(court: &Court<'_>, at: usize) -> Result<usize, Violation> {
    let life = court.life;
    let release = &life.spans[at];
    let sent = places(life, Kind::Uevent, at, |uevent| uevent.on == UNBIND);
    let whole = [&sent[..], &release.whole()].concat();
    let steps = [Kind::Remove, Kind::Cleanup];
    let [remove, cleanup] = steps.map(|kind| places(life, kind, at, |_| true).first().copied());
    let (Some(remove), Some(cleanup)) = (remove, cleanup) else {
        court.demand(sent.is_empty(), "no unbind uevent without a remove", &whole)?;
        return Ok(0);
    };
    court.demand(
        matches!(sent[..], [sent] if remove < sent && cleanup < sent),
        format!("one unbind uevent of {} after its remove", release.on),
        &[&whole[..], &[remove, cleanup]].concat(),
    )?;
    Ok(1)
}

/// Where in the log the task that is in the span did this to the same device.
fn places(life: &Life, kind: Kind, at: usize, wanted: fn(&Span) -> bool) -> Vec<usize> {
    let own = life.own(kind, at).map(|(_, span)| span);
    own.filter(|span| wanted(span))
        .map(|span| span.began)
        .collect()
}

/// The unbind uevent is sent before the remove.
fn unbind_uevent_first(life: &Life) -> Option<Vec<Event>> {
    let (remove, uevent) = life.of(Kind::Release).find_map(|(at, _)| {
        let (_, remove) = life.inside(Kind::Remove, at).next()?;
        let mut uevents = life.inside(Kind::Uevent, at).map(|(_, uevent)| uevent);
        Some((remove, uevents.find(|uevent| uevent.on == UNBIND)?))
    })?;
    Draft::of(life).shift(uevent.began, remove.began).done()
}
