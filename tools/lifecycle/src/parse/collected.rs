// SPDX-License-Identifier: GPL-2.0

//! What `probe-analyze collect` has put beside a recording: the units of systemd, the devices
//! that are still deferred, and where all devices are.

use serde::{Deserialize, Serialize};

use crate::micros::Micros;

/// All of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Collected {
    /// In the order in which they began.
    pub units: Vec<Unit>,
    /// In the kernel's order.
    pub deferred: Vec<Deferred>,
    /// The paths of devices below `/sys/devices`.
    #[serde(skip)]
    pub devices: Vec<String>,
}

/// A unit of systemd that has become active. The times are of `CLOCK_MONOTONIC`, which began
/// within the first second of the kernel's log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unit {
    /// Its name.
    pub name: String,
    /// When systemd began to start it.
    pub began: Micros,
    /// When it was started.
    pub active: Micros,
}

/// A device whose last probe was deferred (`/sys/kernel/debug/devices_deferred`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deferred {
    /// Its name.
    pub device: String,
    /// What it waits for, if its driver or the driver core has said so.
    pub reason: Option<String>,
}

impl Collected {
    /// What the parts of a recording have.
    pub(crate) fn of(parts: &[(&str, &str)]) -> Self {
        let part = |name: &str| {
            let part = parts.iter().find(|(of, _)| *of == name);
            part.map_or("", |(_, text)| *text)
        };
        let mut units: Vec<Unit> = part("systemd-units")
            .split("\n\n")
            .filter_map(unit)
            .collect();
        units.sort_by_key(|unit| unit.began);
        Self {
            units,
            deferred: part("deferred").lines().filter_map(deferred).collect(),
            devices: part("devices").lines().map(str::to_owned).collect(),
        }
    }

    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.units.is_empty() && self.deferred.is_empty()
    }
}

/// What `systemctl show` prints of a unit. A time is 0 if that has not happened.
fn unit(text: &str) -> Option<Unit> {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.split_once('='));
        lines.find(|(key, _)| *key == name).map(|(_, value)| value)
    };
    let time = |name: &str| {
        let time = field(name)?.parse().ok().map(Micros);
        time.filter(|time| *time > Micros(0))
    };
    Some(Unit {
        name: field("Id")?.to_owned(),
        began: time("InactiveExitTimestampMonotonic")?,
        active: time("ActiveEnterTimestampMonotonic")?,
    })
}

/// `DEVICE\tREASON` (`drivers/base/dd.c`, deferred_devs_show()).
fn deferred(line: &str) -> Option<Deferred> {
    let (device, reason) = line.split_once('\t').unwrap_or((line, ""));
    (!device.is_empty()).then(|| Deferred {
        device: device.to_owned(),
        reason: Some(reason.trim())
            .filter(|reason| !reason.is_empty())
            .map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let units = "Id=late.service\nInactiveExitTimestampMonotonic=3000\n\
                     ActiveEnterTimestampMonotonic=5000\n\n\
                     Id=never.service\nInactiveExitTimestampMonotonic=0\n\
                     ActiveEnterTimestampMonotonic=0\n\n\
                     ActiveEnterTimestampMonotonic=2000\nId=early.mount\n\
                     InactiveExitTimestampMonotonic=1000\n";
        let deferred = "1c10000.pci\tsupplier 1c16000.phy not ready\nleds\t\n\n";
        let collected = Collected::of(&[("deferred", deferred), ("systemd-units", units)]);
        let unit = |name: &str, began, active| Unit {
            name: name.to_owned(),
            began: Micros(began),
            active: Micros(active),
        };
        let units_of = [
            unit("early.mount", 1000, 2000),
            unit("late.service", 3000, 5000),
        ];
        assert_eq!(collected.units, units_of);
        let deferred = |device: &str, reason: Option<&str>| Deferred {
            device: device.to_owned(),
            reason: reason.map(str::to_owned),
        };
        let reason = Some("supplier 1c16000.phy not ready");
        let expected = [deferred("1c10000.pci", reason), deferred("leds", None)];
        assert_eq!(collected.deferred, expected);
        assert!(Collected::of(&[("dmesg", units)]).is_empty());
    }
}
