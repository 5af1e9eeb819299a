// SPDX-License-Identifier: GPL-2.0

//! A write to `bind` or `drivers_probe` probes in the task of the writer.

use std::collections::HashSet;

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "manual_bind_sync",
    promise: "A write to bind or drivers_probe in sysfs returns after the probe, which ran in the \
              task of the writer, whatever the probe type. The same is true of every other caller \
              of the same functions.",
    kernel: "drivers/base/dd.c: device_driver_attach() (bind) and device_attach() (drivers_probe, \
             through bus_rescan_devices_helper() in drivers/base/bus.c) probe themselves and \
             schedule nothing.",
    mend:
        "A probe that returns while it leaves work to be done breaks it for userspace: the write \
           returns, and the device does not work yet. Do the work in the probe.",
    needs: &[Sight::Probes, Sight::Sysfs],
    check,
    mutants: &[
        // As that of insmod_waits.
        Mutant::live("work_is_left").in_trials(&["convoy", "rmmod_waits", "unbind_waits"]),
        Mutant::doctored("bind_in_a_worker", bind_in_a_worker),
    ],
};

/// Judges every call of the two functions; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let shown: HashSet<&str> = life.each(Kind::Probe).map(|of| of.on.as_str()).collect();
    let mut cases = 0;
    for (at, call) in life.spans.iter().enumerate() {
        let binds = match call.kind {
            Kind::Bind => true,
            Kind::Attach => false,
            Kind::Call(kind @ (Call::Bind | Call::DriversProbe)) => {
                // A recording shows the function in the call, and not every driver prints lines.
                let inner = [Kind::Bind, Kind::Attach];
                let inner = inner.iter().any(|of| life.inside(*of, at).next().is_some());
                if inner || !shown.contains(call.on.as_str()) {
                    continue;
                }
                kind == Call::Bind
            }
            _ => continue,
        };
        cases += 1;
        let of_call = |of: &Span| match call.facts.at {
            Some(_) => of.facts.at == call.facts.at,
            None => of.on == call.on,
        };
        let during = || life.during(at).filter(|of| of_call(of));
        let scheduled = during().find(|of| {
            let probes = of.kind == Kind::Scheduled && of.is_attach_helper();
            probes && of.task == call.task
        });
        let scheduled = scheduled.map(|of| of.began);
        court.demand(
            scheduled.is_none(),
            format!("no async probe of {}", call.on),
            &[&call.whole(), scheduled.as_slice()].concat(),
        )?;
        let probes = || during().filter(|of| of.kind == Kind::Probe);
        for probe in probes() {
            // In a log of userspace's calls the probe of another task may just have begun.
            let judged = call.facts.at.is_some() || probe.task == call.task;
            court.demand(
                !judged || probe.end_place() < call.end_place() || call.ended.is_none(),
                format!("{} of {} to return after its probe", call.kind, call.on),
                &[call.began, probe.began, probe.end_place(), call.end_place()],
            )?;
        }
        let own = probes().any(|probe| probe.task == call.task && probe.ret == Some(0));
        court.demand(
            own || !binds || call.ret != Some(0),
            format!("a probe of {} in the task of the caller", call.on),
            &call.whole(),
        )?;
    }
    Ok(cases)
}

/// Judges the only write of `device` to `bind` or `drivers_probe`, which binds it: its task probes
/// once.
///
/// # Errors
///
/// How the law was broken.
pub fn check_write(life: &Life, kind: Call, device: &str) -> Result<(), Violation> {
    check_write_as(&LAW, life, kind, device)
}

/// The same for a law that promises it of such a write.
pub(super) fn check_write_as(
    law: &Law,
    life: &Life,
    kind: Call,
    device: &str,
) -> Result<(), Violation> {
    let court = Court::of(law.name, life);
    let call = court.call(kind, device)?;
    let later = |probe: &&Span| probe.on == device && call.began < probe.began;
    let probes: Vec<&Span> = life.each(Kind::Probe).filter(later).collect();
    let [probe] = probes[..] else {
        let expected = format!("one probe of {device} from the write on");
        return court.demand_seen(false, expected, format!("{} of them", probes.len()));
    };
    court.demand(
        probe.asynchronous == Some(false) && probe.task == call.task,
        "a probe in the task of the writer",
        &[call.began, probe.began],
    )?;
    court.demand(
        probe.end_place() < call.end_place(),
        format!("{kind} to return after the probe of {device}"),
        &[probe.began, probe.end_place(), call.end_place()],
    )?;
    court.demand(
        call.ret == Some(0) && probe.ret == Some(0),
        format!("probe and {kind} to succeed"),
        &[probe.end_place(), call.end_place()],
    )
}

/// Another task does what a write to `bind` did.
fn bind_in_a_worker(life: &Life) -> Option<Vec<Event>> {
    let (_, bind) = life
        .of(Kind::Bind)
        .find(|(at, bind)| bind.ret == Some(0) && life.inside(Kind::Probe, *at).next().is_some())?;
    let inside = bind.began + 1..bind.ended?;
    let draft = Draft::of(life);
    draft.by_stranger(life.pid_of(bind), inside).done()
}
