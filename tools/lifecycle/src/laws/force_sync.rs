// SPDX-License-Identifier: GPL-2.0

//! A FORCE driver is probed by the task that registers the driver or the device.

use std::collections::HashMap;

use super::doctor::says;
use super::prelude::*;
use super::registrations::{in_helper, Registrations};

const FORCE: Option<ProbeType> = Some(ProbeType::ForceSynchronous);

/// The law.
pub static LAW: Law = Law {
    name: "force_sync",
    promise: "The driver core never lets an async worker probe a device for a driver with \
              PROBE_FORCE_SYNCHRONOUS. The task that registers the driver or the device probes \
              itself, one device after the other, schedules nothing, and returns after the last \
              probe.",
    kernel: "drivers/base/dd.c: driver_allows_async_probing() is false for \
             PROBE_FORCE_SYNCHRONOUS, so that __driver_attach() and __device_attach() call \
             driver_probe_device() themselves. Workers of the driver's own, which call \
             device_driver_attach(), are no breach.",
    mend: "A driver or bus that changes the probe type after the registration breaks it. Set the \
           probe type before driver_register().",
    needs: &[Sight::Probes, Sight::Registrations],
    check,
    mutants: &[
        Mutant::live("match_prefers"),
        Mutant::doctored("says_force", |life| {
            says(life, ProbeType::ForceSynchronous, false)
        }),
    ],
};

/// Judges every probe by a FORCE driver whose registration is in the log; the cases are those in
/// the task that registers the driver or the device.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let registrations = Registrations::of(life);
    // What tasks do that a log without the kernel's functions shows: registrations, and the calls
    // of userspace that bring drivers and devices.
    let mut tasks: HashMap<Option<usize>, Vec<&Span>> = HashMap::new();
    for span in &life.spans {
        use Call::{Add, AddAsync, Insmod};
        if let Kind::Register | Kind::Call(Insmod | Add | AddAsync) = span.kind {
            tasks.entry(span.task).or_default().push(span);
        }
    }
    let mut cases = 0;
    for (at, probe) in life.of(Kind::Probe) {
        let register = registrations.of_probe(probe);
        let Some(register) = register.filter(|register| register.facts.probe_type == FORCE) else {
            continue;
        };
        let worker = in_helper(life, at).map(|worker| life.spans[worker].began);
        court.demand(
            worker.is_none(),
            format!("{} not to be probed by an async worker", probe.on),
            &[&[register.began, probe.began], worker.as_slice()].concat(),
        )?;
        let outer = match probe.facts.at {
            Some(_) => life
                .within(at, |outer| matches!(outer.kind, Kind::Register | Kind::Add))
                .map(|outer| &life.spans[outer]),
            // Of those that are under way in the task of a synchronous probe when that begins, the
            // first to end. A worker registers nothing.
            None => tasks
                .get(&probe.task)
                .into_iter()
                .flatten()
                .copied()
                .filter(|of| of.began <= probe.began && probe.began < of.end_place())
                .min_by_key(|outer| outer.end_place())
                .filter(|_| probe.asynchronous == Some(false)),
        };
        let Some(outer) = outer else {
            continue;
        };
        // A line about a registration does not say in which task it was: a task that has userspace's
        // probe of a device meanwhile registers nothing.
        let by_hand = |of: &Span| matches!(of.kind, Kind::Call(Call::Bind | Call::DriversProbe));
        if probe.facts.at.is_none() && life.within(at, by_hand).is_some() {
            continue;
        }
        cases += 1;
        let (kind, of, on) = (outer.kind, &outer.on, &probe.on);
        let [began, ended] = probe.whole();
        court.demand(
            ended < outer.end_place() || outer.ended.is_none(),
            format!("{kind} of {of} to return after the probe of {on}"),
            &[outer.began, began, ended, outer.end_place()],
        )?;
    }
    for (at, register) in life.of(Kind::Register) {
        let forced = register.facts.probe_type == FORCE && register.facts.by.is_some();
        let scheduled = registrations.scheduled_by(at).first().filter(|_| forced);
        let place = scheduled.map(|probe| life.spans[probe.scheduled].began);
        court.demand(
            place.is_none(),
            "the registration to schedule no probe",
            &[&register.whole(), place.as_slice()].concat(),
        )?;
    }
    Ok(cases)
}
