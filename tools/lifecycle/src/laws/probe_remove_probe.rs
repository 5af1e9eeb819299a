// SPDX-License-Identifier: GPL-2.0

//! A kernel that tries drivers removes and probes each device once more before it is bound.

use std::collections::HashMap;

use super::doctor::Draft;
use super::law::{Court, Law, Violation};
use super::mutant::Mutant;
use crate::event::{Point, Side};
use crate::life::{Kind, Life, Sight, Span};
use crate::{Event, Probing};

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
        let steps = [
            Kind::Trial,
            Kind::Remove,
            Kind::Cleanup,
            Kind::Bound,
            Kind::Freed,
        ];
        let inside = life.of_device(probe).map(|(_, span)| span);
        let inside = inside.filter(|span| probe.spans(span.began) && span.facts.at.is_some());
        let inside: Vec<&Span> = inside.filter(|span| steps.contains(&span.kind)).collect();
        let mut places = vec![probe.began, probe.end_place()];
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
            let requests = life.of_device(probe).map(|(_, request)| request);
            let mut requests = requests.filter(|request| request.kind == Kind::Firmware);
            let left = requests.find(|of| of.spans(again) && probe.end_place() < of.end_place());
            places.extend(left.iter().flat_map(|left| [left.began, left.end_place()]));
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
    let expected = || {
        format!(
            "probe_ended, removing, unbound, devres_released, probe_began of {} in one task",
            probe.on
        )
    };
    let whole = trial.is_some_and(|trial| trial.ended.is_some());
    let bound = probe.ret == Some(0) && !probe.facts.by_core;
    court.demand(!bound || whole, expected(), &probe.events)?;
    if let Some(trial) = trial.filter(|_| !whole) {
        let gone = life.of(Kind::Unregister).find(|(_, gone)| {
            trial.began < gone.end_place() && gone.ended.is_some() && gone.same_driver(probe)
        });
        if let Some((_, gone)) = gone {
            court.demand(false, expected(), &[trial.began, gone.end_place()])?;
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
    let court = Court {
        law: LAW.name,
        life,
    };
    let mut cases = 0;
    for (trial, _) in life.of(Kind::Trial) {
        let probe = life.within(trial, |outer| outer.kind == Kind::Probe);
        let probe = probe.map(|probe| &life.spans[probe]);
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
    let probes = life
        .of(Kind::Probe)
        .filter(|(_, probe)| probe.ret == Some(0));
    probes.filter_map(|(at, probe)| {
        let (_, bound) = life.own(Kind::Bound, at).next()?;
        Some((at, probe, bound))
    })
}

/// The probes that were tried, with their trials.
fn trials(life: &Life) -> Vec<(&Span, &Span, &Span)> {
    let bound = bound(life);
    let trials = bound.filter_map(|(at, probe, bound)| {
        let (_, trial) = life.own(Kind::Trial, at).next()?;
        Some((probe, trial, bound))
    });
    trials.collect()
}

/// A probe is tried on a kernel that does no such thing.
fn tried_unasked(life: &Life) -> Option<Vec<Event>> {
    let (_, probe, bound) = bound(life).next()?;
    let device = super::doctor::fetched(life, bound)?;
    let mut draft = Draft::of(life);
    for point in [Point::Cleanup, Point::Remove] {
        let begins = Side::Begins(device.clone().into());
        draft.insert(bound.began, life.pid_of(probe), point, begins);
    }
    Some(draft.done())
}

/// Of the probes of a registered driver, the last is not tried.
fn not_tried(life: &Life) -> Option<Vec<Event>> {
    let trials = trials(life);
    let (_, trial, _) = trials.iter().rev().find(|(probe, ..)| {
        let registered = life.of(Kind::Register).map(|(_, of)| of);
        let before = registered.filter(|of| of.began < probe.began && of.same_driver(probe));
        let since = before.last().map_or(0, |of| of.began);
        trials.iter().any(|(other, ..)| {
            other.same_driver(probe) && (since..probe.began).contains(&other.began)
        })
    })?;
    let mut draft = Draft::of(life);
    draft.remove(trial.ended?);
    draft.remove(trial.began);
    Some(draft.done())
}

/// A device is bound before it is tried.
fn bound_before_trial(life: &Life) -> Option<Vec<Event>> {
    let trials = trials(life);
    let (_, trial, bound) = trials.first()?;
    let mut draft = Draft::of(life);
    draft.shift(bound.began, trial.began);
    Some(draft.done())
}

#[cfg(test)]
mod tests {
    use super::super::judge;
    use super::super::law::Verdict;
    use super::super::test_life::{altered, broken_in, kept_in, life_on};
    use super::{not_tried, second_succeeds, LAW};
    use crate::Life;
    use crate::Probing::{self, Once, Twice};

    /// The law is kept in so many cases on a kernel that probes so often.
    fn kept(lines: &str, probing: Probing, cases: usize) {
        kept_in(&LAW, &life_on(lines, probing), cases);
    }

    /// It is broken there, and what it saw contains `seen`.
    fn broken(lines: &str, probing: Probing, seen: &str) {
        broken_in(&LAW, &life_on(lines, probing), seen);
    }

    /// A probe, one that fails at once, one that fails the second time, and those of a driver with
    /// `suppress_bind_attrs`.
    const RECORDED: &str = "
        30 probe 0
        30 firmware f 0
        30 firmware_end 0
        30 remove 0
        30 cleanup 0
        31 probe 1
        31 cleanup 1
        31 probe_end 2
        30 bound 0
        30 probe_end 0
        32 probe 2
        32 remove 2
        32 cleanup 2
        32 cleanup 2
        32 probe_end 5
        9 release 0
        9 remove 0
        9 cleanup 0
        9 release_end
        30 probe 3 drv=e
        30 bound 3
        30 probe_end 0
        30 probe 4 drv=e
        30 probe_end -517
    ";

    #[test]
    fn holds() {
        kept(RECORDED, Twice, 1);
        kept("", Twice, 0);
    }

    #[test]
    fn half_a_trial() {
        for line in ["30 remove 0", "30 cleanup 0"] {
            for with in ["", &format!("{line}\n{line}")] {
                broken(&altered(RECORDED, line, with), Twice, "probe dev=\"d.0\"");
            }
        }
        let turned = altered(RECORDED, "30 remove 0", "30 cleanup 0");
        let turned = turned.replacen("30 cleanup 0\n        31", "30 remove 0\n 31", 1);
        broken(&turned, Twice, "cleanup");
        let failed = altered(RECORDED, "31 cleanup 1", "31 remove 1\n 31 cleanup 1");
        broken(&failed, Twice, "dev=\"d.1\"");
    }

    #[test]
    fn bound_before_it_is_tried() {
        let early = altered(RECORDED, "30 bound 0", "");
        let early = altered(&early, "30 remove 0", "30 bound 0\n 30 remove 0");
        broken(&early, Twice, "bound");
        let twice = altered(RECORDED, "30 remove 0", "30 bound 0\n 30 remove 0");
        broken(&twice, Twice, "bound");
    }

    #[test]
    fn another_task_comes_between() {
        let other = altered(RECORDED, "30 cleanup 0", "8 cleanup 0");
        broken(&other, Twice, "cleanup");
        let freed = altered(RECORDED, "30 cleanup 0", "30 cleanup 0\n 8 freed 0");
        broken(&freed, Twice, "freed");
    }

    #[test]
    fn the_first_life_is_not_over() {
        let late = altered(RECORDED, "30 firmware_end 0", "");
        let late = altered(&late, "30 firmware f 0", "8 firmware f 0");
        let over = altered(&late, "30 bound 0", "8 firmware_end 0\n 30 bound 0");
        kept(&over, Twice, 1);
        let left = altered(&late, "9 release 0", "8 firmware_end 0\n 9 release 0");
        broken(&left, Twice, "firmware_end");
        // That of the second life may go on.
        let second = altered(&left, "8 firmware f 0", "");
        let second = altered(&second, "30 cleanup 0", "30 cleanup 0\n 8 firmware f 0");
        kept(&second, Twice, 1);
    }

    #[test]
    fn not_tried_each_time() {
        let more = format!("{RECORDED}\n 30 probe 5\n 30 bound 5\n 30 probe_end 0");
        broken(&more, Twice, "probe dev=\"d.5\"");
        // By another driver in the same place it may be.
        let another = more.replace("30 probe 5", "9 register\n 9 register_end 0\n 30 probe 5");
        kept(&another, Twice, 1);
    }

    #[test]
    fn tried_without_the_option() {
        broken(RECORDED, Once, "remove dev=\"d.0\"");
        let never = altered(&altered(RECORDED, "30 remove 0", ""), "30 cleanup 0", "");
        broken(&never, Once, "remove dev=\"d.2\"");
        let never = never.replacen("32 remove 2\n        32 cleanup 2\n", "", 1);
        kept(&never, Once, 2);
    }

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
        broken_in(&LAW, &Life::new(more.unwrap(), Twice), "probe dev=\"d.2\"");
    }

    const PRINTED: &[&str] = &[
        "async 0",
        "arrived 0 0",
        "ended 0 0",
        "removing 0",
        "unbound 0",
        "devres_released 0",
        "async 0",
        "arrived 0 0",
        "ended 0 0",
    ];

    /// With other lines in the place of some.
    fn printed(range: std::ops::Range<usize>, lines: &[&'static str]) -> String {
        let mut altered = PRINTED.to_vec();
        altered.splice(range, lines.iter().copied());
        altered.join("\n")
    }

    #[test]
    fn holds_as_printed() {
        let all = |lines: &[&str], cases| kept(&lines.join("\n"), Twice, cases);
        all(PRINTED, 1);
        // Nothing is tried after a failure. A bind by hand afterwards begins anew.
        let failed = ["sync 0 9", "ended 0 -2", "devres_released 0"];
        all(&[&failed[..], PRINTED].concat(), 1);
        // The second probe may fail for reasons of its own.
        all(&[&PRINTED[..8], &failed[1..]].concat(), 1);
        all(&[PRINTED, &PRINTED[3..6], PRINTED].concat(), 2);
        all(&PRINTED[..2], 0);
        // In two phases.
        let two = printed(1..3, &["ended 0 0", "arrived 0 0", "ready 0 0"]);
        kept(&two, Twice, 1);
        let two = printed(5..5, &["arrived 0 0", "ready 0 0"]);
        kept(&two, Twice, 1);
        // Other devices meanwhile.
        let others = PRINTED.iter().map(|line| line.replacen('0', "1", 1));
        let both = PRINTED.iter().zip(others);
        let both: Vec<_> = both.map(|(one, other)| format!("{one}\n{other}")).collect();
        kept(&both.join("\n"), Twice, 2);
    }

    /// A task adds two devices, and probes them, while another one unloads their driver.
    #[test]
    fn added_meanwhile() {
        let lines = [
            "sync 0 9",
            "call rmmod m 8",
            "ended 0 0",
            "removing 0",
            "unbound 0",
            "devres_released 0",
            "sync 0 9",
            "ended 0 0",
            "sync 1 9",
            "ended 1 -2",
            "unregistered 9.000",
            "return rmmod m 8 0",
        ];
        kept(&lines.join("\n"), Twice, 1);
    }

    #[test]
    fn every_line_counts() {
        let not_kept = |lines: &str| {
            let life = life_on(lines, Twice);
            let kept = LAW.verdict(&life) == Verdict::Kept(1);
            assert!(!kept || second_succeeds(&life, "d") != Ok(1), "{lines}");
        };
        for (at, line) in PRINTED.iter().enumerate() {
            if line.starts_with("arrived") || at == 8 {
                continue;
            }
            not_kept(&printed(at..at + 1, &[]));
            not_kept(&printed(at..at, &[line]));
        }
        for at in 2..6 {
            not_kept(&printed(at..at + 2, &[PRINTED[at + 1], PRINTED[at]]));
        }
    }

    #[test]
    fn never_tried() {
        for count in [3, 6] {
            let gone = format!("{}\n unregistered", PRINTED[..count].join("\n"));
            broken(&gone, Twice, "unregistered");
        }
        // It is bound at once, and unbound later.
        let lines = printed(6..7, &["unregistered", "sync 0 9"]);
        broken(&lines, Twice, "ret=0");
        broken(&printed(6..7, &["sync 0 8"]), Twice, "ret=0");
    }

    #[test]
    fn the_driver_core_fails() {
        // It had no memory for the links in sysfs, say.
        let lines = "
            call insmod m 9
            sync 0 9
            ended 0 0
            removing 0
            unbound 0
            devres_released 0
            return insmod m 9 0
        ";
        kept(lines, Twice, 0);
        let again = lines.to_owned() + &lines.replace("return", "sync 0 9\n ended 0 0\n return");
        kept(&again, Twice, 1);
    }

    /// A trial that both sources show, and a probe that fails meanwhile: no law complains.
    #[test]
    fn recorded_and_printed() {
        let life = life_on(
            "
            30 probe 0
            async 0
            arrived 0 0
            31 probe 1
            async 1
            ended 0 0
            30 remove 0
            removing 0
            30 cleanup 0
            unbound 0
            devres_released 0
            async 0
            arrived 1 -2
            arrived 0 0
            ended 1 -2
            31 cleanup 1
            devres_released 1
            ended 0 0
            30 bound 0
            30 uevent 0 bind
            31 probe_end 2
            30 probe_end 0
            9 release 0
            9 remove 0
            removing 0
            9 cleanup 0
            unbound 0
            devres_released 0
            9 uevent 0 unbind
            9 release_end
            ",
            Twice,
        );
        kept_in(&LAW, &life, 1);
        assert_eq!(second_succeeds(&life, "d"), Ok(1));
        for (law, verdict) in judge(&life) {
            assert!(!matches!(verdict, Verdict::Broken(_)), "{law}: {verdict:?}");
        }
    }

    #[test]
    fn something_is_left() {
        let second = |lines: &str| second_succeeds(&life_on(lines, Twice), "d");
        assert_eq!(second(&PRINTED.join("\n")), Ok(1));
        assert_eq!(second(&printed(2..9, &["ended 0 -2"])), Ok(0));
        let failed = second(&printed(8..9, &["ended 0 -17"])).unwrap_err();
        assert!(failed.seen.contains("ret=-17"), "{failed}");
        let never = second(&PRINTED[..7].join("\n")).unwrap_err();
        assert!(never.seen.contains("probe_began"), "{never}");
    }
}
