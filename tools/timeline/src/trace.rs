// SPDX-License-Identifier: GPL-2.0

//! A timeline in the Trace Event Format (JSON), which Perfetto, `chrome://tracing` and speedscope
//! open: a track for each device and each task, a flow for each probe that was waited for.

use std::collections::BTreeMap;

use lifecycle::timeline::Timeline;
use lifecycle::Micros;
use serde::Serialize;

use crate::lane::{lanes, Lane, Of};
use crate::look::Look;
use crate::words;
use crate::Heading;

/// Tracks of devices are told apart by numbers that no task has: the kernel's `PID_MAX_LIMIT`.
const ABOVE_ALL_PIDS: usize = 1 << 22;

/// The file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Trace<'a> {
    display_time_unit: &'a str,
    other_data: BTreeMap<&'a str, &'a str>,
    trace_events: Vec<Event>,
}

/// One event of the format.
#[derive(Debug, Serialize)]
struct Event {
    name: String,
    cat: &'static str,
    ph: Phase,
    /// Since boot, in microseconds.
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    pid: usize,
    tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    /// Where a flow ends: in the slice around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    /// How far an instant reaches: its track.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    args: BTreeMap<&'static str, serde_json::Value>,
}

/// The phases that are used.
#[derive(Clone, Copy, Debug, Serialize)]
enum Phase {
    #[serde(rename = "M")]
    Metadata,
    #[serde(rename = "X")]
    Complete,
    #[serde(rename = "i")]
    Instant,
    #[serde(rename = "s")]
    FlowStart,
    #[serde(rename = "f")]
    FlowEnd,
}

/// A track: its process, which stands for the kind of lane, and its thread.
#[derive(Clone, Copy, Debug)]
struct Track {
    pid: usize,
    tid: usize,
}

impl Event {
    fn new(name: impl Into<String>, ph: Phase, ts: Micros, track: Track) -> Self {
        Self {
            name: name.into(),
            cat: "timeline",
            ph,
            ts: ts.0,
            dur: None,
            pid: track.pid,
            tid: track.tid,
            id: None,
            bp: None,
            s: None,
            args: BTreeMap::new(),
        }
    }

    /// The name, or the place, of a process or a thread.
    fn metadata(name: &str, track: Track, key: &'static str, value: serde_json::Value) -> Self {
        let mut event = Self::new(name, Phase::Metadata, Micros(0), track);
        event.cat = "__metadata";
        event.args.insert(key, value);
        event
    }
}

/// Writes a timeline.
pub fn trace(timeline: &Timeline, heading: &Heading) -> String {
    let lanes = lanes(timeline);
    let mut events = Vec::new();
    for of in [Of::Caller, Of::Device, Of::Worker] {
        let process = Track {
            pid: process(of),
            tid: 0,
        };
        let (name, place) = (of.heading().into(), process.pid.into());
        events.push(Event::metadata("process_name", process, "name", name));
        events.push(Event::metadata(
            "process_sort_index",
            process,
            "sort_index",
            place,
        ));
    }
    let mut used = 0;
    // Where each bar is, in the lane of its device and in that of its task.
    let mut in_device: BTreeMap<usize, Track> = BTreeMap::new();
    let mut in_task: BTreeMap<usize, Track> = BTreeMap::new();
    for (place, lane) in lanes.iter().enumerate() {
        for (number, bars) in nested(timeline, lane).into_iter().enumerate() {
            let track = track(timeline, lane, number, &mut used);
            let name = match number {
                0 => lane.name.clone(),
                _ => format!("{} ({})", lane.name, number + 1),
            };
            events.push(Event::metadata("thread_name", track, "name", name.into()));
            events.push(Event::metadata(
                "thread_sort_index",
                track,
                "sort_index",
                place.into(),
            ));
            for bar in bars {
                match lane.of {
                    Of::Device => in_device.insert(bar, track),
                    Of::Caller | Of::Worker => in_task.insert(bar, track),
                };
                events.push(slice(timeline, bar, track));
            }
            for mark in lane.marks.iter().filter(|_| number == 0) {
                let mark = &timeline.marks[*mark];
                let mut event = Event::new(words::mark(mark), Phase::Instant, mark.time, track);
                event.s = Some("t");
                events.push(event);
            }
        }
    }
    events.extend(flows(timeline, &in_device, &in_task));
    let trace = Trace {
        display_time_unit: "ms",
        other_data: BTreeMap::from([
            ("title", heading.title.as_str()),
            ("identity", heading.identity.as_str()),
        ]),
        trace_events: events,
    };
    // Nothing in it can fail to be written.
    serde_json::to_string(&trace).unwrap_or_default() + "\n"
}

