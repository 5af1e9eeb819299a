// SPDX-License-Identifier: GPL-2.0

//! What a picture of a log must show, straight from the events.

use std::collections::BTreeMap;

use lifecycle::call::calls;
use lifecycle::probe::probes;
use lifecycle::recording::{spans, Point, Recorded, Span};
use lifecycle::timeline::{Kind, Timeline};
use lifecycle::{Event, Micros, What};
use timeline::look;

/// A bar that must be there.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
pub(crate) struct Bar {
    pub(crate) section: &'static str,
    pub(crate) lane: String,
    pub(crate) class: String,
    pub(crate) begin: Micros,
    pub(crate) end: Micros,
}

/// The classes of the bars that [`bars`] has all of.
pub(crate) const CLASSES: &[&str] = &[
    "async", "sync", "probe", "firmware", "second", "call", "init",
];

/// The bars of probes, firmware, second phases, modules and userspace's calls.
pub(crate) fn bars(events: &[Event]) -> Vec<Bar> {
    // Of what initcall_debug prints the timeline has to guess a part: it is believed.
    if events
        .iter()
        .any(|event| matches!(event.what, What::Initcall(_)))
    {
        let mut bars = bars_of(&Timeline::of(events));
        bars.retain(|bar| CLASSES.contains(&bar.class.split(' ').next().unwrap_or_default()));
        return bars;
    }
    let log = Log::new(events);
    let mut bars = Vec::new();
    let spans = spans(events);
    for (at, span) in spans.iter().enumerate() {
        log.span(&spans, at, span, &mut bars);
    }
    let recorded = !spans.is_empty();
    for probe in probes(events) {
        let task = log.task(probe.pid);
        let how = if probe.asynchronous { "async" } else { "sync" };
        if !recorded {
            let end = probe.ended;
            let class = class(how, probe.ret, end.is_some());
            log.both(&mut bars, probe.device, &task, &class, probe.began, end);
        }
        for at in probe.firmware.iter().filter(|_| !recorded) {
            let What::FirmwareArrived { ret, took, .. } = events[*at].what else {
                panic!("no firmware");
            };
            let begin = (events[*at].time - took).max(events[probe.began].time);
            let bar = Bar {
                section: "devices",
                lane: probe.device.to_owned(),
                class: class("firmware", Some(ret), true),
                begin,
                end: events[*at].time,
            };
            if probe.ended.is_none_or(|ended| *at < ended) {
                bars.push(Bar {
                    section: task.0,
                    lane: task.1.clone(),
                    ..bar.clone()
                });
            }
            bars.push(bar);
        }
        if let Some(ready) = probe.ready {
            let What::Ready { ret, .. } = events[ready].what else {
                panic!("not ready");
            };
            let began = probe.ended.filter(|ended| *ended < ready);
            bars.push(Bar {
                section: "devices",
                lane: probe.device.to_owned(),
                class: class("second", Some(ret), true),
                begin: events[began.unwrap_or(probe.began)].time,
                end: events[ready].time,
            });
        }
    }
    for call in calls(events) {
        let class = class("call", call.ret, call.returned.is_some());
        log.one(
            &mut bars,
            &log.task(call.pid),
            &class,
            call.began,
            call.returned,
        );
    }
    bars
}

/// All bars of a timeline, in their lanes.
pub(crate) fn bars_of(timeline: &Timeline) -> Vec<Bar> {
    let mut bars = Vec::new();
    for bar in &timeline.bars {
        let at = |section, lane: &str| Bar {
            section,
            lane: lane.to_owned(),
            class: look::classes(bar),
            begin: bar.begin,
            end: bar.end.unwrap_or(timeline.end),
        };
        let of_device = matches!(
            bar.kind,
            Kind::Waiting | Kind::Probe | Kind::Firmware | Kind::SecondPhase | Kind::Remove
        );
        if let Some(device) = bar.device.filter(|_| of_device) {
            bars.push(at("devices", &timeline.devices[device].name));
        }
        if let Some(task) = bar.task {
            let task = &timeline.tasks[task];
            let name = task.name.as_deref().unwrap_or("task");
            let worker = name.starts_with("kworker/");
            let lane = match task.pid {
                Some(pid) => format!("{name} {pid}"),
                None => "unknown task".to_owned(),
            };
            bars.push(at(if worker { "workers" } else { "tasks" }, &lane));
        }
    }
    bars
}

