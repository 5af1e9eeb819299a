// SPDX-License-Identifier: GPL-2.0

//! Removal of a device during its probe waits for the probe.

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "gone_during_probe",
    promise: "Removal of a device during its probe waits for the probe. If the probe has succeeded, \
              the driver is unbound before the removal returns. The device is not probed again.",
    kernel: "drivers/base/core.c: device_del() calls kill_device(), which takes the device lock that \
             the probe holds, and marks the device dead; bus_remove_device() then calls \
             device_release_driver() (drivers/base/dd.c), which takes the lock once more.",
    mend: "A bus that calls the remove callback of its drivers later, from a work item, breaks it: the \
           driver then works with a device that is gone. Call the callback in bus_type.remove.",
    needs: &[Sight::Probes, Sight::Removes, Sight::Devices],
    check,
    mutants: &[
        Mutant::live("remove_later").also(&["one_at_a_time"]),
        Mutant::doctored("removal_returns_early", removal_returns_early)
            .also(&["one_at_a_time", "unbind_waits", "surprise_removal"]),
    ],
};

/// Judges every removal of a device during its probe; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for (at, span) in life.spans.iter().enumerate() {
        cases += match span.kind {
            Kind::Del => usize::from(recorded(court, at)?),
            Kind::Call(Call::Remove | Call::Rmmod) => printed(court, at)?,
            _ => 0,
        };
    }
    Ok(cases)
}

/// Judges a removal that a recording shows; returns whether it was one during a probe.
fn recorded(court: &Court<'_>, del: usize) -> Result<bool, Violation> {
    let life = court.life;
    let gone = &life.spans[del];
    let on = life.device_of(gone);
    let of = |kind| {
        let spans = life.about(gone, kind);
        spans.filter(|span| span.facts.at.is_some())
    };
    let during = of(Kind::Probe).any(|probe| probe.spans(gone.began) && probe.task != gone.task);
    // The device has been dead for a moment when its driver is released.
    let dead = life
        .inside(Kind::Release, del)
        .find(|(_, release)| release.same_device(gone))
        .map_or(gone.end_place(), |(_, release)| release.began);
    // The task that holds the lock may have tried another driver since, and so may one that got the
    // lock before the removal did.
    let before = of(Kind::Probe).take_while(|probe| probe.began < dead);
    let Some(probe) = before.last().filter(|_| during) else {
        return Ok(false);
    };
    court.demand(
        gone.ended.is_none() || probe.end_place() < gone.end_place(),
        format!("the removal of {on} to wait for its probe"),
        &[probe, gone].map(Span::whole).concat(),
    )?;
    if gone.ended.is_none() {
        return Ok(true);
    }
    // By the task that got the lock: to unbind it, to unregister the driver, or to remove it.
    let removed = of(Kind::Remove)
        .map(|remove| remove.began)
        .find(|remove| gone.spans(*remove) && probe.began < *remove);
    court.demand(
        removed.is_some() == (probe.ret == Some(0))
            && removed.is_none_or(|of| probe.end_place() < of),
        format!("a remove of {on} if its probe succeeded"),
        &[
            probe.end_place(),
            removed.unwrap_or(usize::MAX),
            gone.end_place(),
        ],
    )?;
    let freed = of(Kind::Freed).map(|freed| freed.began);
    let freed = freed.filter(|freed| gone.began < *freed).min();
    let again = of(Kind::Probe)
        .map(|again| again.began)
        .find(|again| dead < *again && *again < freed.unwrap_or(usize::MAX));
    court.demand(
        again.is_none(),
        format!("no probe of {on}, which is gone"),
        &[gone.began, again.unwrap_or(usize::MAX)],
    )?;
    Ok(true)
}

/// Judges a call that removes the device that it names, or unloads the module of devices; returns
/// how many of them it removed during their probes.
fn printed(court: &Court<'_>, at: usize) -> Result<usize, Violation> {
    let life = court.life;
    let call = &life.spans[at];
    let recorded = life.inside(Kind::Del, at).next().is_some();
    if recorded || call.ended.is_none() || call.ret != Some(0) {
        return Ok(0);
    }
    let named = matches!(call.kind, Kind::Call(Call::Remove));
    let mut cases = 0;
    // A recording shows by itself which task removes a device.
    let printed = |probe: &&Span| probe.facts.at.is_none() && probe.spans(call.began);
    for probe in life.each(Kind::Probe).filter(printed) {
        let first = |kind| {
            let mut spans = life.about(probe, kind);
            spans.find(|of| probe.began < of.began)
        };
        let removed = first(Kind::Remove);
        let unloads = removed.is_some_and(|remove| call.spans(remove.began))
            && !life.each(Kind::Unregister).any(|gone| {
                gone.same_driver(probe)
                    && (call.began..call.end_place()).contains(&gone.end_place())
            });
        let is_case = match named {
            true => life.device_of(probe) == call.on,
            false => unloads,
        };
        if !is_case || probe.task == call.task {
            continue;
        }
        cases += 1;
        let mut places = [probe, call].map(Span::whole).concat();
        let mut after = probe.end_place();
        let mut in_order = after < call.end_place();
        if probe.ret == Some(0) {
            let steps = [Kind::Remove, Kind::Unbound, Kind::DevresReleased];
            for step in steps.map(first) {
                let began = step.map_or(usize::MAX, |step| step.began);
                places.push(began);
                in_order &= after < began && began < call.end_place();
                after = began;
            }
        }
        let (on, kind) = (&probe.on, call.kind);
        let expected =
            format!("probe_ended, removing, unbound, devres_released of {on}, return of {kind}");
        court.demand(in_order, expected, &places)?;
    }
    Ok(cases)
}

/// The removal of a device returns while the device is being probed.
fn removal_returns_early(life: &Life) -> Option<Vec<Event>> {
    let (gone, probe) = life.of(Kind::Del).find_map(|(_, gone)| {
        let mut probes = life.about(gone, Kind::Probe);
        let probe = probes.find(|of| of.task != gone.task && of.spans(gone.began))?;
        Some((gone, probe))
    })?;
    let (pid, from) = (life.pid_of(probe), probe.ended?);
    Draft::of(life).delay(pid, from, gone.ended?).done()
}