fn process(of: Of) -> usize {
    match of {
        Of::Caller => 1,
        Of::Device => 2,
        Of::Worker => 3,
    }
}

/// The track of a lane: a task's own number, or one that no task has.
fn track(timeline: &Timeline, lane: &Lane, number: usize, used: &mut usize) -> Track {
    let pid = match lane.of {
        Of::Device => None,
        Of::Caller | Of::Worker => timeline.tasks[lane.index].pid,
    };
    // CAST: a number of a task fits into 32 bits. The idle task's stands for something else here.
    #[allow(clippy::cast_possible_truncation)]
    let own = pid.filter(|pid| number == 0 && *pid != 0);
    let tid = own.map_or_else(
        || {
            *used += 1;
            ABOVE_ALL_PIDS + *used
        },
        |pid| pid as usize,
    );
    Track {
        pid: process(lane.of),
        tid,
    }
}

/// Slices of a track must lie within each other or apart: bars that overlap get one more.
fn nested(timeline: &Timeline, lane: &Lane) -> Vec<Vec<usize>> {
    let mut tracks: Vec<(Vec<usize>, Vec<Micros>)> = vec![Default::default()];
    for placed in &lane.bars {
        let (begin, end) = (timeline.bars[placed.bar].begin, timeline.end_of(placed.bar));
        for (_, open) in &mut tracks {
            while open.last().is_some_and(|end| *end <= begin) {
                open.pop();
            }
        }
        let fits = |(_, open): &(_, Vec<Micros>)| open.last().is_none_or(|around| end <= *around);
        let at = tracks.iter().position(fits).unwrap_or_else(|| {
            tracks.push(Default::default());
            tracks.len() - 1
        });
        tracks[at].0.push(placed.bar);
        tracks[at].1.push(end);
    }
    tracks.into_iter().map(|(bars, _)| bars).collect()
}

fn slice(timeline: &Timeline, at: usize, track: Track) -> Event {
    let bar = &timeline.bars[at];
    let mut event = Event::new(words::what(bar), Phase::Complete, bar.begin, track);
    event.cat = Look::of(bar).class();
    event.dur = Some((timeline.end_of(at) - bar.begin).0);
    let details = words::details(timeline, at).into_iter();
    event.args = details.map(|(key, value)| (key, value.into())).collect();
    event
}

/// From the end of each probe that was waited for to the end of the waiting. Slices end before
/// their last microsecond, and a flow begins and ends within one.
fn flows(
    timeline: &Timeline,
    in_device: &BTreeMap<usize, Track>,
    in_task: &BTreeMap<usize, Track>,
) -> Vec<Event> {
    let mut events = Vec::new();
    let within = |bar: usize, time: Micros| (time - Micros(1)).max(timeline.bars[bar].begin);
    for wait in &timeline.waits {
        for probe in &wait.on {
            let (Some(from), Some(to)) = (in_device.get(probe), in_task.get(&wait.bar)) else {
                continue;
            };
            let id = Some(events.len() / 2 + 1);
            let name = if wait.inferred {
                "waits (inferred)"
            } else {
                "waits"
            };
            let start = within(*probe, timeline.end_of(*probe));
            let end = within(wait.bar, wait.end.unwrap_or(timeline.end));
            // A probe that begins with the last event of the log is longer than the waiting.
            if start > end {
                continue;
            }
            let flow = |ph, ts, track| {
                let mut event = Event::new(name, ph, ts, track);
                event.cat = "wait";
                event.id = id;
                event
            };
            events.push(flow(Phase::FlowStart, start, *from));
            let mut event = flow(Phase::FlowEnd, end, *to);
            event.bp = Some("e");
            let details = words::wait_details(timeline, wait).into_iter();
            event.args = details.map(|(key, value)| (key, value.into())).collect();
            events.push(event);
        }
    }
    events
}
