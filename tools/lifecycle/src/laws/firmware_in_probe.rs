// SPDX-License-Identifier: GPL-2.0

//! A firmware request lies inside the probe of its device, or in the life of the device with its
//! driver after it.

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "firmware_in_probe",
    promise: "A firmware request lies inside the probe of its device, or between that and the unbind of \
              the driver. A driver that reports its requests on the dmesg interface ends a probe in \
              which a request failed with the errno of the request.",
    kernel: "drivers/base/firmware_loader/main.c: request_firmware() loads the file in the task of its \
             caller. It keeps the device, but not the driver: a request that goes on when the driver \
             has been unbound returns into a driver that may be gone.",
    mend: "Wait in remove for each request that the driver has started (request_firmware_nowait(), a \
           work item). Return the error of a request that the device cannot do without from probe.",
    needs: &[Sight::Probes, Sight::Removes, Sight::Firmware],
    check,
    mutants: &[
        Mutant::live("firmware_after_unbind"),
        Mutant::live("firmware_ignored"),
    ],
};

/// Judges every firmware request for a device that has been probed; those are the cases. Devices
/// that are not probed in the life are not judged.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for span in &life.spans {
        match span.kind {
            Kind::Firmware => {}
            Kind::Stray => {
                let arrived = &life.events[span.began].what;
                court.demand(
                    !matches!(arrived, What::FirmwareArrived { .. }),
                    format!("firmware for {} while it has a driver", span.on),
                    &[span.began],
                )?;
                continue;
            }
            _ => continue,
        }
        let probes = life.about(span, Kind::Probe);
        let Some(probe) = probes.take_while(|of| of.began < span.began).last() else {
            continue;
        };
        cases += 1;
        let device = life.device_of(span);
        let last = match probe.facts.at {
            Some(_) => Kind::Cleanup,
            None => Kind::DevresReleased,
        };
        let mut gone = life.about(span, last);
        let cleaned = gone.find(|of| probe.began < of.began).map(|of| {
            // It drops the driver data, which may wait for the request.
            let whole = of.parent.map(|parent| life.spans[parent].end_place());
            whole.unwrap_or(of.began)
        });
        let inside = span.end_place() < probe.end_place();
        let bound = probe.ret == Some(0) || probe.ended.is_none();
        court.demand(
            cleaned.is_none_or(|cleaned| span.end_place() < cleaned) && (inside || bound),
            format!("firmware for {device} while it has a driver"),
            &[
                probe.began,
                probe.end_place(),
                cleaned.unwrap_or(usize::MAX),
                span.began,
                span.end_place(),
            ],
        )?;
        let reported = inside && span.facts.bytes.is_some();
        let failed = span.ret.filter(|ret| reported && *ret != 0);
        court.demand(
            failed.is_none() || probe.ret == failed,
            format!("the probe of {device} to end as its request for firmware did"),
            &[span.end_place(), probe.end_place()],
        )?;
    }
    Ok(cases)
}
