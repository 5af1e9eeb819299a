// SPDX-License-Identifier: GPL-2.0

//! The tables of what was collected beside a recording.

use super::table::{fold, or_dash, Detail};
use crate::errno::EPROBE_DEFER;
use crate::life::Kind;
use crate::summary::Summary;

/// The devices that are still deferred.
pub(super) fn deferred(summary: &Summary, detail: Detail) -> String {
    let tries = |name: &str| {
        let probes = summary.life.of(Kind::Probe);
        let deferred = probes.filter(|(_, probe)| probe.ret == Some(EPROBE_DEFER));
        deferred.filter(|(_, probe)| probe.on == name).count()
    };
    let rows = fold(&summary.collected.deferred, detail, |of| tries(&of.device));
    rows.table(
        "Devices that are still deferred",
        "with most tries",
        &["device", "tries", "waits for"],
        &[1],
        |of| {
            let tries = tries(&of.device).to_string();
            [of.device.clone(), tries, or_dash(of.reason.as_ref())]
        },
    )
}

/// The units of systemd.
pub(super) fn units(summary: &Summary, detail: Detail) -> String {
    let units = &summary.collected.units;
    fold(units, detail, |unit| unit.active - unit.began).table(
        "Units of systemd, since boot",
        "that took longest",
        &["unit", "began", "active", "took"],
        &[1, 2, 3],
        |unit| {
            let times = [unit.began, unit.active, unit.active - unit.began];
            let [began, active, took] = times.map(|time| time.to_string());
            [unit.name.clone(), began, active, took]
        },
    )
}
