// SPDX-License-Identifier: GPL-2.0

//! Devices before the driver and the driver before the devices give the same set of bound devices.
//!
//! `drivers/base/dd.c`: `driver_attach()` goes through the devices of the bus,
//! `device_initial_probe()` through its drivers; `drivers/base/bus.c` adds to the lists before it
//! looks.

use std::collections::BTreeSet;

use super::violation::Court;
use super::Violation;
use crate::{Event, What};

/// The devices that are bound at the end of a log.
pub fn bound(events: &[Event]) -> BTreeSet<&str> {
    let mut bound = BTreeSet::new();
    for event in events {
        match &event.what {
            What::ProbeEnded { device, ret: 0, .. } => {
                bound.insert(device.as_str());
            }
            What::Removing { device, .. } => {
                bound.remove(device.as_str());
            }
            _ => {}
        }
    }
    bound
}

/// Judges two logs, one of each order, of `devices` devices.
///
/// # Errors
///
/// How the law was broken; its events are those of both logs.
pub fn check(
    devices_first: &[Event],
    driver_first: &[Event],
    devices: usize,
) -> Result<(), Violation> {
    let both: Vec<_> = [devices_first, driver_first].concat();
    let court = Court {
        law: "order_of_arrival",
        events: &both,
    };
    let (one, other) = (bound(devices_first), bound(driver_first));
    court.demand(
        devices > 0 && one.len() == devices,
        format!("{devices} devices bound with the devices first"),
        format!("{one:?}"),
    )?;
    court.demand(
        one == other,
        format!("{one:?} bound with the driver first too"),
        format!("{other:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, log};
    use super::*;

    #[test]
    fn holds() {
        let one = log("async 0\n async 1\n ended 0 0\n ended 1 0");
        let other = log("async 1\n ended 1 0\n async 0\n ended 0 0");
        check(&one, &other, 2).unwrap();
    }

    #[test]
    fn one_is_lost() {
        let one = log("async 0\n async 1\n ended 0 0\n ended 1 0");
        let failed = log("async 0\n async 1\n ended 0 0\n ended 1 -2");
        let removed = log("async 0\n async 1\n ended 0 0\n ended 1 0\n removing 1");
        for other in [failed, removed] {
            assert_broken(check(&one, &other, 2), "{\"d.0\"}");
            assert_broken(check(&other, &one, 2), "{\"d.0\"}");
        }
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&[], &[], 2), "{}");
        assert_broken(check(&[], &[], 0), "{}");
    }
}
