// SPDX-License-Identifier: GPL-2.0

//! It does not matter whether the driver comes first or the devices do.

use std::collections::BTreeSet;

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "order_of_arrival",
    promise: "Devices that are there before their driver and devices that come after it are bound \
              alike.",
    kernel: "drivers/base/dd.c: driver_attach() goes through the devices of the bus, \
             device_initial_probe() through its drivers; drivers/base/bus.c adds to its lists before \
             it looks.",
    mend: "A match callback that depends on the task or on the time breaks it. Let it only compare \
           the device and the driver.",
    // It is about two lives.
    needs: &[Sight::Probes, Sight::Removes, Sight::Expectation],
    check: |_| Ok(0),
    mutants: &[Mutant::live("late_devices_refused")],
};

/// The devices that are bound at the end of a life.
pub fn bound(life: &Life) -> BTreeSet<&str> {
    let mut bound = BTreeSet::new();
    let mut ends: Vec<(usize, bool, &str)> = life
        .spans
        .iter()
        .filter_map(|span| match (span.kind, span.ret) {
            (Kind::Probe, Some(0)) => Some((span.ended?, true, span.on.as_str())),
            (Kind::Remove, _) => Some((span.began, false, span.on.as_str())),
            _ => None,
        })
        .collect();
    ends.sort_unstable();
    for (_, binds, device) in ends {
        match binds {
            true => bound.insert(device),
            false => bound.remove(device),
        };
    }
    bound
}

/// Judges two lives, one of each order, of `devices` devices.
///
/// # Errors
///
/// How the law was broken.
pub fn check(devices_first: &Life, driver_first: &Life, devices: usize) -> Result<(), Violation> {
    let (one, other) = (bound(devices_first), bound(driver_first));
    Court::of(LAW.name, devices_first).demand_seen(
        devices > 0 && one.len() == devices,
        format!("{devices} devices bound with the devices first"),
        format!("{one:?}"),
    )?;
    Court::of(LAW.name, driver_first).demand_seen(
        one == other,
        format!("{one:?} bound with the driver first too"),
        format!("{other:?}"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::test_life::{life, seen};
    use super::*;

    #[test]
    fn all_or_one_is_lost() {
        let one = life("async 0\n async 1\n ended 0 0\n ended 1 0");
        let other = life("async 1\n ended 1 0\n async 0\n ended 0 0");
        check(&one, &other, 2).unwrap();
        let failed = life("async 0\n async 1\n ended 0 0\n ended 1 -2");
        let removed = life("async 0\n async 1\n ended 0 0\n ended 1 0\n removing 1");
        for other in [failed, removed] {
            assert_eq!(seen(check(&one, &other, 2)), "{\"d.0\"}");
            assert_eq!(seen(check(&other, &one, 2)), "{\"d.0\"}");
        }
    }

    #[test]
    fn nothing_to_judge() {
        let none = life("");
        assert_eq!(seen(check(&none, &none, 2)), "{}");
        assert_eq!(seen(check(&none, &none, 0)), "{}");
    }
}
