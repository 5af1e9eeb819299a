// SPDX-License-Identifier: GPL-2.0

//! What a picture of a log must show: the bars and waits of its life, which has tests of its own.

use lifecycle::life::{Kind, Life, Through};
use lifecycle::{Event, Micros, Probing};
use timeline::look;

/// A bar that must be there, or that a picture has.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Bar {
    pub(crate) section: String,
    pub(crate) lane: String,
    pub(crate) class: String,
    pub(crate) begin: Micros,
    pub(crate) end: Micros,
}

/// The life of these events.
pub(crate) fn life(events: &[Event]) -> Life {
    Life::new(events.to_vec(), Probing::Once)
}

/// All that is expected is among these bars, and nothing else.
pub(crate) fn compare(bars: Vec<Bar>, mut expected: Vec<Bar>) -> Result<(), String> {
    for bar in bars {
        let at = expected.iter().position(|one| *one == bar);
        expected.swap_remove(at.ok_or(format!("no events for {bar:?}"))?);
    }
    match expected.first() {
        Some(missing) => Err(format!("not there: {missing:?}")),
        None => Ok(()),
    }
}

/// Where the lane of a task is, and the lane's name.
fn lane(life: &Life, task: usize) -> (&'static str, String) {
    let task = &life.tasks[task];
    let calls = task.spans.iter().map(|at| life.spans[*at].kind);
    let calls: Vec<String> = calls
        .filter(|kind| matches!(kind, Kind::Call(_)))
        .map(|kind| kind.to_string())
        .collect();
    let name = match (&task.name, &calls[..]) {
        (Some(name), _) => name,
        (None, [call]) if call == "insmod" || call == "rmmod" => call,
        _ => "task",
    };
    let lane = match task.pid {
        Some(pid) => format!("{name} {pid}"),
        None => "unknown task".to_owned(),
    };
    match name.starts_with("kworker/") {
        true => ("workers", lane),
        false => ("tasks", lane),
    }
}

/// All bars of the life of these events, in their lanes.
pub(crate) fn bars(events: &[Event]) -> Vec<Bar> {
    let life = life(events);
    let mut bars = Vec::new();
    for bar in life.spans.iter().filter(|span| span.kind.is_bar()) {
        let at = |section: &str, lane: &str| Bar {
            section: section.to_owned(),
            lane: lane.to_owned(),
            class: look::classes(bar),
            begin: bar.begin,
            end: bar.end.unwrap_or(life.end),
        };
        let of_device = matches!(
            bar.kind,
            Kind::Waiting | Kind::Probe | Kind::Firmware | Kind::SecondPhase | Kind::Remove
        );
        if let Some(device) = bar.device.filter(|_| of_device) {
            bars.push(at("devices", &life.devices[device].name));
        }
        if let Some(task) = bar.task {
            let (section, lane) = lane(&life, task);
            bars.push(at(section, &lane));
        }
    }
    bars
}

/// The flushes that waited: the lane of the waiter, from when to when.
pub(crate) fn flushes(events: &[Event]) -> Vec<(String, Micros, Micros)> {
    let life = life(events);
    let flushes = life
        .waits
        .iter()
        .filter(|wait| matches!(wait.through, Through::Flush(_)) && !wait.inferred);
    flushes
        .filter_map(|wait| {
            let (_, lane) = lane(&life, wait.task?);
            Some((lane, wait.begin, wait.end.unwrap_or(life.end)))
        })
        .collect()
}
