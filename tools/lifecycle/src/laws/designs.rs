// SPDX-License-Identifier: GPL-2.0

//! A design of asynchronous probing keeps what it promises.
//!
//! `Documentation/designs.rst` tells where the designs come from.

use super::law::{Court, Law, Violation};
use crate::event::Call;
use crate::life::wave::at_once;
use crate::life::{Life, Sight};

/// The law.
pub static LAW: Law = Law {
    name: "designs",
    promise:
        "A design says which tasks probe, how many devices they probe at once, and whether the \
              call waits that brings the driver or the devices.",
    kernel:
        "drivers/base/dd.c: __driver_attach() and __device_attach() schedule probes or run them; \
             kernel/async.c: async_synchronize_full() does not wait for exclusive domains.",
    mend:
        "The probe type or the domain of the driver is not the one that its design needs. Compare \
           the driver's registration with Documentation/designs.rst.",
    needs: &[Sight::Expectation],
    check: |_| Ok(0),
    mutants: &[],
};

/// Whether a call waits for the probes that it sets off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insmod {
    /// It returns after every probe has ended.
    Waits,
    /// It returns before any probe has ended.
    Returns,
}

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
    /// Which tasks probe.
    pub probes: Probes,
}

/// Judges the only call of `kind` on `on`, which brings the driver or the devices and so makes
/// `driver` probe `devices` devices, more than one, slowly and with success.
///
/// # Errors
///
/// How the promise was broken.
pub fn check(
    life: &Life,
    kind: Call,
    on: &str,
    driver: &str,
    devices: usize,
    promise: Promise,
) -> Result<(), Violation> {
    let court = Court::of(LAW.name, life);
    let call = court.call(kind, on)?;
    court.demand(
        call.ret == Some(0),
        format!("{kind} of {on} to succeed"),
        &[call.end_place()],
    )?;
    let probes = court.first_probes(driver, devices)?;
    let expected = "devices enough to have an order";
    court.demand_seen(devices > 1, expected, format!("{devices}"))?;
    let pid = life.pid_of(call).unwrap_or_default();
    for probe in &probes {
        let ended = probe.end_place();
        court.demand(
            probe.ret == Some(0) && call.began < probe.began,
            format!("{kind} of {on} to have {} bound", probe.on),
            &[probe.began, ended],
        )?;
        let asynchronous = probe.asynchronous == Some(true);
        let in_its_task = match promise.probes {
            Probes::InCaller => !asynchronous && probe.task == call.task,
            Probes::InOneWorker => asynchronous && probe.task == probes[0].task,
            Probes::InParallel => asynchronous,
        };
        court.demand(
            in_its_task,
            format!("probes {:?}, {kind} is pid {pid}", promise.probes),
            &[probe.began],
        )?;
        let returned = call.end_place();
        let (waits, expected) = match promise.call {
            Insmod::Waits => (ended < returned, "after the probe of"),
            Insmod::Returns => (returned < ended, "before the end of the probe of"),
        };
        court.demand(
            waits,
            format!("{kind} of {on} to return {expected} {}", probe.on),
            &[ended, returned],
        )?;
    }
    let times: Vec<_> = probes
        .iter()
        .map(|probe| (probe.begin, probe.end.unwrap_or(life.end)))
        .collect();
    let (at_once, expected) = match promise.probes {
        Probes::InParallel => (at_once(&times), devices),
        _ => (at_once(&times), 1),
    };
    court.demand_seen(
        at_once == expected,
        format!("{expected} probes at once"),
        format!("{at_once} at once"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::test_life::{life, seen};
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
    const IN_ONE_WORKER: &str = "
        call insmod m 9
        return insmod m 9 0
        async 0
        ended 0 0
        async 1 30
        ended 1 0
    ";

    fn judge(lines: &str, call: Insmod, probes: Probes) -> Result<(), Violation> {
        let promise = Promise { call, probes };
        check(&life(lines), Call::Insmod, "m", "d", 2, promise)
    }

    #[test]
    fn each_log_keeps_its_own_promise_only() {
        let logs = [
            (IN_CALLER, Insmod::Waits, Probes::InCaller),
            (IN_PARALLEL, Insmod::Waits, Probes::InParallel),
            (EARLY, Insmod::Returns, Probes::InParallel),
            (IN_ONE_WORKER, Insmod::Returns, Probes::InOneWorker),
        ];
        for (lines, insmod, probes) in logs {
            for (_, other_insmod, other_probes) in logs {
                let verdict = judge(lines, other_insmod, other_probes);
                let same = insmod == other_insmod && probes == other_probes;
                assert_eq!(
                    verdict.is_ok(),
                    same,
                    "{other_insmod:?} {other_probes:?}: {lines}"
                );
            }
        }
    }

    #[test]
    fn parallel_but_not_all() {
        let lines = IN_PARALLEL
            .replace("async 1", "ended 0 0\n async 1")
            .replace("ended 1 0\n        ended 0 0", "ended 1 0");
        let verdict = judge(&lines, Insmod::Waits, Probes::InParallel);
        assert_eq!(seen(verdict), "1 at once");
    }

    #[test]
    fn one_after_the_other_in_one_task() {
        let lines = "
            call insmod m 9
            sync 0 9
            sync 1 9
            ended 0 0
            ended 1 0
            return insmod m 9 0
        ";
        let verdict = judge(lines, Insmod::Waits, Probes::InCaller);
        assert_eq!(seen(verdict), "2 at once");
    }

    #[test]
    fn in_another_task() {
        let lines = IN_CALLER.replace("sync 1 9", "sync 1 8");
        let verdict = judge(&lines, Insmod::Waits, Probes::InCaller);
        assert!(seen(verdict).contains("pid=8"));
        let lines = IN_PARALLEL.replace("async 1", "sync 1 9");
        let verdict = judge(&lines, Insmod::Waits, Probes::InParallel);
        assert!(seen(verdict).contains("async=0"));
    }

    #[test]
    fn one_is_not_bound() {
        let lines = IN_CALLER.replace("ended 1 0", "ended 1 -5");
        let verdict = judge(&lines, Insmod::Waits, Probes::InCaller);
        assert!(seen(verdict).contains("ret=-5"));
    }

    #[test]
    fn nothing_to_judge() {
        let in_caller = |lines: &str| seen(judge(lines, Insmod::Waits, Probes::InCaller));
        assert_eq!(in_caller(""), "0 of them");
        assert!(in_caller(&IN_CALLER.replace("m 9 0", "m 9 -22")).contains("ret=-22"));
        let open = IN_CALLER.replace("return insmod m 9 0", "");
        assert!(in_caller(&open).contains("call_began"));
        assert!(in_caller(&IN_CALLER.replace("ended 1 0", "")).contains("probe_began dev=d.1"));
        let one = IN_CALLER.replace("sync 1 9", "").replace("ended 1 0", "");
        assert_eq!(in_caller(&one), "1 devices probed");
    }
}
