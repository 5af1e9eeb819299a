// SPDX-License-Identifier: GPL-2.0

//! A design of asynchronous probing keeps what it promises: who probes, how many devices at once,
//! and whether the call waits that brings the driver or the devices.
//!
//! `Documentation/designs.rst` tells where the designs come from.

use super::insmod_waits::Insmod;
use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::timing::most_at_once;
use crate::Event;

/// Which tasks probe, and so how many devices are probed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Probes {
    /// One device after the other, in the task that calls.
    InCaller,
    /// One device after the other, in one worker.
    InOneWorker,
    /// All devices at once, each in a worker of its own.
    InParallel,
}

/// What a design promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Promise {
    /// Whether the call waits for the probes.
    pub call: Insmod,
    /// Who probes.
    pub probes: Probes,
}

/// Judges the only call of `kind` on `on`, which brings the driver or the devices and so makes
/// `driver` probe `devices` devices, more than one, slowly and with success.
///
/// # Errors
///
/// How the promise was broken.
pub fn check(
    events: &[Event],
    kind: Kind,
    on: &str,
    driver: &str,
    devices: usize,
    promise: Promise,
) -> Result<(), Violation> {
    let court = Court {
        law: "designs",
        events,
    };
    let (call, returned) = court.call(kind, on)?;
    let probes = court.first_probes(driver, devices)?;
    court.demand(
        devices > 1,
        "devices enough to have an order",
        format!("{devices}"),
    )?;
    let mut last = call.began;
    for probe in &probes {
        let ended = probe.ended.unwrap_or(usize::MAX);
        last = last.max(ended);
        court.demand(
            probe.ret == Some(0) && call.began < probe.began,
            format!("{kind} of {on} to have {} bound", probe.device),
            court.at(ended),
        )?;
        let by_whom = match promise.probes {
            Probes::InCaller => !probe.asynchronous && probe.pid == call.pid,
            Probes::InOneWorker => probe.asynchronous && probe.pid == probes[0].pid,
            Probes::InParallel => probe.asynchronous,
        };
        court.demand(
            by_whom,
            format!("probes {:?}, {kind} is pid {}", promise.probes, call.pid),
            court.at(probe.began),
        )?;
    }
    let at_once = most_at_once(&probes);
    let expected = match promise.probes {
        Probes::InParallel => devices,
        _ => 1,
    };
    court.demand(
        at_once == expected,
        format!("{expected} probes at once"),
        format!("{at_once}"),
    )?;
    let first = probes.iter().filter_map(|probe| probe.ended).min();
    match promise.call {
        Insmod::Waits => court.demand(
            last < returned,
            format!("{kind} of {on} to return after the last probe"),
            format!("{} after it", court.at(last)),
        ),
        Insmod::Returns => court.demand(
            Some(returned) < first,
            format!("{kind} of {on} to return before the first probe ends"),
            first.map_or("no probe".to_owned(), |at| {
                format!("{} before it", court.at(at))
            }),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, log};
    use super::*;

    const IN_CALLER: &str = "
        call insmod m 9
        sync 0 9
        ended 0 0
        sync 1 9
        ended 1 0
        return insmod m 9 0
    ";

    const IN_PARALLEL: &str = "
        call insmod m 9
        async 0
        async 1
        ended 1 0
        ended 0 0
        return insmod m 9 0
    ";

    const EARLY: &str = "
        call insmod m 9
        async 0
        return insmod m 9 0
        async 1
        ended 1 0
        ended 0 0
    ";

    /// Both devices in the worker of the first.
    fn in_one_worker() -> Vec<Event> {
        let mut events = log("
            call insmod m 9
            return insmod m 9 0
            async 0
            ended 0 0
            async 1
            ended 1 0
        ");
        if let crate::What::ProbeBegan { pid, .. } = &mut events[4].what {
            *pid = 30;
        }
        events
    }

    #[test]
    fn each_log_keeps_its_own_promise_only() {
        let logs = [
            (log(IN_CALLER), Insmod::Waits, Probes::InCaller),
            (log(IN_PARALLEL), Insmod::Waits, Probes::InParallel),
            (log(EARLY), Insmod::Returns, Probes::InParallel),
            (in_one_worker(), Insmod::Returns, Probes::InOneWorker),
        ];
        for (events, insmod, probes) in &logs {
            for (_, other_insmod, other_probes) in &logs {
                let promise = Promise {
                    call: *other_insmod,
                    probes: *other_probes,
                };
                let verdict = check(events, Kind::Insmod, "m", "d", 2, promise);
                let same = insmod == other_insmod && probes == other_probes;
                assert_eq!(verdict.is_ok(), same, "{promise:?}: {events:?}");
            }
        }
    }

    #[test]
    fn parallel_but_not_all() {
        let events = log(&IN_PARALLEL
            .replace("async 1", "ended 0 0\n async 1")
            .replace("ended 1 0\n        ended 0 0", "ended 1 0"));
        let promise = Promise {
            call: Insmod::Waits,
            probes: Probes::InParallel,
        };
        assert_broken(check(&events, Kind::Insmod, "m", "d", 2, promise), "1");
    }

    #[test]
    fn one_is_not_bound() {
        let events = log(&IN_CALLER.replace("ended 1 0", "ended 1 -5"));
        let promise = Promise {
            call: Insmod::Waits,
            probes: Probes::InCaller,
        };
        assert_broken(check(&events, Kind::Insmod, "m", "d", 2, promise), "ret=-5");
        assert_broken(
            check(&log(""), Kind::Insmod, "m", "d", 2, promise),
            "0 of them",
        );
    }
}
