// SPDX-License-Identifier: GPL-2.0

//! The tables of what was collected beside a recording.

use super::table::{fold, heading, print, table, Detail};
use crate::life::Kind;
use crate::summary::Summary;

/// `include/linux/errno.h`.
const EPROBE_DEFER: i32 = 517;

/// The devices that are still deferred.
pub(super) fn deferred(summary: &Summary, detail: Detail) -> String {
    let devices = &summary.collected.deferred;
    if devices.is_empty() {
        return String::new();
    }
    let life = &summary.life;
    let tries = |name: &str| {
        let probes = life.of(Kind::Probe).map(|(_, probe)| probe);
        let of = probes.filter(|probe| probe.ret == Some(-EPROBE_DEFER) && probe.on == name);
        of.count()
    };
    let rows = fold(devices, detail, |of| tries(&of.device));
    let mut table = table(&["device", "tries", "waits for"], &[1]);
    for of in &rows.rows {
        table.add_row([
            of.device.clone(),
            tries(&of.device).to_string(),
            of.reason.clone().unwrap_or_else(|| "-".to_owned()),
        ]);
    }
    heading("Devices that are still deferred", &rows, "with most tries") + &print(&table)
}

/// The units of systemd.
pub(super) fn units(summary: &Summary, detail: Detail) -> String {
    let units = &summary.collected.units;
    if units.is_empty() {
        return String::new();
    }
    let rows = fold(units, detail, |unit| unit.active - unit.began);
    let mut table = table(&["unit", "began", "active", "took"], &[1, 2, 3]);
    for unit in &rows.rows {
        table.add_row([
            unit.name.clone(),
            unit.began.to_string(),
            unit.active.to_string(),
            (unit.active - unit.began).to_string(),
        ]);
    }
    heading("Units of systemd, since boot", &rows, "that took longest") + &print(&table)
}
