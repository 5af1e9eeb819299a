// SPDX-License-Identifier: GPL-2.0

//! A device that was unbound can be bound again.

use std::collections::HashMap;

use super::prelude::*;
use crate::errno::EBUSY;

/// The law.
pub static LAW: Law = Law {
    name: "bound_again",
    promise: "A device that was unbound can be bound again: nothing of its first driver is left on it.",
    kernel: "drivers/base/dd.c: device_unbind_cleanup() releases devres after the remove callback. \
             really_probe() refuses a device that has devres already, with -EBUSY and the line \
             \"Resources present before probing\".",
    mend: "A work item, a thread or a callback of the driver that runs beside or after the unbind has \
           added to devres: devm_*() and request_firmware() do. devres_release_all() does not release \
           what is added while it runs. End such code in the remove callback, before devres goes.",
    needs: &[Sight::Probes, Sight::Removes, Sight::AsyncWork],
    check,
    mutants: &[Mutant::doctored("resources_left", resources_left).also(&[
        "failed_probe",
        "manual_bind_sync",
        "one_at_a_time",
    ])],
};

/// The probes of devices that have been removed from a driver before.
fn again(life: &Life) -> Vec<(&Span, usize)> {
    let mut removed: HashMap<u64, usize> = HashMap::new();
    let mut again = Vec::new();
    for span in &life.spans {
        let Some(device) = span.facts.at else {
            continue;
        };
        match span.kind {
            Kind::Remove => {
                removed.insert(device, span.began);
            }
            // Another device may come to be where this one was.
            Kind::Freed => {
                removed.remove(&device);
            }
            Kind::Probe => again.extend(removed.get(&device).map(|since| (span, *since))),
            _ => {}
        }
    }
    again
}

/// Judges every probe of a device that has been unbound before; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let mut cases = 0;
    for (probe, since) in again(court.life) {
        cases += usize::from(probe.ended.is_some());
        court.demand(
            !(probe.facts.by_core && probe.ret == Some(EBUSY)),
            format!("nothing to be left on {} when it is bound again", probe.on),
            &[since, probe.began, probe.end_place()],
        )?;
    }
    Ok(cases)
}

/// The driver core refuses a device that was unbound before.
fn resources_left(life: &Life) -> Option<Vec<Event>> {
    let (probe, _) = again(life).into_iter().find(|(of, _)| of.ret == Some(0))?;
    let inside = life.spans.iter().filter(|span| {
        span.task == probe.task && probe.spans(span.began) && span.began < probe.end_place()
    });
    let places = inside.flat_map(|span| [Some(span.began), span.ended]);
    let places: Vec<usize> = places.flatten().collect();
    let refused = Draft::of(life).set_result(probe.ended?, EBUSY)?;
    refused.remove(&places).done()
}
