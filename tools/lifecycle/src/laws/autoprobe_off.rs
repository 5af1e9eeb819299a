// SPDX-License-Identifier: GPL-2.0

//! With `drivers_autoprobe` 0 nothing binds by itself; a write to `drivers_probe` binds the device,
//! synchronously.
//!
//! `drivers/base/bus.c`: `bus_add_driver()` and `bus_probe_device()` look at
//! `drivers_autoprobe`, `drivers_probe_store()` does not.

use super::violation::Court;
use super::{manual_bind_sync, Violation};
use crate::call::Kind;
use crate::probe::probes;
use crate::{Event, What};

/// Judges a log in which `driver` and `devices` devices were there without `drivers_autoprobe`, and
/// in which a write to `drivers_probe` binds `device`.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], driver: &str, device: &str) -> Result<(), Violation> {
    let court = Court {
        law: "autoprobe_off",
        events,
    };
    let (call, _) = court.call(Kind::DriversProbe, device)?;
    let early = probes(events)
        .into_iter()
        .find(|probe| probe.began < call.began || probe.device != device);
    if let Some(probe) = early {
        return Err(court.broken(
            format!("no probe but that of {device}, when asked"),
            court.at(probe.began),
        ));
    }
    let registered = events.iter().position(|event| {
        matches!(&event.what, What::Registered { driver: name, ret: 0, .. } if name == driver)
    });
    court.demand(
        registered.is_some_and(|at| at < call.began),
        format!("{driver} to be registered first"),
        "it is not",
    )?;
    manual_bind_sync::check(events, Kind::DriversProbe, device)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        registered prefer_asynchronous
        call drivers_probe d.0 9
        sync 0 9
        ended 0 0
        return drivers_probe d.0 9 0
    ";

    #[test]
    fn holds() {
        check(&log(GOOD), "d", "d.0").unwrap();
    }

    #[test]
    fn bound_by_itself() {
        for (line, more) in [
            ("registered prefer_asynchronous", "async 1"),
            ("return drivers_probe d.0 9 0", "async 1"),
        ] {
            let events = doctored(GOOD, line, &format!("{line}\n{more}"));
            assert_broken(check(&events, "d", "d.0"), "dev=d.1");
        }
        let early = GOOD.replace("call drivers", "async 0\n ended 0 0\n call drivers");
        assert_broken(check(&log(&early), "d", "d.0"), "async=1");
    }

    #[test]
    fn not_in_the_writer() {
        let events = doctored(GOOD, "sync 0 9", "async 0");
        assert_broken(check(&events, "d", "d.0"), "async=1");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&log(""), "d", "d.0"), "0 of them");
        let events = doctored(GOOD, "registered prefer_asynchronous", "");
        assert_broken(check(&events, "d", "d.0"), "it is not");
    }
}
