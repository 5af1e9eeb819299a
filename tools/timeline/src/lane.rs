// SPDX-License-Identifier: GPL-2.0

//! Lanes: one for each device and one for each task, and the places of bars in them.

use std::collections::HashMap;

use lifecycle::life::{Kind, Life};
use lifecycle::Micros;

use crate::look;
use crate::words;

/// The kinds of lanes, in the order of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Of {
    /// A task that asks for something: insmod, rmmod, a shell.
    Caller,
    /// A device.
    Device,
    /// A worker of the kernel.
    Worker,
}

impl Of {
    /// The heading of these lanes.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Caller => "tasks",
            Self::Device => "devices",
            Self::Worker => "workers",
        }
    }
}

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// Its kind.
    pub of: Of,
    /// The device or the task.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its bars.
    pub bars: Vec<Placed>,
    /// Its marks.
    pub marks: Vec<usize>,
    /// The number of rows of its bars.
    pub rows: usize,
}

/// The place of a bar in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The bar.
    pub bar: usize,
    /// The row, from above.
    pub row: usize,
    /// Its size in the row.
    pub size: Size,
}

/// The size of a bar in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// All of the row.
    Full,
    /// The upper edge: the bar is around the others.
    Above,
    /// The lower edge: the bar is within another.
    Below,
}

/// All lanes of a timeline.
pub fn lanes(timeline: &Life) -> Vec<Lane> {
    let mut marks = Marks::of(timeline);
    let devices = timeline.devices.iter().enumerate().map(|(index, device)| {
        let bars = device.spans.iter().copied();
        let bars = bars.filter(|bar| of_device(timeline.spans[*bar].kind));
        let marks = marks.devices.remove(&index).unwrap_or_default();
        lane(
            timeline,
            Of::Device,
            index,
            device.name.clone(),
            bars.collect(),
            marks,
        )
    });
    let tasks = timeline.tasks.iter().enumerate().map(|(index, task)| {
        let worker = task
            .name
            .as_deref()
            .is_some_and(|name| name.starts_with("kworker/"));
        let of = if worker { Of::Worker } else { Of::Caller };
        let marks = marks.tasks.remove(&index).unwrap_or_default();
        lane(
            timeline,
            of,
            index,
            words::task(timeline, index),
            task.spans.clone(),
            marks,
        )
    });
    let mut lanes: Vec<Lane> = devices
        .chain(tasks)
        .filter(|lane| !lane.bars.is_empty() || !lane.marks.is_empty())
        .collect();
    // The tasks are in the order of their first bars.
    let began = |lane: &Lane| {
        let first = lane.bars.first().filter(|_| lane.of == Of::Caller);
        first.map(|placed| timeline.spans[placed.bar].begin)
    };
    lanes.sort_by_key(|lane| (lane.of, began(lane)));
    lanes
}

/// Whether bars of this kind are shown in the lane of the device. Other bars about a device are in
/// the lane of the task.
fn of_device(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Waiting | Kind::Probe | Kind::Firmware | Kind::SecondPhase | Kind::Remove
    )
}

/// The marks of each lane.
#[derive(Debug, Default)]
struct Marks {
    devices: HashMap<usize, Vec<usize>>,
    tasks: HashMap<usize, Vec<usize>>,
}

impl Marks {
    fn of(timeline: &Life) -> Self {
        let mut marks = Self::default();
        for (at, mark) in timeline.spans.iter().enumerate() {
            if words::mark(mark).is_none() {
                continue;
            }
            // A mark about a device is in the lane of the device.
            if let Some(device) = mark.device {
                marks.devices.entry(device).or_default().push(at);
            } else if let Some(task) = mark.task {
                marks.tasks.entry(task).or_default().push(at);
            }
        }
        marks
    }
}

/// Gives each bar a row: inner bars are below outer ones, and bars that overlap have different
/// rows.
fn lane(
    timeline: &Life,
    of: Of,
    index: usize,
    name: String,
    bars: Vec<usize>,
    marks: Vec<usize>,
) -> Lane {
    let mut placed: Vec<Placed> = Vec::new();
    // The bars that have not ended, which may be around the next one.
    let mut open: Vec<Placed> = Vec::new();
    // The end of the last bar of each row.
    let mut taken: Vec<Option<Micros>> = Vec::new();
    for at in bars {
        let bar = &timeline.spans[at];
        open.retain(|outer| bar.begin <= timeline.end_of(outer.bar));
        let around = open.iter().rev().find(|outer| {
            timeline.spans[outer.bar].begin <= bar.begin
                && timeline.end_of(at) <= timeline.end_of(outer.bar)
        });
        let (row, size) = match (bar.kind, around) {
            (Kind::AsyncWork, _) => (0, Size::Above),
            (Kind::Firmware | Kind::Flush, Some(outer)) => (outer.row, Size::Below),
            (kind, outer) => {
                // A probe follows the wait for it at once, and a second phase the first one.
                let follows = matches!(kind, Kind::Probe | Kind::SecondPhase);
                let from = outer.map_or(0, |outer| outer.row + 1);
                let free = |until: &Option<Micros>| {
                    until.is_none_or(|until| until < bar.begin || (follows && until == bar.begin))
                };
                let free = (from..taken.len()).find(|row| free(&taken[*row]));
                (free.unwrap_or(taken.len().max(from)), Size::Full)
            }
        };
        if size == Size::Full {
            taken.resize(taken.len().max(row + 1), None);
            taken[row] = Some(timeline.end_of(at));
            open.push(Placed { bar: at, row, size });
        }
        placed.push(Placed { bar: at, row, size });
    }
    Lane {
        of,
        index,
        name,
        bars: placed,
        marks,
        rows: taken.len().max(1),
    }
}

impl Lane {
    /// The length of the longest probe of a device, or of the longest bar of a task. A bar without an
    /// end goes to the end of the log.
    pub fn longest(&self, timeline: &Life) -> Option<Micros> {
        let counts = |kind| self.of != Of::Device || kind == Kind::Probe;
        let bars = self.bars.iter().map(|placed| placed.bar);
        bars.filter(|bar| counts(timeline.spans[*bar].kind))
            .map(|bar| timeline.end_of(bar) - timeline.spans[bar].begin)
            .max()
    }

    /// Whether a bar in it failed or has no end.
    pub fn stands_out(&self, timeline: &Life) -> bool {
        self.bars
            .iter()
            .map(|placed| &timeline.spans[placed.bar])
            .any(|bar| look::failed(bar) || bar.end.is_none())
    }
}
