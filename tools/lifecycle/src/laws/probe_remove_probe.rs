// SPDX-License-Identifier: GPL-2.0

//! A kernel that tries drivers removes and probes each device once more before it is bound.

use std::collections::HashMap;

use super::doctor::fetched;
use super::prelude::*;
use crate::event::Point;
use crate::Probing;

/// The law.
pub static LAW: Law = Law {
    name: "probe_remove_probe",
    promise: "With CONFIG_DEBUG_TEST_DRIVER_REMOVE a probe that succeeds is tried before the device \
              is bound. In the trial the task that probes removes the device, drops the driver data \
              and releases devres, and then it probes the device again. The firmware requests of \
              the first probe have ended by then. Without the option no probe removes anything.",
    kernel: "drivers/base/dd.c: really_probe() calls device_remove() and device_unbind_cleanup() \
             after the first successful call_driver_probe() and goes back to re_probe, unless the \
             driver has suppress_bind_attrs. Only the second probe comes to driver_bound(). The \
             device lock is held from the first probe to the end of the second.",
    mend: "A driver whose second probe fails has left something of the first: a name that is still \
           registered, an interrupt, a queue that still runs. Release in remove, or by devres, all \
           that probe has taken, and wait there for all that probe has started.",
    needs: &[Sight::Probes, Sight::Removes],
    check,
    mutants: &[
        Mutant::doctored("tried_unasked", tried_unasked)
            .also(&["one_at_a_time"])
            .on(Probing::Once),
        Mutant::doctored("not_tried", not_tried).on(Probing::Twice),
        Mutant::doctored("bound_before_trial", bound_before_trial).on(Probing::Twice),
        Mutant::live("remove_forgets").on(Probing::Twice),
    ],
};

/// Judges every probe that has ended. The cases are those that have succeeded, and on a kernel that
/// probes twice were tried.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    // By the driver and its registration: whether it is tried, and a probe that shows it.
    let mut tried: HashMap<(Option<u64>, Option<usize>), (bool, usize)> = HashMap::new();
    let mut registered: HashMap<u64, usize> = HashMap::new();
    for (at, probe) in life.spans.iter().enumerate() {
        if let (Kind::Register, Some(by)) = (probe.kind, probe.facts.by) {
            registered.insert(by, at);
        }
        let ended = probe.ended.is_some() && !probe.facts.by_core;
        if probe.kind != Kind::Probe || life.is_initcall_line(probe) {
            continue;
        }
        let trial = life.own(Kind::Trial, at).next().map(|(_, of)| of);
        if probe.facts.at.is_none() {
            cases += usize::from(printed(court, probe, trial)?);
            continue;
        }
        let (Some(ret), true) = (probe.ret, ended) else {
            continue;
        };
        let is_step = |span: &&Span| {
            use Kind::{Bound, Cleanup, Freed, Remove, Trial};
            let is_step = matches!(span.kind, Trial | Remove | Cleanup | Bound | Freed);
            is_step && probe.spans(span.began) && span.facts.at.is_some()
        };
        let inside = life.of_device(probe).map(|(_, span)| span);
        let inside: Vec<&Span> = inside.filter(is_step).collect();
        let mut places = probe.whole().to_vec();
        places.extend(inside.iter().map(|span| span.began));
        if life.probing == Probing::Once {
            let removes = |span: &&Span| span.kind == Kind::Remove && span.task == probe.task;
            court.demand(
                !inside.iter().any(removes),
                format!("no remove of {} in its probe", probe.on),
                &places,
            )?;
            cases += usize::from(ret == 0);
            continue;
        }
        let expected: &[Kind] = match (trial, ret) {
            (Some(_), 0) => &[Kind::Trial, Kind::Bound],
            (Some(_), _) => &[Kind::Trial, Kind::Cleanup],
            (None, 0) => &[Kind::Bound],
            (None, _) => &[Kind::Cleanup],
        };
        let in_order = inside.iter().map(|span| &span.kind).eq(expected);
        court.demand(
            in_order && inside.iter().all(|span| span.task == probe.task),
            format!("{expected:?} of {} and no more in its probe", probe.on),
            &places,
        )?;
        if let Some(again) = trial.and_then(|trial| trial.ended) {
            let mut requests = life.about(probe, Kind::Firmware);
            let left = requests.find(|of| of.spans(again) && probe.end_place() < of.end_place());
            places.extend(left.iter().flat_map(|left| left.whole()));
            court.demand(
                left.is_none(),
                format!("the firmware of {} before it is probed again", probe.on),
                &places,
            )?;
        }
        if ret == 0 {
            let driver = probe.facts.by;
            let registration = driver.and_then(|by| registered.get(&by).copied());
            let (is_tried, first) = *tried
                .entry((driver, registration))
                .or_insert((trial.is_some(), probe.began));
            places.push(first);
            // Drivers with `suppress_bind_attrs` are never tried. No source tells which have it.
            court.demand(
                is_tried == trial.is_some(),
                format!("{} to be tried as others of its driver are", probe.on),
                &places,
            )?;
        }
        cases += usize::from(ret == 0 && trial.is_some());
    }
    Ok(cases)
}

