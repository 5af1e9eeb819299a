// SPDX-License-Identifier: GPL-2.0

//! The probes and removes of a device alternate and never overlap.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::doctor::fetched;
use super::prelude::*;
use crate::event::Point;
use crate::parse::log::Source;

/// The law.
pub static LAW: Law = Law {
    name: "one_at_a_time",
    promise: "The probes and removes of a device alternate and never overlap. When the \
              unregistration of a driver returns, the driver has let go of every device that it had \
              bound. The second phase of a probe requests its firmware once, and ends before devres \
              is released.",
    kernel: "drivers/base/dd.c: every caller of really_probe() and of __device_release_driver() \
             holds the device lock (__device_driver_lock()); driver_detach() empties the driver's \
             list of devices before driver_unregister() returns.",
    mend: "A bus or a driver that calls a probe or remove callback itself breaks it, and so does a \
           remove callback that leaves its work to a work item. Let the driver core call both \
           callbacks, and return from remove when the device is at rest.",
    needs: &[Sight::Probes, Sight::Removes],
    check,
    mutants: &[
        Mutant::live("probe_twice"),
        Mutant::live("remove_twice"),
        Mutant::doctored("two_probes", two_probes),
        Mutant::doctored("two_removes", two_removes),
    ],
};

/// Where a device is in its life. One that the life has not met yet may be anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Free,
    Probing,
    Bound,
    Removing,
}

/// What is known of a device at some place of the log.
#[derive(Clone, Copy)]
struct Device<'a> {
    state: State,
    /// The span that brought it there, and where in the log.
    span: &'a Span,
    since: usize,
    /// Its last probe.
    probe: Option<&'a Span>,
}

/// Where a device is in memory, or its place in the list where that is not known.
type Key = (Option<u64>, Option<usize>);

/// Judges every device; the cases are the probes.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut devices: HashMap<Key, Device<'_>> = HashMap::new();
    let mut cases = 0;
    for (place, at) in steps(life) {
        let span = &life.spans[at];
        let begins = place == span.began;
        match span.kind {
            Kind::Stray => {
                // Where the log begins in the middle of a call, its return is a stray, too.
                court.demand(
                    span.device.is_none(),
                    format!("a line that can follow those before it for {}", span.on),
                    &span.events,
                )?;
                continue;
            }
            Kind::Unregister => {
                let left = devices.values().find(|device| {
                    let by = device.probe.is_some_and(|probe| probe.same_driver(span));
                    by && device.state != State::Free
                });
                if let Some(Device { state, since, .. }) = left {
                    let expected =
                        format!("the driver to be gone from every device, one is {state:?}");
                    court.demand(false, expected, &[*since, place])?;
                }
                continue;
            }
            _ => {}
        }
        let key = match span.facts.at {
            None => (None, span.device),
            at => (at, None),
        };
        let known = devices.get(&key).copied();
        let state = known.map(|device| device.state);
        let by_itself = known.is_some_and(|device| device.span.task == span.task);
        let may = |holds: bool| {
            let since = known.map_or(place, |device| device.since);
            let name = life.device_of(span);
            court.demand(
                holds,
                format!("what can follow for {name}, which is {state:?}"),
                &[since, place],
            )
        };
        let next = match (span.kind, begins) {
            (Kind::Probe, true) => {
                cases += 1;
                may(matches!(state, None | Some(State::Free)))?;
                State::Probing
            }
            (Kind::Probe, false) if span.ret == Some(0) => State::Bound,
            (Kind::Probe, false) => State::Free,
            // A probe that fails cleans up. It removes, too, if it is the driver core that fails
            // when the driver has succeeded (`dev_groups_failed`).
            (Kind::Remove | Kind::Cleanup, true) if state == Some(State::Probing) => {
                let by_core = known.is_some_and(|device| device.span.facts.by_core);
                may(by_itself && (span.kind == Kind::Cleanup || by_core))?;
                continue;
            }
            (Kind::Remove, true) => {
                may(matches!(state, None | Some(State::Bound)))?;
                State::Removing
            }
            (Kind::Cleanup, _) => {
                may(state.is_none() || state == Some(State::Removing) && by_itself)?;
                State::Free
            }
            // The last line of a remove. A recording shows the clean-up instead.
            (Kind::Remove, false) if span.facts.at.is_none() => State::Free,
            // Bound by hand, without a probe (`device_bind_driver()`).
            (Kind::Bound, _) if state != Some(State::Probing) => State::Bound,
            (Kind::Freed, _) => {
                may(matches!(state, None | Some(State::Free)))?;
                devices.remove(&key);
                continue;
            }
            _ => continue,
        };
        let probe = match span.kind {
            Kind::Probe => Some(span),
            _ => known.and_then(|device| device.probe),
        };
        let device = Device {
            state: next,
            span,
            since: place,
            probe,
        };
        devices.insert(key, device);
    }
    Ok(cases)
}

/// What matters for the law, by where in the log it begins or ends.
fn steps(life: &Life) -> Vec<(usize, usize)> {
    let is_recorded = life.sources.contains(&Source::Recording);
    let mut steps = Vec::new();
    for (at, span) in life.spans.iter().enumerate() {
        let (begins, ends) = match span.kind {
            // Where it began is not known to the line.
            Kind::Probe if life.is_initcall_line(span) => (false, false),
            // A line that belongs to no probe or remove of the recording.
            Kind::Probe | Kind::Remove if is_recorded && span.facts.at.is_none() => (false, false),
            Kind::Probe | Kind::Remove => (true, true),
            Kind::Cleanup | Kind::Bound | Kind::Freed | Kind::Stray => (true, false),
            Kind::Unregister => (false, true),
            _ => (false, false),
        };
        steps.extend(begins.then_some((span.began, at)));
        steps.extend(span.ended.filter(|_| ends).map(|ended| (ended, at)));
    }
    steps.sort_unstable();
    steps
}

/// The names of the devices for which a probe, its second phase or a remove has begun and not
/// ended.
///
/// A log is whole only if there are none.
pub fn under_way(life: &Life) -> BTreeSet<&str> {
    let phases = life.each(Kind::SecondPhase);
    let ready: HashSet<_> = phases.filter_map(|phase| phase.cause).collect();
    let open = life.spans.iter().filter(|span| match span.kind {
        Kind::Probe | Kind::Remove => span.ended.is_none(),
        Kind::Firmware => span.cause.is_some_and(|probe| {
            let ended = life.spans[probe].ended;
            ended.is_some_and(|ended| ended < span.end_place()) && !ready.contains(&probe)
        }),
        _ => false,
    });
    open.map(|span| life.device_of(span)).collect()
}

/// Another task probes the device meanwhile.
fn two_probes(life: &Life) -> Option<Vec<Event>> {
    let (probe, at) = life.of(Kind::Probe).find_map(|(at, probe)| {
        let (_, bound) = life.inside(Kind::Bound, at).next()?;
        Some((probe, bound.began))
    })?;
    let begins = fetched(life, probe)?;
    let draft = Draft::of(life);
    draft.call(at, None, Point::Probe, begins, Some(-19)).done()
}

/// The remove callback is called twice.
fn two_removes(life: &Life) -> Option<Vec<Event>> {
    let remove = life.each(Kind::Remove).next()?;
    let begins = fetched(life, remove)?;
    let (at, pid) = (remove.began, life.pid_of(remove));
    Draft::of(life).begin(at, pid, Point::Remove, begins).done()
}
