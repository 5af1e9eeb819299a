// SPDX-License-Identifier: GPL-2.0

//! Text tables of what was measured, for a terminal of 80 columns.

pub mod diff;
pub mod log;

use std::cmp::Reverse;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

use crate::errno;
use crate::life::{Life, Probe, Wave};
use crate::Micros;
use log::{Detail, LARGEST, ROWS};

/// How wide a table may be, in columns.
pub const WIDTH: u16 = 80;

/// The timing of each device of a wave, one row per probe.
///
/// Times are in milliseconds; `began` counts from the call of the driver's registration. Ends with
/// a line feed.
pub fn devices(life: &Life, wave: &Wave) -> String {
    let mut table = table(
        &[
            "device", "task", "cpu", "how", "began", "firmware", "ms", "probe ms", "result",
        ],
        &[2, 4, 5, 6, 7],
    );
    let mut probes = life.probes();
    probes.retain(|probe| wave.probes.contains(&probe.span));
    for probe in &probes {
        table.add_row(device_row(life, wave, probe));
    }
    print(&table)
}

fn device_row(life: &Life, wave: &Wave, probe: &Probe) -> [String; 9] {
    let dash = || "-".to_owned();
    let ms = |time: Option<Micros>| time.map_or_else(dash, |time| time.to_string());
    let request = probe.request.map(|request| &life.spans[request]);
    let bytes = request.and_then(|request| match (request.ret, request.facts.bytes) {
        (Some(0), bytes) => bytes.map(|bytes| bytes.to_string()),
        (ret, _) => ret.map(errno::name),
    });
    let span = &life.spans[probe.span];
    let task = span.task.and_then(|task| life.tasks[task].name.clone());
    [
        probe.device.clone(),
        task.unwrap_or_else(dash),
        span.cpu.map_or_else(dash, |cpu| cpu.to_string()),
        probe.how.name().to_owned(),
        (probe.began - wave.begin).to_string(),
        bytes.unwrap_or_else(dash),
        ms(request.and_then(|request| request.took)),
        ms(probe.took),
        probe.result(),
    ]
}

/// One scenario of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Scenario<'a> {
    /// What was done, in a few words.
    pub name: &'a str,
    /// How long the insmod took, if that is known.
    pub insmod: Option<Micros>,
    /// What was measured.
    pub wave: &'a Wave,
}

/// Scenarios side by side, one row each.
///
/// Times are in milliseconds: the insmod itself, from the call of the registration until all are
/// bound, the slowest probe and all probes together; then how many probes ran at once and the
/// parallel efficiency. Ends with a line feed.
pub fn compare(scenarios: &[Scenario<'_>]) -> String {
    let mut table = table(
        &[
            "scenario",
            "insmod",
            "all bound",
            "slowest",
            "sum",
            "at once",
            "efficiency",
        ],
        &[1, 2, 3, 4, 5, 6],
    );
    for Scenario { name, insmod, wave } in scenarios {
        let ms =
            |micros: Option<Micros>| micros.map_or("-".to_owned(), |micros| micros.to_string());
        table.add_row([
            (*name).to_owned(),
            ms(*insmod),
            ms(wave.until_bound),
            wave.slowest.to_string(),
            wave.total.sum.to_string(),
            wave.total.at_once.to_string(),
            wave.efficiency
                .map_or("-".to_owned(), |efficiency| format!("{efficiency:.4}")),
        ]);
    }
    print(&table)
}

/// An empty table without borders, whose `numbers` are columns that are aligned to the right.
pub(crate) fn table(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if numbers.contains(&at) {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(6)));
        }
    }
    table
}

/// The table's lines, without spaces at their ends.
pub(crate) fn print(table: &Table) -> String {
    table.lines().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}

/// Rows of a table, and how many there were.
struct Rows<'a, T> {
    rows: Vec<&'a T>,
    of: usize,
}

impl<T> Rows<'_, T> {
    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// Leaves the largest of many rows, in the order in which they are.
fn fold<T, K: Ord>(rows: &[T], detail: Detail, size: impl Fn(&T) -> K) -> Rows<'_, T> {
    let mut kept: Vec<(usize, &T)> = rows.iter().enumerate().collect();
    if detail == Detail::Folded && rows.len() > ROWS {
        kept.sort_by_key(|(at, row)| (Reverse(size(row)), *at));
        kept.truncate(LARGEST);
        kept.sort_by_key(|(at, _)| *at);
    }
    Rows {
        rows: kept.into_iter().map(|(_, row)| row).collect(),
        of: rows.len(),
    }
}