/// Judges a probe of the dmesg interface; returns whether it was tried. Drivers that print it never
/// have `suppress_bind_attrs`.
///
/// On a kernel that probes once, a trial cannot be told from an unbind and a bind by one task.
fn printed(court: &Court<'_>, probe: &Span, trial: Option<&Span>) -> Result<bool, Violation> {
    let life = court.life;
    if life.probing == Probing::Once {
        return Ok(false);
    }
    let steps = "probe_ended, removing, unbound, devres_released, probe_began";
    let expected = format!("{steps} of {} in one task", probe.on);
    let whole = trial.is_some_and(|trial| trial.ended.is_some());
    let bound = probe.ret == Some(0) && !probe.facts.by_core;
    court.demand(!bound || whole, expected.as_str(), &probe.events)?;
    if let Some(trial) = trial.filter(|_| !whole) {
        let gone = life.each(Kind::Unregister).find(|gone| {
            trial.began < gone.end_place() && gone.ended.is_some() && gone.same_driver(probe)
        });
        if let Some(gone) = gone {
            court.demand(false, expected, &[trial.began, gone.end_place()])?;
        }
    }
    Ok(whole)
}

/// Demands that the second probe succeeded as the first did, of each device of the driver, and
/// returns how many there were.
///
/// This is no promise of the kernel: a second probe may fail for want of memory, or because its
/// supplier has gone.
///
/// # Errors
///
/// The first device whose second probe failed.
pub fn second_succeeds(life: &Life, driver: &str) -> Result<usize, Violation> {
    let court = Court::of(LAW.name, life);
    let mut cases = 0;
    for (trial, _) in life.of(Kind::Trial) {
        let probe = life.around(Kind::Probe, trial);
        let Some(probe) = probe.filter(|probe| probe.driver.as_deref() == Some(driver)) else {
            continue;
        };
        cases += 1;
        court.demand(
            probe.ret == Some(0),
            format!("the second probe of {} to succeed as the first", probe.on),
            &probe.events,
        )?;
    }
    Ok(cases)
}

/// A probe that has bound its device, with the mark of that.
fn bound(life: &Life) -> impl Iterator<Item = (usize, &Span, &Span)> {
    life.of(Kind::Probe).filter_map(|(at, probe)| {
        let (_, bound) = life.own(Kind::Bound, at).next()?;
        (probe.ret == Some(0)).then_some((at, probe, bound))
    })
}

/// The probes that were tried, with their trials.
fn trials(life: &Life) -> impl Iterator<Item = (&Span, &Span, &Span)> {
    bound(life).filter_map(|(at, probe, bound)| {
        let (_, trial) = life.own(Kind::Trial, at).next()?;
        Some((probe, trial, bound))
    })
}

/// A probe is tried on a kernel that does no such thing.
fn tried_unasked(life: &Life) -> Option<Vec<Event>> {
    let (_, probe, bound) = bound(life).next()?;
    let device = fetched(life, bound)?;
    let (at, pid) = (bound.began, life.pid_of(probe));
    let cleaned = Draft::of(life).begin(at, pid, Point::Cleanup, device.clone());
    cleaned.begin(at, pid, Point::Remove, device).done()
}

/// Of the probes of a registered driver, the last is not tried.
fn not_tried(life: &Life) -> Option<Vec<Event>> {
    let tried = trials(life).filter(|(probe, ..)| {
        let registered = life.each(Kind::Register);
        let before = registered.filter(|of| of.began < probe.began && of.same_driver(probe));
        let since = before.last().map_or(0, |of| of.began);
        trials(life).any(|(other, ..)| {
            other.same_driver(probe) && (since..probe.began).contains(&other.began)
        })
    });
    let (_, trial, _) = tried.last()?;
    Draft::of(life).remove(&[trial.began, trial.ended?]).done()
}

/// A device is bound before it is tried.
fn bound_before_trial(life: &Life) -> Option<Vec<Event>> {
    let (_, trial, bound) = trials(life).next()?;
    Draft::of(life).shift(bound.began, trial.began).done()
}

#[cfg(test)]
mod tests {
    use super::super::test_life::{life_on, seen};
    use super::{not_tried, LAW};
    use crate::Life;
    use crate::Probing::Twice;

    #[test]
    fn catches_not_tried() {
        let tried = |n| {
            let trial = format!("30 probe {n}\n 30 remove {n}\n 30 cleanup {n}\n");
            format!("{trial} 30 bound {n}\n 30 probe_end 0\n")
        };
        let register = "9 register\n 9 register_end 0\n";
        let again = format!("{}{register}{}", tried(0), tried(1));
        assert_eq!(not_tried(&life_on(&again, Twice)), None);
        let more = not_tried(&life_on(&format!("{again}{}", tried(2)), Twice));
        let verdict = LAW.demand(&Life::new(more.unwrap(), Twice), 1);
        assert!(seen(verdict).contains("probe dev=\"d.2\""));
    }
}
