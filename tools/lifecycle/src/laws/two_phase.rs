// SPDX-License-Identifier: GPL-2.0

//! A second phase holds up nothing but the unbinding of its own device.

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "two_phase",
    promise: "A probe in two phases returns before its second phase ends, and insmod does not wait \
              for the second phase. Unbind, rmmod and the removal of the device wait for it: the \
              remove callback runs when the second phase has ended.",
    kernel: "kernel/async.c: async_synchronize_full() passes over exclusive domains, in which the \
             second phases run. drivers/base/dd.c: device_release_driver_internal() takes the device \
             lock, which the second phase holds.",
    mend: "A second phase that does not hold the device lock uses a device that is being unbound. \
           Start it through async_probe::two_phase, or cancel the work in the remove callback.",
    needs: &[Sight::Probes, Sight::Removes, Sight::SecondPhases, Sight::Sysfs],
    check,
    mutants: &[],
};

/// Judges every second phase of a device that is removed later; the cases are the calls of
/// userspace during a second phase that unbind its device.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let unbinds = |of: &&Span| matches!(of.kind, Kind::Call(Call::Unbind | Call::Rmmod));
    let calls: Vec<&Span> = life.spans.iter().filter(unbinds).collect();
    let mut cases = 0;
    for phase in life.each(Kind::SecondPhase) {
        let remove = first(life, phase, Kind::Remove);
        let from = calls.partition_point(|call| call.began <= phase.began);
        let during = calls[from..]
            .iter()
            .take_while(|call| phase.spans(call.began));
        for call in during.filter(|call| call.ret == Some(0)) {
            let unbinds_it = match call.kind {
                Kind::Call(Call::Unbind) => call.on == phase.on,
                _ => remove.is_some_and(|remove| call.spans(remove.began)),
            };
            if unbinds_it {
                cases += 1;
                waits(court, phase, call)?;
            }
        }
        court.demand(
            remove.is_none_or(|remove| phase.end_place() < remove.began),
            format!("the remove of {} after its second phase", phase.on),
            &[
                phase.end_place(),
                remove.map_or(usize::MAX, |remove| remove.began),
            ],
        )?;
    }
    Ok(cases)
}

/// The first span of this kind about the device of a second phase that begins after that has begun.
fn first<'a>(life: &'a Life, phase: &'a Span, kind: Kind) -> Option<&'a Span> {
    let mut spans = life.about(phase, kind);
    spans.find(|span| phase.began < span.began)
}

/// The call, which unbinds the device of a second phase, returns after devres has been released,
/// and that is after the end of the second phase.
fn waits(court: &Court<'_>, phase: &Span, call: &Span) -> Result<(), Violation> {
    let released = first(court.life, phase, Kind::DevresReleased);
    let released = released.map_or(usize::MAX, |released| released.began);
    let (on, kind) = (&phase.on, call.kind);
    court.demand(
        phase.end_place() < released && released < call.end_place(),
        format!("the second phase of {on}, the release of devres, the return of {kind}"),
        &[phase.end_place(), released, call.end_place()],
    )
}

/// A device's probe that has ended, and its second phase.
fn phases<'a>(
    court: &Court<'a>,
    driver: &str,
    devices: usize,
) -> Result<Vec<(&'a Span, &'a Span)>, Violation> {
    let mut phases = Vec::new();
    for probe in court.first_probes(driver, devices)? {
        let second = court.second_phase(probe);
        let in_order =
            second.filter(|phase| probe.ret == Some(0) && probe.end_place() < phase.end_place());
        let Some(second) = in_order else {
            let places = [Some(probe.began), second.and_then(|phase| phase.ended)];
            let places: Vec<usize> = places.into_iter().flatten().collect();
            let expected = format!("{} to be bound, and ready later", probe.on);
            court.demand(false, expected, &places)?;
            continue;
        };
        phases.push((probe, second));
    }
    Ok(phases)
}

/// Judges the insmod of `module`, the driver's or the devices', which makes `driver` probe
/// `devices` devices, whose second phases are slow: it returns before any of them ends.
///
/// # Errors
///
/// How the law was broken.
pub fn check_insmod(
    life: &Life,
    module: &str,
    driver: &str,
    devices: usize,
) -> Result<(), Violation> {
    let court = Court::of(LAW.name, life);
    let returned = court.call(Call::Insmod, module)?.end_place();
    for (probe, phase) in phases(&court, driver, devices)? {
        let on = &probe.on;
        court.demand(
            probe.end_place() < returned && returned < phase.end_place(),
            format!("insmod of {module} to return after the probe of {on} and before it is ready"),
            &[probe.end_place(), returned, phase.end_place()],
        )?;
    }
    Ok(())
}

/// Judges the only call of `kind` on `on`, which unbinds `device` during its second phase: it
/// returns after devres has been released.
///
/// # Errors
///
/// How the law was broken.
pub fn check_unbind(
    life: &Life,
    kind: Call,
    on: &str,
    driver: &str,
    devices: usize,
    device: &str,
) -> Result<(), Violation> {
    let court = Court::of(LAW.name, life);
    let call = court.call(kind, on)?;
    let phases = phases(&court, driver, devices)?;
    let Some((probe, phase)) = phases.into_iter().find(|(probe, _)| probe.on == device) else {
        return court.demand_seen(false, format!("a probe of {device}"), "none");
    };
    court.demand(
        probe.end_place() < call.began && call.began < phase.end_place(),
        format!("{kind} of {on} during the second phase of {device}"),
        &[probe.end_place(), call.began, phase.end_place()],
    )?;
    waits(&court, phase, call)
}
