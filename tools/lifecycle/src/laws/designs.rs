// SPDX-License-Identifier: GPL-2.0

//! A design of asynchronous probing keeps what it promises.
//!
//! `Documentation/designs.rst` tells where the designs come from.

use super::prelude::*;
use crate::life::wave::at_once;

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
