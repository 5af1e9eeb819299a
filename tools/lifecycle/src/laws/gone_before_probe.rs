// SPDX-License-Identifier: GPL-2.0

//! A device that is removed after its probe was scheduled and before it ran is never probed.
//!
//! `drivers/base/dd.c`: `__device_attach_async_helper()` and `__driver_probe_device()` look at
//! `dev->p->dead`, which `device_del()` sets with the device lock held (`kill_device()`).

use super::violation::Court;
use super::Violation;
use crate::probe::probes;
use crate::Event;

/// Judges `device`, whose probe was scheduled together with that of `witness`, and which was gone
/// after the first `gone` events. That the witness is probed, and later, tells that the probe of
/// the device had not begun and would have come.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], gone: usize, device: &str, witness: &str) -> Result<(), Violation> {
    let court = Court {
        law: "gone_before_probe",
        events,
    };
    let probes = probes(events);
    let first = probes.iter().find(|probe| probe.device == witness);
    let Some(first) = first else {
        return Err(court.broken(format!("a probe of {witness}"), "none"));
    };
    court.demand(
        gone <= first.began,
        format!("the probe of {witness} to begin after {device} is gone"),
        court.at(first.began),
    )?;
    match probes.iter().find(|probe| probe.device == device) {
        Some(probe) => Err(court.broken(format!("no probe of {device}"), court.at(probe.began))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        call remove d.0 9
        return remove d.0 9 0
        async 1
        ended 1 0
    ";

    fn verdict(events: &[Event]) -> Result<(), Violation> {
        check(events, 2, "d.0", "d.1")
    }

    #[test]
    fn holds() {
        verdict(&log(GOOD)).unwrap();
    }

    #[test]
    fn probed_all_the_same() {
        let late = doctored(GOOD, "async 1", "async 1\n async 0");
        assert_broken(verdict(&late), "probe_began dev=d.0");
        let early = doctored(GOOD, "call remove d.0 9", "async 0\n call remove d.0 9");
        assert_broken(verdict(&early), "probe_began dev=d.0");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(verdict(&doctored(GOOD, "async 1", "")), "none");
        let early = doctored(GOOD, "call remove d.0 9", "async 1\n call remove d.0 9");
        assert_broken(verdict(&early), "probe_began dev=d.1");
    }
}
