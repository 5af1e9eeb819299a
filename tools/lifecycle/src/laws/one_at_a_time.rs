// SPDX-License-Identifier: GPL-2.0

//! The probes and removes of a device alternate and never overlap.

use std::collections::{BTreeSet, HashMap, HashSet};

use super::doctor::{fetched, returns, Draft};
use super::law::{Court, Law, Violation};
use super::mutant::Mutant;
use crate::event::{Point, Side};
use crate::life::{Kind, Life, Sight, Span};
use crate::parse::log::Source;
use crate::Event;

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
    let ready: HashSet<_> = life
        .of(Kind::SecondPhase)
        .filter_map(|(_, phase)| phase.cause)
        .collect();
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
    let mut draft = Draft::of(life);
    draft.insert(at, None, Point::Probe, returns(Some(-19)));
    let begins = Side::Begins(fetched(life, probe)?.into());
    draft.insert(at, None, Point::Probe, begins);
    Some(draft.done())
}

/// The remove callback is called twice.
fn two_removes(life: &Life) -> Option<Vec<Event>> {
    let (_, remove) = life.of(Kind::Remove).next()?;
    let begins = Side::Begins(fetched(life, remove)?.into());
    let mut draft = Draft::of(life);
    draft.insert(remove.began, life.pid_of(remove), Point::Remove, begins);
    Some(draft.done())
}

#[cfg(test)]
mod tests {
    use super::super::test_life::{altered, assert_broken, assert_kept, life};
    use super::{under_way, LAW};

    const RECORDED: &str = "
        30 probe 0
        31 probe 1
        30 bound 0
        30 probe_end 0
        31 cleanup 1
        31 probe_end 2
        9 unregister
        9 release 0
        9 remove 0
        9 cleanup 0
        9 release_end
        9 unregister_end
        8 freed 0
        32 probe 1
        32 probe_end 0
    ";

    const PRINTED: &str = "
        async 0
        registered prefer_asynchronous
        async 1
        arrived 0 0
        ended 0 0
        arrived 1 -2
        ended 1 -2
        devres_released 1
        removing 0
        unbound 0
        devres_released 0
        unregistered
        sync 0 9
        ended 0 -2
    ";

    #[test]
    fn holds() {
        assert_kept(&LAW, RECORDED, 3);
        assert_kept(&LAW, PRINTED, 3);
        // A device that was bound before the recording began.
        assert_kept(&LAW, "9 remove 0\n 9 cleanup 0", 0);
    }

    #[test]
    fn two_probes_at_once() {
        let twice = altered(RECORDED, "31 probe 1", "31 probe 0");
        assert_broken(&LAW, &twice, "probe dev=\"d.0\"");
        let bound = altered(
            RECORDED,
            "9 unregister",
            "33 probe 0\n 33 probe_end 0\n 9 unregister",
        );
        assert_broken(&LAW, &bound, "33 [000] probe");
    }

    #[test]
    fn every_line_counts() {
        for line in ["async 0", "async 1", "ended 0 0", "removing 0", "unbound 0"] {
            assert_broken(&LAW, &altered(PRINTED, line, ""), "");
        }
        for line in [
            "async 0",
            "async 1",
            "ended 0 0",
            "ended 1 -2",
            "removing 0",
            "unbound 0",
            "devres_released 0",
            "devres_released 1",
        ] {
            let twice = format!("{line}\n{line}");
            assert_broken(&LAW, &altered(PRINTED, line, &twice), "");
        }
    }

    #[test]
    fn removed_twice_or_while_probing() {
        for (line, with, seen) in [
            (
                "9 cleanup 0",
                "9 remove 0\n 9 cleanup 0",
                "remove dev=\"d.0\"",
            ),
            (
                "31 probe 1",
                "31 probe 1\n 9 remove 1",
                "remove dev=\"d.1\"",
            ),
            ("31 cleanup 1", "9 cleanup 1", "cleanup dev=\"d.1\""),
            ("9 cleanup 0", "7 cleanup 0", "cleanup"),
        ] {
            assert_broken(&LAW, &altered(RECORDED, line, with), seen);
        }
    }

    #[test]
    fn removed_by_its_own_probe() {
        let removed = altered(RECORDED, "31 cleanup 1", "31 remove 1\n 31 cleanup 1");
        assert_broken(&LAW, &removed, "remove dev=\"d.1\"");
        // `dev_groups_failed`.
        let by_core = altered(&removed, "31 probe_end 2", "31 probe_end -12");
        assert_kept(&LAW, &by_core, 3);
    }

    #[test]
    fn the_driver_is_gone_too_early() {
        let bound = altered(RECORDED, "31 probe_end 2", "31 probe_end 0");
        assert_broken(&LAW, &bound, "unregister_end");
        let early = altered(PRINTED, "unregistered", "");
        let early = altered(&early, "unbound 0", "unregistered\n unbound 0");
        assert_broken(&LAW, &early, "unregistered");
        let early = altered(PRINTED, "unregistered", "");
        let early = altered(&early, "registered prefer_asynchronous", "unregistered");
        assert_broken(&LAW, &early, "unregistered");
    }

    #[test]
    fn freed_while_bound() {
        let early = altered(RECORDED, "9 release 0", "8 freed 0\n 9 release 0");
        assert_broken(&LAW, &early, "freed");
    }

    const TWO_PHASES: &str = "
        async 0
        ended 0 0
        arrived 0 0
        async 1
        ready 0 0
        arrived 1 0
        ready 1 0
        ended 1 0
        removing 0
        unbound 0
        devres_released 0
        sync 0 9
        ended 0 0
        removing 0
        arrived 0 0
        unbound 0
        ready 0 0
        devres_released 0
    ";

    #[test]
    fn two_phases() {
        assert_kept(&LAW, TWO_PHASES, 3);
        // The removing of d.1 is missing.
        let gone = format!("{TWO_PHASES}\n unregistered");
        assert_broken(&LAW, &gone, "unregistered");
        let lines: Vec<_> = TWO_PHASES.lines().collect();
        for line in [3, 15, 17] {
            let mut lines = lines.clone();
            lines.remove(line);
            assert_broken(&LAW, &lines.join("\n"), "");
        }
        for line in [3, 5, 15, 17] {
            let mut lines = lines.clone();
            lines.insert(line, lines[line]);
            assert_broken(&LAW, &lines.join("\n"), "");
        }
    }

    #[test]
    fn what_is_under_way() {
        let after = |text: &str, count: usize| {
            let lines: Vec<_> = text.lines().take(count).collect();
            let life = life(&lines.join("\n"));
            let names: Vec<_> = under_way(&life).into_iter().collect();
            names.join(" ")
        };
        for (count, open) in [(4, "d.0 d.1"), (6, "d.1"), (8, ""), (10, "d.0"), (15, "")] {
            assert_eq!(after(PRINTED, count), open, "after {count}");
        }
        for (count, open) in [
            (3, ""),
            (4, "d.0"),
            (5, "d.0 d.1"),
            (6, "d.1"),
            (18, "d.0"),
            (19, ""),
        ] {
            assert_eq!(after(TWO_PHASES, count), open, "after {count}");
        }
    }
}
