// SPDX-License-Identifier: GPL-2.0

//! A firmware request lies inside the probe of its device, or in the life of the device with its
//! driver after it.

use super::law::{Court, Law, Violation};
use super::mutant::Mutant;
use crate::life::{Kind, Sight, Span};
use crate::What;

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
        let of_device = || life.of_device(span).map(|(_, of)| of);
        let probes = of_device().filter(|of| of.kind == Kind::Probe);
        let Some(probe) = probes.take_while(|of| of.began < span.began).last() else {
            continue;
        };
        cases += 1;
        let device = life.device_of(span);
        let gone = |of: &&Span| {
            let last = match probe.facts.at {
                Some(_) => Kind::Cleanup,
                None => Kind::DevresReleased,
            };
            of.kind == last && probe.began < of.began
        };
        let cleaned = of_device().find(gone).map(|of| {
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

#[cfg(test)]
mod tests {
    use super::super::test_life::{altered, assert_broken, assert_kept};
    use super::LAW;

    const RECORDED: &str = "
        30 probe 0
        30 firmware d.fw 0
        30 firmware_end -2
        30 cleanup 0
        30 probe_end 2
        30 probe 0
        30 firmware d.fw 0
        30 firmware_end 0
        30 probe_end 0
        31 firmware d.fw 0
        31 firmware_end 0
        9 release 0
        9 remove 0
        9 cleanup 0
        33 firmware d.fw 0
        33 firmware_end 0
        9 release_end
        32 firmware other.fw 7
        32 firmware_end 0
    ";

    const PRINTED: &str = "
        async 0
        arrived 0 0
        ended 0 -74
        sync 0 9
        arrived 0 -2
        ended 0 -2
        async 1
        ended 1 0
        arrived 1 0
        ready 1 0
    ";

    #[test]
    fn holds() {
        assert_kept(&LAW, RECORDED, 4);
        assert_kept(&LAW, PRINTED, 3);
    }

    #[test]
    fn the_driver_is_gone() {
        let late = altered(RECORDED, "31 firmware_end 0", "");
        let late = altered(&late, "9 release_end", "9 release_end\n 31 firmware_end 0");
        assert_broken(&LAW, &late, "31 [000] firmware_end");
        let late = altered(RECORDED, "32 firmware other.fw 7", "32 firmware d.fw 0");
        assert_broken(&LAW, &late, "32 [000] firmware");
        let gone = "removing 1\n unbound 1\n devres_released 1\n arrived 1 0";
        assert_broken(
            &LAW,
            &altered(PRINTED, "arrived 1 0", gone),
            "firmware_arrived",
        );
    }

    #[test]
    fn the_probe_has_failed() {
        let late = altered(RECORDED, "30 cleanup 0", "");
        let late = altered(
            &late,
            "30 probe_end 2",
            "30 probe_end 2\n 8 firmware x.fw 0\n 8 firmware_end 0",
        );
        assert_broken(&LAW, &late, "8 [000] firmware");
        let late = altered(PRINTED, "ended 0 -74", "ended 0 -74\n arrived 0 0");
        assert_broken(&LAW, &late, "firmware_arrived");
        let early = altered(PRINTED, "async 1", "arrived 1 0\n async 1");
        assert_broken(&LAW, &early, "firmware_arrived");
    }

    #[test]
    fn the_failure_is_ignored() {
        assert_broken(&LAW, &altered(PRINTED, "ended 0 -2", "ended 0 0"), "ret=0");
        assert_broken(
            &LAW,
            &altered(PRINTED, "ended 0 -2", "ended 0 -5"),
            "ret=-5",
        );
    }
}
