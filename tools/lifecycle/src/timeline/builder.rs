// SPDX-License-Identifier: GPL-2.0

//! Puts a timeline together.

use std::collections::HashMap;

use super::{dmesg, initcall, recorded, waits, Bar, Device, Kind, Task, Timeline, VERSION};
use crate::recording::{spans, Span};
use crate::{Event, Micros};

/// A timeline that is being made.
pub(super) struct Builder<'a> {
    /// The log.
    pub(super) events: &'a [Event],
    /// The functions of a recording.
    pub(super) spans: Vec<Span<'a>>,
    /// The bar of each span, if it has one.
    pub(super) bar_of: Vec<Option<usize>>,
    pub(super) timeline: Timeline,
    devices: HashMap<&'a str, usize>,
    tasks: HashMap<Option<u32>, usize>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(events: &'a [Event]) -> Self {
        let times = || events.iter().map(|event| event.time);
        let spans = spans(events);
        Self {
            events,
            bar_of: vec![None; spans.len()],
            spans,
            timeline: Timeline {
                version: VERSION,
                begin: times().min().unwrap_or_default(),
                end: times().max().unwrap_or_default(),
                devices: Vec::new(),
                tasks: Vec::new(),
                bars: Vec::new(),
                waits: Vec::new(),
                marks: Vec::new(),
            },
            devices: HashMap::new(),
            tasks: HashMap::new(),
        }
    }

    pub(super) fn build(mut self) -> Timeline {
        recorded::bars(&mut self);
        dmesg::bars(&mut self);
        initcall::bars(&mut self);
        recorded::waiting(&mut self);
        dmesg::waiting(&mut self);
        recorded::marks(&mut self);
        waits::waits(&mut self);
        self.lanes();
        // The first line of a log may tell of something that began before it.
        let timeline = &mut self.timeline;
        let began = timeline.bars.iter().map(|bar| bar.begin);
        timeline.begin = began.fold(timeline.begin, Micros::min);
        self.timeline
    }

    /// When the event at this place happened.
    pub(super) fn time(&self, place: usize) -> Micros {
        self.events[place].time
    }

    pub(super) fn device(&mut self, name: &'a str) -> usize {
        let devices = &mut self.timeline.devices;
        *self.devices.entry(name).or_insert_with(|| {
            devices.push(Device {
                name: name.to_owned(),
                drivers: Vec::new(),
                bars: Vec::new(),
            });
            devices.len() - 1
        })
    }

    /// The task of this number; with none, the one that stands for all that are not known.
    pub(super) fn task(&mut self, pid: Option<u32>, name: Option<&str>) -> usize {
        let tasks = &mut self.timeline.tasks;
        let task = *self.tasks.entry(pid).or_insert_with(|| {
            tasks.push(Task {
                pid,
                name: None,
                bars: Vec::new(),
            });
            tasks.len() - 1
        });
        if let Some(name) = name {
            self.timeline.tasks[task].name = Some(name.to_owned());
        }
        task
    }

    /// Adds a bar from the event at `began` to that at `ended`.
    pub(super) fn bar(
        &mut self,
        kind: Kind,
        on: impl Into<String>,
        began: usize,
        ended: Option<usize>,
    ) -> &mut Bar {
        let mut events = vec![began];
        events.extend(ended);
        self.timeline.bars.push(Bar {
            kind,
            on: on.into(),
            begin: self.events[began].time,
            end: ended.map(|ended| self.events[ended].time),
            took: None,
            device: None,
            driver: None,
            task: None,
            cpu: None,
            asynchronous: None,
            ret: None,
            parent: None,
            events,
        });
        let last = self.timeline.bars.len() - 1;
        &mut self.timeline.bars[last]
    }

    /// Adds evidence to a bar.
    pub(super) fn evidence(&mut self, bar: usize, places: impl IntoIterator<Item = usize>) {
        let events = &mut self.timeline.bars[bar].events;
        events.extend(places);
        events.sort_unstable();
        events.dedup();
    }

    /// Puts the bars into their lanes.
    fn lanes(&mut self) {
        let Timeline {
            devices,
            tasks,
            bars,
            end,
            ..
        } = &mut self.timeline;
        let end_of = |bar: &Bar| bar.end.unwrap_or(*end).max(bar.begin);
        // What begins first comes first; of those, what ends last: it is around the others.
        let mut order: Vec<usize> = (0..bars.len()).collect();
        order.sort_by_key(|at| {
            let bar = &bars[*at];
            (
                bar.begin,
                std::cmp::Reverse(end_of(bar)),
                bar.events[0],
                *at,
            )
        });
        for at in order {
            if let Some(device) = bars[at].device {
                let device = &mut devices[device];
                device.bars.push(at);
                if let Some(driver) = bars[at].driver.clone() {
                    if !device.drivers.contains(&driver) {
                        device.drivers.push(driver);
                    }
                }
            }
            let Some(task) = bars[at].task else { continue };
            let mut around = tasks[task].bars.last().copied();
            while let Some(outer) = around {
                if bars[at].begin <= end_of(&bars[outer])
                    && end_of(&bars[at]) <= end_of(&bars[outer])
                {
                    break;
                }
                around = bars[outer].parent;
            }
            bars[at].parent = around;
            tasks[task].bars.push(at);
        }
    }
}
