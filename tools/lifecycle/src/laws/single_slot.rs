// SPDX-License-Identifier: GPL-2.0

//! A device has one slot for the driver that is to probe it asynchronously.

use std::collections::HashMap;

use super::prelude::*;
use crate::life::AsyncProbe;

/// The law.
pub static LAW: Law = Law {
    name: "single_slot",
    promise: "Of two asynchronous drivers that match one device, the second is skipped while the \
              probe by the first is pending. The registration of the second neither schedules a \
              probe of the device nor probes it, and does not fail.",
    kernel:
        "drivers/base/dd.c: __driver_attach() leaves a device alone whose dev->p->async_driver \
             is taken. A synchronous driver does not look at it.",
    mend: "A match callback of the bus that attaches devices itself breaks it. Where two drivers \
           match one device, let one of them be synchronous, or have userspace write the device to \
           drivers_probe when the first has failed.",
    needs: &[Sight::Probes, Sight::Registrations, Sight::AsyncWork],
    check,
    mutants: &[
        Mutant::live("slot_is_ignored"),
        Mutant::doctored("scheduled_twice", scheduled_twice).also(&["convoy", "insmod_waits"]),
    ],
};

/// Whether this schedules a probe that takes the slot of its device. A device that comes after its
/// drivers is offered to all of them, and has no slot.
fn has_slot(mark: &Span) -> bool {
    mark.kind == Kind::Scheduled && mark.on == "__driver_attach_async_helper"
}

/// Judges every device whose async probe is pending; the cases are the asynchronous drivers that
/// are registered on the same bus meanwhile.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut probes = life.async_probes();
    probes.retain(|probe| has_slot(&life.spans[probe.scheduled]));
    let mut taken: HashMap<Option<u64>, Vec<usize>> = HashMap::new();
    for probe in &probes {
        let mark = &life.spans[probe.scheduled];
        taken.entry(mark.facts.at).or_default().push(mark.began);
    }
    let registers: Vec<(usize, &Span)> = life.of(Kind::Register).collect();
    let mut cases = 0;
    for AsyncProbe { scheduled, run } in probes {
        let mark = &life.spans[scheduled];
        let begins = run.map_or(usize::MAX, |run| life.spans[run].began);
        let pending = |place: &usize| mark.began < *place && *place < begins;
        let again = taken[&mark.facts.at].iter().copied().find(pending);
        court.demand(
            again.is_none(),
            "one pending probe of a device",
            &[&[mark.began], again.as_slice()].concat(),
        )?;
        let Some(first) = life.around(Kind::Register, scheduled) else {
            continue;
        };
        let from = registers.partition_point(|(_, second)| second.began <= mark.began);
        let meanwhile = registers[from..].iter();
        for (at, second) in meanwhile.take_while(|(_, second)| second.began < begins) {
            let competes = second.facts.bus == first.facts.bus
                && second.facts.by != first.facts.by
                && second.facts.probe_type == Some(ProbeType::PreferAsynchronous);
            if !competes {
                continue;
            }
            cases += 1;
            let mut probes = life.inside(Kind::Probe, *at).map(|(_, probe)| probe);
            let own = probes.find(|probe| probe.same_device(mark) && pending(&probe.began));
            let own = own.map(|probe| probe.began);
            let places = [mark.began, second.began, second.end_place()];
            let on = life.device_of(mark);
            court.demand(
                own.is_none(),
                format!("no probe of {on} while another is pending"),
                &[&places, own.as_slice()].concat(),
            )?;
        }
    }
    Ok(cases)
}

/// Judges `device`, for which `first` and `second` were registered before any probe began, and
/// which `first` fails to probe; later a write to `drivers_probe` binds it to `second`.
///
/// # Errors
///
/// How the law was broken.
pub fn check_skipped(
    life: &Life,
    device: &str,
    first: &str,
    second: &str,
) -> Result<(), Violation> {
    let court = Court::of(LAW.name, life);
    let call = court.call(Call::DriversProbe, device)?;
    let registered = |driver: &str| {
        let mut registers = life.each(Kind::Register);
        registers.find(|of| of.on == driver && of.ret == Some(0))
    };
    let (Some(one), Some(other)) = (registered(first), registered(second)) else {
        let expected = format!("{first} and {second} to be registered");
        return court.demand_seen(false, expected, "not both");
    };
    let [one, other] = [one.end_place(), other.end_place()];
    let expected = format!("{first} to be registered first");
    court.demand(one < other, expected, &[one, other])?;

    let by = |driver| {
        let probes = life.each(Kind::Probe).filter(|probe| probe.on == device);
        probes.filter(move |probe| probe.driver.as_deref() == Some(driver))
    };
    let Some(probe) = by(first).next() else {
        return court.demand_seen(false, format!("a probe of {device} by {first}"), "none");
    };
    court.demand(
        other < probe.began
            && probe.asynchronous == Some(true)
            && probe.ret.is_some_and(|ret| ret != 0),
        format!("{first} to be pending when {second} comes, and to fail"),
        &[other, probe.began, probe.end_place()],
    )?;
    let early = by(second).find(|probe| probe.began < call.began);
    court.demand(
        early.is_none(),
        format!("no probe of {device} by {second} before the write to drivers_probe"),
        early.map(|probe| probe.began).as_slice(),
    )?;
    court.demand_seen(
        by(second).any(|probe| probe.ret == Some(0)),
        format!("{second} to bind {device} when asked"),
        "it does not",
    )
}

/// The probe of a device is scheduled once more while it is pending.
fn scheduled_twice(life: &Life) -> Option<Vec<Event>> {
    let mut scheduled = life.async_probes().into_iter().map(|probe| probe.scheduled);
    let scheduled = scheduled.find(|scheduled| has_slot(&life.spans[*scheduled]))?;
    let at = life.spans[scheduled].began;
    Draft::of(life).copy(at, at).done()
}
