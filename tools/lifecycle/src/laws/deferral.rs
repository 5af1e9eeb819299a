// SPDX-License-Identifier: GPL-2.0

//! A device whose probe says `EPROBE_DEFER` is probed again.

use super::prelude::*;
use crate::errno::EPROBE_DEFER;

/// The law.
pub static LAW: Law = Law {
    name: "deferral",
    promise: "A device whose probe returns -EPROBE_DEFER is probed again after another device has been \
              bound, whether its probes are synchronous or asynchronous. It is not lost. A probe that \
              has bound a child of its own must not return -EPROBE_DEFER.",
    kernel: "drivers/base/dd.c: driver_probe_device() puts the device on a list \
             (driver_deferred_probe_add()), and driver_bound() has the devices of that list probed \
             again (driver_deferred_probe_trigger()). If another device is bound during the probe, \
             the probe is repeated at once (deferred_trigger_count). device_driver_attach() does not \
             put the device on the list: its caller is told -EAGAIN.",
    mend: "A bus whose match function refuses a device that it has accepted before loses it. So does a \
           caller of device_driver_attach() that does not try again after -EAGAIN. A probe that adds \
           a child and defers then is tried again because that child was bound, without end \
           (Documentation/driver-api/driver-model/driver.rst): get all that may defer first.",
    needs: &[Sight::Probes, Sight::Registrations],
    check,
    mutants: &[Mutant::live("match_forgets")],
};

/// For how long no probe may be under way before the device counts as lost: 1 s. The worker that
/// probes again takes one device after the other.
const PATIENCE: Micros = Micros(1_000_000);

/// Judges every deferred probe after which another device is bound; the cases are those that have
/// been repeated.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    // Where in the log devices were bound. The dmesg interface shows the ends of their probes.
    let mut bound: Vec<(usize, &Span)> = Vec::new();
    for span in &life.spans {
        let at = match span.kind {
            Kind::Bound => Some(span.began),
            Kind::Probe if span.facts.at.is_none() && span.ret == Some(0) => span.ended,
            _ => None,
        };
        bound.extend(at.map(|at| (at, span)));
    }
    bound.sort_unstable_by_key(|(at, _)| *at);
    // While the kernel boots, nothing is tried again before `deferred_probe_initcall()`.
    let booted = life.of(Kind::Boot).next().map_or(0, |(_, boot)| boot.began);
    let mut cases = 0;
    for (at, probe) in life.of(Kind::Probe) {
        let by_hand = |outer: &Span| matches!(outer.kind, Kind::Bind | Kind::Call(Call::Bind));
        let deferred = probe.ret == Some(EPROBE_DEFER) && booted <= probe.began;
        if !deferred || life.within(at, by_hand).is_some() {
            continue;
        }
        let mut children = life.inside(Kind::Probe, at);
        let child = children.find(|(_, child)| child.ret == Some(0));
        let (on, child) = (&probe.on, child.map(|(_, child)| child.began));
        court.demand(
            child.is_none(),
            format!("{on} not to be deferred after its probe has bound a child"),
            &[&probe.whole(), child.as_slice()].concat(),
        )?;
        let after = bound.partition_point(|(at, _)| *at <= probe.began);
        let mut others = bound[after..].iter();
        let Some((other, _)) = others.find(|(_, other)| !other.same_device(probe)) else {
            continue;
        };
        let later = |span: &&Span| probe.end_place() < span.began;
        if life.about(probe, Kind::Probe).any(|again| later(&again)) {
            cases += 1;
            continue;
        }
        // Until the device or its driver goes, or the log ends.
        let unregistered = life.each(Kind::Unregister);
        let unregistered = unregistered.filter(|gone| gone.same_driver(probe));
        let gone = life.about(probe, Kind::Del).chain(unregistered);
        let gone = gone.filter(later).map(|gone| gone.began).min();
        let gone = gone.unwrap_or(life.events.len());
        court.demand(
            idle(life, *other, gone) < PATIENCE,
            format!("{on} to be probed again"),
            &[probe.began, probe.end_place(), *other, gone],
        )?;
    }
    Ok(cases)
}

/// The longest time without a probe between two places of the log.
fn idle(life: &Life, from: usize, until: usize) -> Micros {
    let events = &life.events;
    let time = |place: usize| events.get(place).or(events.last()).map(|event| event.time);
    let mut longest = Micros(0);
    let mut free = time(from);
    let probes = life.each(Kind::Probe);
    let ends = probes.map(|probe| (probe.began, probe.end_place()));
    for (began, end) in ends.chain([(until, until)]) {
        if end < from {
            continue;
        }
        let began = time(began.min(until));
        if let (Some(free), Some(began)) = (free, began) {
            longest = longest.max(began - free);
        }
        free = free.max(time(end));
        if until <= end {
            break;
        }
    }
    longest
}
