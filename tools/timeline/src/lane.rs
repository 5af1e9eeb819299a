// SPDX-License-Identifier: GPL-2.0

//! Lanes: one for each device and one for each task, and the places of bars in them.

use std::collections::HashMap;

use lifecycle::life::{Kind, Life};
use lifecycle::Micros;

use crate::{look, words};

/// The kinds of lanes, in the order of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Of {
    /// A task that asks for something: insmod, rmmod, a shell.
    Caller,
    /// A device.
    Device,
    /// A worker of the kernel.
    Worker,
}

impl Of {
    /// The heading of these lanes.
    pub(crate) fn heading(self) -> &'static str {
        match self {
            Self::Caller => "tasks",
            Self::Device => "devices",
            Self::Worker => "workers",
        }
    }
}

/// A lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lane {
    pub(crate) of: Of,
    /// The device or the task.
    pub(crate) index: usize,
    pub(crate) name: String,
    pub(crate) bars: Vec<Placed>,
    pub(crate) marks: Vec<usize>,
    /// The number of rows of its bars.
    pub(crate) rows: usize,
}

/// The place of a bar in its lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) bar: usize,
    /// The row, from above.
    pub(crate) row: usize,
    pub(crate) size: Size,
}

/// The size of a bar in its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Size {
    /// All of the row.
    Full,
    /// The upper edge: the bar is around the others.
    Above,
    /// The lower edge: the bar is within another.
    Below,
}

/// All lanes of a timeline.
pub(crate) fn lanes(timeline: &Life) -> Vec<Lane> {
    let spans = &timeline.spans;
    // A mark about a device is in the lane of the device.
    let mut marks: HashMap<(Option<usize>, Option<usize>), Vec<usize>> = HashMap::new();
    for (at, mark) in spans.iter().enumerate() {
        if words::mark(mark).is_some() {
            let lane = (mark.device, mark.task.filter(|_| mark.device.is_none()));
            marks.entry(lane).or_default().push(at);
        }
    }
    let mut lane = |of, device: Option<usize>, task, name, bars: Vec<usize>| {
        let (bars, rows) = place(timeline, bars);
        Lane {
            of,
            index: device.or(task).unwrap_or_default(),
            name,
            bars,
            marks: marks.remove(&(device, task)).unwrap_or_default(),
            rows,
        }
    };
    let mut lanes = Vec::new();
    for (index, device) in timeline.devices.iter().enumerate() {
        let bars = device.spans.iter().copied();
        let bars = bars.filter(|bar| of_device(spans[*bar].kind)).collect();
        lanes.push(lane(
            Of::Device,
            Some(index),
            None,
            device.name.clone(),
            bars,
        ));
    }
    for (index, task) in timeline.tasks.iter().enumerate() {
        let of = match task.is_worker() {
            true => Of::Worker,
            false => Of::Caller,
        };
        let name = words::task(timeline, index);
        lanes.push(lane(of, None, Some(index), name, task.spans.clone()));
    }
    lanes.retain(|lane| !lane.bars.is_empty() || !lane.marks.is_empty());
    // The tasks are in the order of their first bars.
    let began = |lane: &Lane| {
        let first = lane.bars.first().filter(|_| lane.of == Of::Caller);
        first.map(|placed| spans[placed.bar].begin)
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

/// Gives each bar of a lane a row: inner bars are below outer ones, and bars that overlap have
/// different rows. Returns how many rows there are, too.
fn place(timeline: &Life, bars: Vec<usize>) -> (Vec<Placed>, usize) {
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
    (placed, taken.len().max(1))
}

impl Lane {
    /// The length of the longest probe of a device, or of the longest bar of a task. A bar without an
    /// end goes to the end of the log.
    pub(crate) fn longest(&self, timeline: &Life) -> Option<Micros> {
        let counts = |kind| self.of != Of::Device || kind == Kind::Probe;
        let bars = self.bars.iter().map(|placed| placed.bar);
        bars.filter(|bar| counts(timeline.spans[*bar].kind))
            .map(|bar| timeline.end_of(bar) - timeline.spans[bar].begin)
            .max()
    }

    /// Whether a bar in it failed or has no end.
    pub(crate) fn stands_out(&self, timeline: &Life) -> bool {
        self.bars
            .iter()
            .map(|placed| &timeline.spans[placed.bar])
            .any(|bar| look::failed(bar) || bar.end.is_none())
    }
}
