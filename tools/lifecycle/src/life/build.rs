// SPDX-License-Identifier: GPL-2.0

//! Puts a life together.

use std::cmp::Reverse;
use std::collections::HashMap;

use super::model::{Device, Facts, Kind, Life, Span, Task, VERSION};
use crate::probing::Probing;
use crate::{Event, Micros};

/// A life that is being made.
pub(super) struct Builder<'a> {
    /// The log.
    pub(super) events: &'a [Event],
    /// What has been made of it.
    pub(super) life: Life,
    devices: HashMap<&'a str, usize>,
    tasks: HashMap<Option<u32>, usize>,
    /// The latest time up to each place of the log.
    latest: Vec<Micros>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(events: &'a [Event], probing: Probing) -> Self {
        let times = events.iter().map(|event| event.time);
        let latest = times.clone().scan(Micros(0), |latest, time| {
            *latest = time.max(*latest);
            Some(*latest)
        });
        let latest: Vec<Micros> = latest.collect();
        Self {
            events,
            life: Life {
                version: VERSION,
                begin: times.min().unwrap_or_default(),
                end: latest.last().copied().unwrap_or_default(),
                probing,
                ..Life::default()
            },
            devices: HashMap::new(),
            tasks: HashMap::new(),
            latest,
        }
    }

    /// When the event at this place happened.
    pub(super) fn time(&self, place: usize) -> Micros {
        self.events[place].time
    }

    /// The first place of the log at which this time has come, of those up to `at`.
    pub(super) fn place(&self, time: Micros, at: usize) -> usize {
        self.latest[..at].partition_point(|latest| *latest < time)
    }

    pub(super) fn device(&mut self, name: &'a str) -> usize {
        let devices = &mut self.life.devices;
        *self.devices.entry(name).or_insert_with(|| {
            devices.push(Device {
                name: name.to_owned(),
                ..Device::default()
            });
            devices.len() - 1
        })
    }

    /// The task of this number; with none, the one that stands for all that are not known.
    pub(super) fn task(&mut self, pid: Option<u32>, name: Option<&str>) -> usize {
        let tasks = &mut self.life.tasks;
        let task = *self.tasks.entry(pid).or_insert_with(|| {
            tasks.push(Task {
                pid,
                ..Task::default()
            });
            tasks.len() - 1
        });
        if let Some(name) = name {
            self.life.tasks[task].name = Some(name.to_owned());
        }
        task
    }

    /// Adds a span from the event at `began` to that at `ended`; returns its place in the list.
    pub(super) fn span(
        &mut self,
        kind: Kind,
        on: impl Into<String>,
        began: usize,
        ended: Option<usize>,
    ) -> usize {
        let mut events = vec![began];
        events.extend(ended.filter(|ended| *ended != began));
        self.life.spans.push(Span {
            kind,
            on: on.into(),
            begin: self.time(began),
            end: ended.map(|ended| self.time(ended)),
            took: None,
            device: None,
            driver: None,
            task: None,
            cpu: None,
            asynchronous: None,
            ret: None,
            parent: None,
            cause: None,
            events,
            began,
            ended,
            facts: Facts::default(),
        });
        self.life.spans.len() - 1
    }

    /// Adds a span that ended at this event and had begun `took` before; no event shows when.
    pub(super) fn span_until(
        &mut self,
        kind: Kind,
        on: impl Into<String>,
        took: Micros,
        ended: usize,
    ) -> usize {
        let span = self.span(kind, on, ended, Some(ended));
        let begin = self.time(ended) - took;
        let began = self.place(begin, ended);
        let of = &mut self.life.spans[span];
        of.begin = begin;
        of.began = began;
        of.took = Some(took);
        span
    }

    /// Adds the event at a place to the evidence of a span.
    pub(super) fn evidence(&mut self, span: usize, place: usize) {
        let events = &mut self.life.spans[span].events;
        events.push(place);
        events.sort_unstable();
        events.dedup();
    }

    /// A span ends with the event at a place.
    pub(super) fn end(&mut self, span: usize, place: usize) {
        self.evidence(span, place);
        let time = self.time(place);
        let of = &mut self.life.spans[span];
        of.end = Some(time);
        of.ended = Some(place);
    }

    /// Sorts the spans by where they begin, and finds out what is around each of them.
    pub(super) fn sort(&mut self) {
        let spans = std::mem::take(&mut self.life.spans);
        let mut order: Vec<usize> = (0..spans.len()).collect();
        order.sort_by_key(|at| {
            let span = &spans[*at];
            // No event shows where a registration of the dmesg interface began: before this one.
            let registers = matches!(span.kind, Kind::Register | Kind::Unregister)
                && span.events[0] != span.began;
            (span.began, !registers, Reverse(span.end_place()), *at)
        });
        let mut new = vec![0; spans.len()];
        for (place, at) in order.iter().enumerate() {
            new[*at] = place;
        }
        let mut spans: Vec<Option<Span>> = spans.into_iter().map(Some).collect();
        let mut open: Vec<Vec<usize>> = vec![Vec::new(); self.life.tasks.len()];
        for (place, at) in order.into_iter().enumerate() {
            let Some(mut span) = spans[at].take() else {
                continue;
            };
            span.cause = span.cause.map(|cause| new[cause]);
            if let Some(task) = span.task {
                let around = &mut open[task];
                while around.last().is_some_and(|outer| {
                    let outer: &Span = &self.life.spans[*outer];
                    outer.end_place() < span.began
                        || outer.end_place() < span.end_place()
                        || span.begin < outer.begin
                }) {
                    around.pop();
                }
                span.parent = around.last().copied();
                if !span.kind.is_mark() {
                    around.push(place);
                }
            }
            self.life.spans.push(span);
        }
    }

    /// Puts the spans of each device together, and the bars into their lanes.
    pub(super) fn lanes(&mut self) {
        let Life {
            devices,
            tasks,
            spans,
            end,
            ..
        } = &mut self.life;
        for (at, span) in spans.iter().enumerate() {
            if let Some(device) = span.device {
                devices[device].all.push(at);
            }
        }
        // What begins first comes first; of those, what ends last: it is around the others.
        let mut order: Vec<usize> = (0..spans.len())
            .filter(|at| spans[*at].kind.is_bar())
            .collect();
        order.sort_by_key(|at| {
            let span = &spans[*at];
            let ended = span.end.unwrap_or(*end).max(span.begin);
            (span.begin, Reverse(ended), span.events[0], *at)
        });
        for at in order {
            if let Some(device) = spans[at].device {
                let device = &mut devices[device];
                device.spans.push(at);
                if let Some(driver) = &spans[at].driver {
                    if !device.drivers.contains(driver) {
                        device.drivers.push(driver.clone());
                    }
                }
            }
            if let Some(task) = spans[at].task {
                tasks[task].spans.push(at);
            }
        }
    }
}
