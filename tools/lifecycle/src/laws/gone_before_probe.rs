// SPDX-License-Identifier: GPL-2.0

//! A device that is removed before its scheduled probe runs is never probed.

use super::prelude::*;
use crate::life::AsyncProbe;

/// The law.
pub static LAW: Law = Law {
    name: "gone_before_probe",
    promise:
        "A device that is removed after its asynchronous probe was scheduled, and before that \
              runs, is never probed. The memory of the device is released when the scheduled \
              function has run.",
    kernel: "drivers/base/core.c: device_del() marks the device dead with the device lock held \
             (kill_device()). drivers/base/dd.c: __driver_probe_device() and \
             __device_attach_async_helper() leave dead devices alone, and the helpers drop the \
             reference that was taken when they were scheduled.",
    mend:
        "The code that still holds a reference to the device keeps its memory, and the module with \
           its release function cannot go. Drop each reference (put_device()) when the device is \
           removed.",
    needs: &[
        Sight::Probes,
        Sight::Devices,
        Sight::Memory,
        Sight::AsyncWork,
    ],
    check,
    mutants: &[Mutant::live("held")],
};

/// Judges every async probe that runs after its device has been removed; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for AsyncProbe { scheduled, run } in life.async_probes() {
        let scheduled = &life.spans[scheduled];
        let Some(run) = run.map(|run| &life.spans[run]) else {
            continue;
        };
        let of = |kind| {
            let spans = life.about(run, kind);
            spans.filter(|span| span.facts.at.is_some())
        };
        let gone =
            of(Kind::Del).find(|gone| scheduled.began < gone.began && gone.end_place() < run.began);
        let Some(gone) = gone.map(|gone| gone.end_place()) else {
            continue;
        };
        cases += 1;
        let freed = of(Kind::Freed).map(|freed| freed.began);
        let freed = freed.filter(|freed| gone < *freed).min();
        let released = freed.unwrap_or(usize::MAX);
        let probed = of(Kind::Probe)
            .map(|probe| probe.began)
            .find(|probe| gone < *probe && *probe < released);
        let on = life.device_of(run);
        court.demand(
            probed.is_none(),
            format!("no probe of {on}, which is gone"),
            &[gone, probed.unwrap_or(usize::MAX)],
        )?;
        court.demand(
            freed.is_some_and(|freed| run.began < freed),
            format!("{on} to be released once its probe has run"),
            &[gone, run.began, run.end_place(), released],
        )?;
    }
    Ok(cases)
}