/// The heading of a table that may be folded.
fn heading<T>(title: &str, rows: &Rows<'_, T>, kept: &str) -> String {
    let shown = rows.rows.len();
    if shown < rows.of {
        wrap("", &format!("{title} (the {shown} {kept} of {}):", rows.of))
    } else {
        wrap("", &format!("{title}:"))
    }
}

/// A paragraph, each line after `indent`; those after the first are indented further.
fn wrap(indent: &str, text: &str) -> String {
    let width = usize::from(WIDTH);
    let mut lines = String::new();
    let mut line = indent.to_owned();
    let mut empty = true;
    for word in text.split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        if !empty && line.chars().count() + 1 + word.len() > width {
            lines += line.trim_end();
            lines.push('\n');
            line = format!("{indent}    ");
            empty = true;
        }
        if !empty {
            line.push(' ');
        }
        empty = false;
        // A word that is wider than a line is cut.
        while line.chars().count() + word.len() > width {
            let room = width - line.chars().count();
            let rest = word.split_off(room);
            line.extend(word);
            lines += &line;
            lines.push('\n');
            line = format!("{indent}    ");
            word = rest;
        }
        line.extend(word);
    }
    lines + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::dmesg::parse;
    use crate::Probing;

    fn log(devices: usize, task: &str) -> String {
        let mut log = String::from(
            "[    1.000000] lifecycle: call_began call=insmod on=slow_platform_driver pid=9\n",
        );
        for device in 0..devices {
            log += &format!("[    1.004000] async_probe: timing: probe_began dev=slow_platform.{device} driver=slow_platform async=1 cpu=1 pid=30 task={task}\n");
        }
        log += "[    1.005000] async_probe: timing: registered driver=slow_platform probe_type=prefer_asynchronous ret=0 ms=2.000\n";
        for device in 0..devices {
            log += &format!("[    1.005000] async_probe: timing: firmware_arrived dev=slow_platform.{device} driver=slow_platform bytes=65560 ret=0 ms=1.234\n");
        }
        for device in 0..devices {
            log += &format!("[    3.010123] async_probe: timing: probe_ended dev=slow_platform.{device} driver=slow_platform ret=0 ms=2003.114\n");
        }
        log + "[    3.020000] lifecycle: call_returned call=insmod on=slow_platform_driver pid=9 ret=0\n"
    }

    fn life(log: &str) -> (Life, Vec<Wave>) {
        let life = Life::new(parse(log).unwrap(), Probing::Once);
        let waves = life.waves();
        (life, waves)
    }

    fn widest(text: &str) -> usize {
        text.lines().map(|line| line.chars().count()).max().unwrap()
    }

    #[test]
    fn one_row_per_device() {
        let (life, waves) = life(&log(2, "kworker/u10:12"));
        let text = devices(&life, &waves[0]);
        assert_eq!(
            text,
            "\
device          task           cpu how   began firmware    ms probe ms result
slow_platform.0 kworker/u10:12   1 async 1.000    65560 1.234 2003.114 ok
slow_platform.1 kworker/u10:12   1 async 1.000    65560 1.234 2003.114 ok
"
        );
    }

    #[test]
    fn fits_the_terminal() {
        let (life, waves) = life(&log(4096, "a task with a name"));
        let text = devices(&life, &waves[0]);
        assert!(widest(&text) <= 80, "{text}");

        let name = "prefer_asynchronous, insmod with async_probe, 4096 devices";
        let text = compare(&[Scenario {
            name,
            insmod: life.insmod(&waves[0]),
            wave: &waves[0],
        }]);
        assert!(widest(&text) <= 80, "{text}");
    }

    #[test]
    fn scenarios_side_by_side() {
        let (life, waves) = life(&log(8, "kworker/u8:1"));
        let text = compare(&[Scenario {
            name: "prefer_asynchronous",
            insmod: life.insmod(&waves[0]),
            wave: &waves[0],
        }]);
        assert_eq!(
            text,
            "\
scenario              insmod all bound  slowest       sum at once efficiency
prefer_asynchronous 2020.000  2007.123 2003.114 16024.912       8     0.9980
"
        );
    }
}
