// SPDX-License-Identifier: GPL-2.0

//! The tables of the designs.

use comfy_table::Table;

use super::{print, table, title, Style};
use crate::benchmark::Group;
use crate::measured::{Bind, OwnRmmod, Row};
use crate::Benchmark;

/// The tables of the designs, each under a line that says what it shows.
pub fn designs(benchmark: &Benchmark, style: Style) -> String {
    let mut text = String::new();
    for group in &benchmark.groups {
        let firmware_ms = group.rows.first().map_or(0, |row| row.firmware_ms);
        let line = format!(
            "{} devices, {firmware_ms} ms of firmware each (times in ms)",
            group.devices
        );
        title(&mut text, style, &line);
        text += &print(rows(group, style), style);
        if let Some(cold) = group.cold {
            text += &format!(
                "\nThe first probes after boot, while workers were created: {} / {} = {:.3}\n",
                ms(cold.bound_ns),
                ms(cold.slowest_ns),
                cold.ratio()
            );
        }
        text.push('\n');
    }
    if let Some(upstream) = benchmark.upstream {
        text += &format!(
            "Upstream's test_async_driver_probe, all of whose probes take 5 s: own insmod {} ms,\n\
             unrelated insmod 1.5 s later {} ms, own rmmod of bound devices {} ms.\n\n",
            ms(upstream.insmod_ns),
            ms(upstream.other_insmod_ns),
            ms(upstream.rmmod_ns)
        );
    }
    if !benchmark.bind.is_empty() {
        let line = format!("Devices that are bound at once ({})", benchmark.unit());
        title(&mut text, style, &line);
        text += &print(bind(&benchmark.bind, style), style);
        text.push('\n');
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

fn ms(ns: u64) -> String {
    format!("{:.1}", ns as f64 / 1e6)
}

/// One row for each design.
fn rows(group: &Group, style: Style) -> Table {
    let mut table = table(
        &[
            "design",
            "own\ninsmod",
            "all\nbound",
            "slowest\nprobe",
            "ratio",
            "at\nonce",
            "other\ninsmod",
            "other\nrmmod",
            "own\nrmmod",
        ],
        style,
    );
    for row in &group.rows {
        table.add_row(design(row));
    }
    if let Some(idle) = group.idle {
        let (insmod, rmmod) = (ms(idle.insmod_ns), ms(idle.rmmod_ns));
        table.add_row(["(nothing)", "-", "-", "-", "-", "-", &insmod, &rmmod, "-"]);
    }
    table
}

fn design(row: &Row) -> [String; 9] {
    [
        row.design.to_string(),
        ms(row.insmod_ns),
        ms(row.bound_ns),
        ms(row.slowest_ns),
        format!("{:.3}", row.ratio()),
        row.at_once.to_string(),
        ms(row.other_insmod_ns),
        ms(row.other_rmmod_ns),
        match &row.own_rmmod {
            OwnRmmod::Ns(ns) => ms(*ns),
            OwnRmmod::Refused(errno) => errno.clone(),
        },
    ]
}

/// One row for each design and number of devices.
fn bind(all: &[Bind], style: Style) -> Table {
    let mut table = table(&["design", "devices", "all", "each", "growth"], style);
    for bind in all {
        let few = all
            .iter()
            .filter(|other| other.design == bind.design)
            .min_by_key(|other| other.devices)
            .unwrap_or(bind);
        table.add_row([
            bind.design.to_string(),
            bind.devices.to_string(),
            bind.ns.to_string(),
            format!("{:.0}", bind.each()),
            format!("{:.3}", bind.each() / few.each()),
        ]);
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::tests::benchmark;

    #[test]
    fn terminal() {
        let (_, expected) = include_str!("../../tests/designs.txt")
            .split_once('\n')
            .unwrap();
        assert_eq!(designs(&benchmark(), Style::Terminal), expected);
        assert!(expected.lines().all(|line| line.len() <= 80));
    }

    #[test]
    fn rst() {
        let mut benchmark = benchmark();
        benchmark.groups[0].rows.truncate(1);
        benchmark.groups[0].cold = None;
        let (_, expected) = include_str!("../../tests/designs.rst.txt")
            .split_once('\n')
            .unwrap();
        assert_eq!(designs(&benchmark, Style::Rst), expected);
    }
}
