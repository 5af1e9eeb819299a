// SPDX-License-Identifier: GPL-2.0

//! A failed probe calls no remove and leaves nothing bound; the other devices are untouched and the
//! device is free to be bound later.
//!
//! `drivers/base/dd.c`, `really_probe()`: a failed `call_driver_probe()` goes to `probe_failed`,
//! which releases devres and driver data by `device_unbind_cleanup()` and never reaches
//! `driver_bound()`; `__driver_attach()` drops the error and goes on with the next device.

use super::violation::Court;
use super::Violation;
use crate::probe::probes;
use crate::{errno, Event, What};

/// Judges the first probes of `driver` by which `devices` devices were met, of which those in
/// `failing` fail with `ret`, a negative errno, and the others are bound.
///
/// What comes after the next probe of a failing device is not judged.
///
/// # Errors
///
/// How the law was broken.
pub fn check(
    events: &[Event],
    driver: &str,
    devices: usize,
    failing: &[&str],
    ret: i32,
) -> Result<(), Violation> {
    let court = Court {
        law: "failed_probe",
        events,
    };
    let first = court.first_probes(driver, devices)?;
    for device in failing {
        court.demand(
            first.iter().any(|probe| probe.device == *device),
            format!("a probe of {device}"),
            "none",
        )?;
    }
    court.demand(
        !failing.is_empty() && failing.len() < devices,
        "devices that fail and devices that do not",
        format!("{} of {devices} fail", failing.len()),
    )?;
    for probe in first {
        let expected = if failing.contains(&probe.device) {
            ret
        } else {
            0
        };
        let ended = probe.ended.unwrap_or(probe.began);
        court.demand(
            probe.ret == Some(expected),
            format!(
                "the probe of {} to end with {}",
                probe.device,
                errno::name(expected)
            ),
            court.at(ended),
        )?;
        if expected == 0 {
            continue;
        }
        let again = probes(events)
            .into_iter()
            .find(|next| next.device == probe.device && ended < next.began)
            .map_or(events.len(), |next| next.began);
        let undone = (ended..again).find(|at| {
            matches!(
                &events[*at].what,
                What::Removing { device, .. } | What::Unbound { device, .. }
                    if device == probe.device
            )
        });
        if let Some(undone) = undone {
            return Err(court.broken(
                format!("no remove of {}, whose probe failed", probe.device),
                court.at(undone),
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        async 0
        async 1
        arrived 1 -2
        ended 1 -2
        devres_released 1
        ended 0 0
        sync 1 9
        ended 1 0
        removing 1
        unbound 1
    ";

    fn verdict(events: &[Event]) -> Result<(), Violation> {
        check(events, "d", 2, &["d.1"], -2)
    }

    #[test]
    fn holds() {
        verdict(&log(GOOD)).unwrap();
    }

    #[test]
    fn removed_all_the_same() {
        for what in ["removing 1", "unbound 1"] {
            let events = log(&GOOD.replace("sync 1 9", &format!("{what}\n sync 1 9")));
            assert_broken(verdict(&events), what.split(' ').next().unwrap());
        }
    }

    #[test]
    fn others_are_hit() {
        assert_broken(
            verdict(&doctored(GOOD, "ended 0 0", "ended 0 -5")),
            "ret=-5",
        );
    }

    #[test]
    fn another_errno() {
        assert_broken(
            verdict(&doctored(GOOD, "ended 1 -2", "ended 1 -5")),
            "ret=-5",
        );
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&log(GOOD), "d", 2, &[], -2), "0 of 2");
        assert_broken(check(&log(GOOD), "d", 2, &["d.7"], -2), "none");
        assert_broken(check(&log(GOOD), "d", 3, &["d.1"], -2), "2 devices");
    }
}