/// Whom tasks waited for in a recording: the lane of the waiter, from when to when, and the names
/// of the devices whose probes it flushed, with their ends.
pub(crate) fn flushes(events: &[Event]) -> Vec<(String, Micros, Micros)> {
    let log = Log::new(events);
    let spans = spans(events);
    let end = |span: &Span<'_>| span.ended.map_or(log.end, |ended| events[ended].time);
    let mut flushes = Vec::new();
    for flush in spans
        .iter()
        .filter(|span| span.point == Point::Flush && span.fetched.domain == Some(0))
    {
        // Async attaching that runs when the flush begins, by another task. What a driver has in a
        // domain of its own is not waited for.
        let waits = spans.iter().any(|work| {
            matches!(work.point, Point::DriverAttach | Point::DeviceAttach)
                && work.pid != flush.pid
                && work.spans(flush.began)
                && spans.iter().any(|probe| {
                    probe.point == Point::Probe && probe.pid == work.pid && work.spans(probe.began)
                })
        });
        if waits {
            let (_, lane) = log.task(flush.pid);
            flushes.push((lane, events[flush.began].time, end(flush)));
        }
    }
    flushes
}

fn class(look: &str, ret: Option<i32>, ended: bool) -> String {
    let failed = if ret.is_some_and(|ret| ret < 0) {
        " failed"
    } else {
        ""
    };
    let open = if ended { "" } else { " open" };
    format!("{look}{failed}{open}")
}

/// A log, with what is known of its tasks.
struct Log<'a> {
    events: &'a [Event],
    names: BTreeMap<u32, &'a str>,
    end: Micros,
}

impl<'a> Log<'a> {
    fn new(events: &'a [Event]) -> Self {
        let names = events.iter().filter_map(|event| match &event.what {
            What::ProbeBegan { pid, task, .. } | What::Recorded(Recorded { pid, task, .. }) => {
                Some((*pid, task.as_str()))
            }
            _ => None,
        });
        Self {
            events,
            names: names.collect(),
            end: events
                .iter()
                .map(|event| event.time)
                .max()
                .unwrap_or_default(),
        }
    }

    /// Where its lane is, and the lane's name.
    fn task(&self, pid: u32) -> (&'static str, String) {
        match self.names.get(&pid) {
            Some(name) if name.starts_with("kworker/") => ("workers", format!("{name} {pid}")),
            Some(name) => ("tasks", format!("{name} {pid}")),
            None => ("tasks", format!("task {pid}")),
        }
    }

    /// A bar in one lane.
    fn one(
        &self,
        bars: &mut Vec<Bar>,
        (section, lane): &(&'static str, String),
        class: &str,
        began: usize,
        ended: Option<usize>,
    ) {
        bars.push(Bar {
            section,
            lane: lane.clone(),
            class: class.to_owned(),
            begin: self.events[began].time,
            end: ended.map_or(self.end, |ended| self.events[ended].time),
        });
    }

    /// A bar in the lane of its device and in that of its task.
    fn both(
        &self,
        bars: &mut Vec<Bar>,
        device: &str,
        task: &(&'static str, String),
        class: &str,
        began: usize,
        ended: Option<usize>,
    ) {
        self.one(bars, &("devices", device.to_owned()), class, began, ended);
        self.one(bars, task, class, began, ended);
    }

    /// The bars of a function that was recorded.
    fn span(&self, spans: &[Span<'_>], at: usize, span: &Span<'_>, bars: &mut Vec<Bar>) {
        let class = |look| class(look, span.ret, span.ended.is_some());
        let task = self.task(span.pid);
        match span.point {
            Point::Probe => {
                let mut outer = spans[at].parent;
                let mut how = "sync";
                while let Some(around) = outer {
                    if spans[around].point == Point::Run {
                        how = "async";
                    }
                    outer = spans[around].parent;
                }
                let class = class(how);
                self.both(bars, span.device(), &task, &class, span.began, span.ended);
            }
            Point::Firmware => {
                let class = class("firmware");
                self.both(bars, span.device(), &task, &class, span.began, span.ended);
            }
            Point::Init | Point::Rmmod => {
                self.one(bars, &task, &class("init"), span.began, span.ended);
            }
            _ => {}
        }
    }
}
