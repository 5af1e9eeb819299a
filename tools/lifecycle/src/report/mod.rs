// SPDX-License-Identifier: GPL-2.0

//! Text tables of what was measured, for a terminal of 80 columns.

mod collected;
pub mod diff;
pub mod log;
pub(crate) mod table;
pub mod what_if;

use crate::errno;
use crate::life::{Life, Probe, Wave};
use crate::Micros;
use table::{or_dash, print, table};

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
    let request = probe.request.map(|request| &life.spans[request]);
    let bytes = request.and_then(|request| match (request.ret, request.facts.bytes) {
        (Some(0), bytes) => bytes.map(|bytes| bytes.to_string()),
        (ret, _) => ret.map(errno::name),
    });
    let span = &life.spans[probe.span];
    let task = span.task.and_then(|task| life.tasks[task].name.clone());
    [
        probe.device.clone(),
        or_dash(task),
        or_dash(span.cpu),
        probe.how.name().to_owned(),
        (probe.began - wave.begin).to_string(),
        or_dash(bytes),
        or_dash(request.and_then(|request| request.took)),
        or_dash(probe.took),
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

/// Until all are bound, the slowest probe, all together, how many at once, and the efficiency.
fn figures(wave: &Wave) -> [String; 5] {
    let efficiency = wave.efficiency.map(|efficiency| format!("{efficiency:.4}"));
    let most = if wave.total.at_most { "<=" } else { "" };
    [
        or_dash(wave.until_bound),
        wave.slowest.to_string(),
        format!("{most}{}", wave.total.sum),
        format!("{most}{}", wave.total.at_once),
        or_dash(efficiency),
    ]
}

/// The titles of these columns.
const FIGURES: [&str; 5] = ["all bound", "slowest", "sum", "at once", "efficiency"];

/// Scenarios side by side, one row each.
///
/// Times are in milliseconds: the insmod itself, from the call of the registration until all are
/// bound, the slowest probe and all probes together; then how many probes ran at once and the
/// parallel efficiency. Ends with a line feed.
pub fn compare(scenarios: &[Scenario<'_>]) -> String {
    let header = [&["scenario", "insmod"][..], &FIGURES].concat();
    let mut table = table(&header, &[1, 2, 3, 4, 5, 6]);
    for Scenario { name, insmod, wave } in scenarios {
        let head = [(*name).to_owned(), or_dash(*insmod)];
        table.add_row(head.into_iter().chain(figures(wave)));
    }
    print(&table)
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
