// SPDX-License-Identifier: GPL-2.0

//! Lanes: one for each device and one for each task, and which bar is where in them.

use std::collections::HashMap;

use lifecycle::life::{Kind, Life};
use lifecycle::Micros;

use crate::look;
use crate::words;

/// What a lane is of. The lanes come in this order.
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
    /// What it is of.
    pub of: Of,
    /// The device or the task.
    pub index: usize,
    /// Its name.
    pub name: String,
    /// Its bars.
    pub bars: Vec<Placed>,
    /// Its marks.
    pub marks: Vec<usize>,
    /// How many rows the bars need.
    pub rows: usize,
}

/// Where a bar is in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placed {
    /// The bar.
    pub bar: usize,
    /// The row, from above.
    pub row: usize,
    /// How much of the row it takes.
    pub size: Size,
}

/// How much of its row a bar takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// All.
    Full,
    /// The upper edge: it is around the others.
    Above,
    /// The lower edge: it is within another.
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
    // What a task asked for comes in the order in which it did.
    let began = |lane: &Lane| {
        let first = lane.bars.first().filter(|_| lane.of == Of::Caller);
        first.map(|placed| timeline.spans[placed.bar].begin)
    };
    lanes.sort_by_key(|lane| (lane.of, began(lane)));
    lanes
}

/// Whether bars of this kind are shown in the lane of the device. What else was done about it is
/// in the lane of the task that did it.
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
            // What happened to a device is marked in its lane.
            if let Some(device) = mark.device {
                marks.devices.entry(device).or_default().push(at);
            } else if let Some(task) = mark.task {
                marks.tasks.entry(task).or_default().push(at);
            }
        }
        marks
    }
}

/// Gives each bar a row: inner ones below outer ones, and none beside another that runs meanwhile.
fn lane(
    timeline: &Life,
    of: Of,
    index: usize,
    name: String,
    bars: Vec<usize>,
    marks: Vec<usize>,
) -> Lane {
    let mut placed: Vec<Placed> = Vec::new();
    // Those that may have more within them: a lane has as many as are nested, however long it is.
    let mut open: Vec<Placed> = Vec::new();
    // Until when each row is taken.
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
    /// How long the longest probe of a device took, or the longest bar of a task, as far as the log
    /// goes.
    pub fn longest(&self, timeline: &Life) -> Option<Micros> {
        let counts = |kind| self.of != Of::Device || kind == Kind::Probe;
        let bars = self.bars.iter().map(|placed| placed.bar);
        bars.filter(|bar| counts(timeline.spans[*bar].kind))
            .map(|bar| timeline.end_of(bar) - timeline.spans[bar].begin)
            .max()
    }

    /// Whether anything in it failed or has not ended.
    pub fn stands_out(&self, timeline: &Life) -> bool {
        self.bars
            .iter()
            .map(|placed| &timeline.spans[placed.bar])
            .any(|bar| look::failed(bar) || bar.end.is_none())
    }
}
