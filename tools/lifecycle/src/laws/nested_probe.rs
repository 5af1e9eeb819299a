// SPDX-License-Identifier: GPL-2.0

//! A device that a probe adds is probed by the usual rules.

use super::prelude::*;
use super::registrations::{in_helper, Registrations};

const FORCE: Option<ProbeType> = Some(ProbeType::ForceSynchronous);

/// The law.
pub static LAW: Law = Law {
    name: "nested_probe",
    promise: "A probe that adds a device has that device probed before the addition returns, in the \
              same task, if a driver with PROBE_FORCE_SYNCHRONOUS is registered for it. It makes no \
              difference whether the outer probe is asynchronous.",
    kernel: "drivers/base/dd.c: device_initial_probe() calls __device_attach() in the task that adds \
             the device, and driver_allows_async_probing() is false for PROBE_FORCE_SYNCHRONOUS. \
             Nothing there looks at whether the task is an async worker.",
    mend: "A bus or a parent that schedules the probe of its children elsewhere breaks it. Have \
           device_add() probe them.",
    needs: &[Sight::Probes, Sight::Registrations, Sight::Devices, Sight::AsyncWork],
    check,
    mutants: &[Mutant::doctored("probed_elsewhere", probed_elsewhere)],
};

/// Judges the first probe of each device that a probe adds.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for [outer, add, probe] in nested(life) {
        cases += 1;
        court.demand(
            probe.task == add.task && probe.end_place() < add.end_place(),
            format!(
                "{} to be probed in the task that adds it during the probe of {}, before the \
                 addition returns",
                probe.on, outer.on
            ),
            &[
                outer.began,
                add.began,
                probe.began,
                probe.end_place(),
                add.end_place(),
            ],
        )?;
    }
    Ok(cases)
}

/// The probes around additions, the additions, and the first probes of what was added, by a FORCE
/// driver that had been registered before: those that begin during the addition, and those that a
/// helper of the driver core does. What is probed by hand later is no case.
fn nested(life: &Life) -> impl Iterator<Item = [&Span; 3]> {
    let registrations = Registrations::of(life);
    life.of(Kind::Add).filter_map(move |(at, add)| {
        let outer = life.around(Kind::Probe, at)?;
        let (first, probe) = life.of_device(add).find(|(_, span)| {
            let tells = matches!(span.kind, Kind::Probe | Kind::Add | Kind::Del);
            tells && add.began < span.began
        })?;
        let by_core = probe.began < add.end_place() || in_helper(life, first).is_some();
        let by_hand = |outer: &Span| matches!(outer.kind, Kind::Bind | Kind::Attach);
        let by_hand = life.within(first, by_hand);
        let register = registrations.of_probe(probe)?;
        let is_forced = register.facts.probe_type == FORCE && register.end_place() < add.began;
        let is_case = probe.kind == Kind::Probe && by_core && by_hand.is_none() && is_forced;
        is_case.then_some([outer, add, probe])
    })
}

/// Another task probes a child.
fn probed_elsewhere(life: &Life) -> Option<Vec<Event>> {
    let [_, _, probe] = nested(life).next()?;
    let places = probe.began..probe.ended? + 1;
    let draft = Draft::of(life);
    draft.by_stranger(life.pid_of(probe), places).done()
}
