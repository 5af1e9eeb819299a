// SPDX-License-Identifier: GPL-2.0

//! The registration of a driver does not wait for its asynchronous probes.

use super::doctor::{registrations, returns, Draft};
use super::law::{Court, Law, Violation};
use super::mutant::Mutant;
use super::registrations::{in_helper, Registrations};
use crate::event::{Fetched, Point, Side};
use crate::life::{Kind, Life, Sight};
use crate::{Event, ProbeType};

/// The law.
pub static LAW: Law = Law {
    name: "register_returns",
    promise: "The registration of a driver that is probed asynchronously schedules the probes and \
              returns. It runs none of them itself and waits for none.",
    kernel: "drivers/base/dd.c: __driver_attach() calls async_schedule_dev() for each device and \
             goes on with the next. Where memory is short, kernel/async.c runs the probe in the \
             caller after all, which is no breach.",
    mend:
        "A match callback of the bus that attaches devices itself, or that waits for asynchronous \
           work, breaks it. Let the match callback only compare the device and the driver.",
    needs: &[Sight::Probes, Sight::Registrations],
    check,
    mutants: &[
        Mutant::live("match_waits"),
        Mutant::live("match_probes"),
        Mutant::doctored("registration_waits", registration_waits).also(&["convoy"]),
    ],
};

/// Judges every registration that sets off async probes; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let registrations = Registrations::of(life);
    let mut cases = 0;
    for (at, register) in life.of(Kind::Register) {
        if registrations.scheduled_by(at).is_empty() {
            continue;
        }
        cases += 1;
        for kind in [Kind::Probe, Kind::Flush] {
            let mut own = life.inside(kind, at);
            let own = own.find(|(inner, _)| in_helper(life, *inner).is_none());
            let places = own.map_or(vec![], |(_, own)| {
                vec![
                    register.began,
                    own.began,
                    own.end_place(),
                    register.end_place(),
                ]
            });
            court.demand(
                own.is_none(),
                format!(
                    "the registration of {} neither to probe nor to wait",
                    register.on
                ),
                &places,
            )?;
        }
    }
    Ok(cases)
}

/// Judges the registration of a PREFER driver that is slow to probe, and met `devices` devices: it
/// returned before any of the probes ended.
///
/// # Errors
///
/// How the law was broken.
pub fn check_slow(life: &Life, driver: &str, devices: usize) -> Result<(), Violation> {
    let court = Court::of(LAW.name, life);
    let prefer = Some(ProbeType::PreferAsynchronous);
    let mut registers = life.of(Kind::Register).map(|(_, register)| register);
    let register = registers.find(|of| {
        of.driver.as_deref() == Some(driver) && of.facts.probe_type == prefer && of.ret == Some(0)
    });
    let Some(register) = register else {
        let expected = format!("a registration of {driver} as prefer_asynchronous");
        return Err(court.broken(expected, "none", &life.events));
    };
    for probe in court.first_probes(driver, devices)? {
        let worker = probe.asynchronous == Some(true);
        court.demand(worker, "probes in async workers", &[probe.began])?;
        court.demand(
            register.end_place() < probe.end_place(),
            format!(
                "the registration to return before the probe of {} ends",
                probe.on
            ),
            &[probe.end_place(), register.end_place()],
        )?;
    }
    Ok(())
}

/// The registration waits for all async work before it returns.
fn registration_waits(life: &Life) -> Option<Vec<Event>> {
    let (_, register) = registrations(life).next()?;
    let (at, pid) = (register.ended?, life.pid_of(register));
    let flush = Fetched {
        domain: Some(0),
        caller: Some("doctored+0x0/0x10".into()),
        ..Fetched::default()
    };
    let mut draft = Draft::of(life);
    draft.insert(at, pid, Point::Flush, returns(None));
    draft.insert(at, pid, Point::Flush, Side::Begins(flush.into()));
    Some(draft.done())
}

#[cfg(test)]
mod tests {
    use super::super::test_life::{altered, assert_broken, assert_kept, life, seen};
    use super::*;

    const RECORDED: &str = "
        9 register
        9 schedule 0
        9 driver_attach 1
        9 probe 1
        9 probe_end 0
        9 driver_attach_end
        30 driver_attach 0
        30 probe 0
        9 register_end 0
        9 flush 0
        30 probe_end 0
        30 driver_attach_end
        9 flush_end
        8 register
        8 probe 2
        8 probe_end 0
        8 register_end 0
    ";

    const PRINTED: &str = "
        call insmod m 9
        async 0
        registered prefer_asynchronous
        async 1
        ended 1 0
        ended 0 0
    ";

    #[test]
    fn holds() {
        assert_kept(&LAW, RECORDED, 1);
        assert_kept(&LAW, PRINTED, 1);
        check_slow(&life(PRINTED), "d", 2).unwrap();
    }

    #[test]
    fn probes_itself() {
        let itself = "9 probe 3\n 9 probe_end 0\n 9 driver_attach 1";
        let itself = altered(RECORDED, "9 driver_attach 1", itself);
        assert_broken(&LAW, &itself, "d.3");
        let itself = PRINTED.replace("registered prefer", "registered 2.500 prefer");
        let itself = altered(&itself, "ended 0 0", "");
        let itself = altered(&itself, "async 0", "sync 0 9\n ended 0 0");
        assert_broken(&LAW, &itself, "async=0");
    }

    #[test]
    fn waits() {
        let waits = "9 flush 0\n 9 flush_end\n 9 register_end 0";
        let waits = altered(RECORDED, "9 register_end 0", waits);
        assert_broken(&LAW, &waits, "flush");
    }

    #[test]
    fn a_slow_probe_ends_first() {
        let first = altered(PRINTED, "ended 0 0", "");
        let first = altered(&first, "async 0", "async 0\n ended 0 0");
        let verdict = check_slow(&life(&first), "d", 2);
        assert!(seen(verdict).contains("probe_ended dev=d.0"));
        let itself = life(&altered(PRINTED, "async 0", "sync 0 9"));
        assert!(seen(check_slow(&itself, "d", 2)).contains("async=0"));
    }

    #[test]
    fn nothing_to_judge() {
        let none = life("registered prefer_asynchronous");
        assert!(seen(check_slow(&none, "d", 2)).contains("0 devices"));
        let open = life(&altered(PRINTED, "ended 0 0", ""));
        assert!(seen(check_slow(&open, "d", 2)).contains("probe_began dev=d.0"));
        let other = life(&PRINTED.replace("prefer_asynchronous", "default_strategy"));
        assert_eq!(seen(check_slow(&other, "d", 2)), "none");
        assert_eq!(seen(check_slow(&life(PRINTED), "e", 2)), "none");
    }
}
