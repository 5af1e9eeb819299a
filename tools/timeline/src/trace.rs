// SPDX-License-Identifier: GPL-2.0

//! A timeline in the Trace Event Format (JSON), which Perfetto, `chrome://tracing` and speedscope
//! open: a track for each device and each task, a flow for each probe that was waited for.

use std::collections::BTreeMap;

use lifecycle::life::Life;
use lifecycle::Micros;
use serde::Serialize;
use serde_json::json;

use crate::json::{json as written, List};
use crate::lane::{lanes, Lane, Of};
use crate::look::look;
use crate::words;
use crate::Heading;

/// Tracks of devices are told apart by numbers that no task has: the kernel's `PID_MAX_LIMIT`.
const ABOVE_ALL_PIDS: usize = 1 << 22;

/// One event of the format.
#[derive(Debug, Serialize)]
struct Event {
    name: String,
    cat: &'static str,
    /// The phase: metadata, a complete slice, an instant, the start and the finish of a flow.
    ph: &'static str,
    /// Since boot, in microseconds.
    ts: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<u64>,
    pid: usize,
    tid: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    /// The slice in which a flow ends: the one around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    /// The scope of an instant: its track.
    #[serde(skip_serializing_if = "Option::is_none")]
    s: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    args: BTreeMap<&'static str, serde_json::Value>,
}

/// A track: its process, which stands for the kind of lane, and its thread.
#[derive(Clone, Copy, Debug)]
struct Track {
    pid: usize,
    tid: usize,
}

impl Event {
    fn new(name: impl Into<String>, ph: &'static str, ts: Micros, track: Track) -> Self {
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

    /// The name and the place of a process or a thread.
    fn metadata(of: &str, track: Track, name: &str, place: usize) -> [Self; 2] {
        [("name", name.into()), ("sort_index", place.into())].map(|(key, value)| {
            let mut event = Self::new(format!("{of}_{key}"), "M", Micros(0), track);
            event.cat = "__metadata";
            event.args.insert(key, value);
            event
        })
    }
}

/// Writes a timeline.
pub fn trace(timeline: &Life, heading: &Heading) -> String {
    let lanes = lanes(timeline);
    let data = written(&json!({ "identity": heading.identity, "title": heading.title }));
    let mut trace = format!("{{\"displayTimeUnit\":\"ms\",\"otherData\":{data},\"traceEvents\":");
    let mut events = List::new(&mut trace);
    for of in [Of::Caller, Of::Device, Of::Worker] {
        let pid = process(of);
        let process = Track { pid, tid: 0 };
        for event in Event::metadata("process", process, of.heading(), pid) {
            events.push(&event);
        }
    }
    let flows = Flows::of(timeline);
    let mut used = 0;
    for (place, lane) in lanes.iter().enumerate() {
        for (number, slices) in nested(timeline, lane, &flows).into_iter().enumerate() {
            let track = track(timeline, lane, number, &mut used);
            let name = match number {
                0 => lane.name.clone(),
                _ => format!("{} ({})", lane.name, number + 1),
            };
            for event in Event::metadata("thread", track, &name, place) {
                events.push(&event);
            }
            for slice in slices {
                for event in flows.slice(timeline, lane.of, slice, track) {
                    events.push(&event);
                }
            }
            for mark in lane.marks.iter().filter(|_| number == 0) {
                let mark = &timeline.spans[*mark];
                let name = words::mark(mark).unwrap_or_default();
                let mut event = Event::new(name, "i", mark.begin, track);
                event.s = Some("t");
                events.push(&event);
            }
        }
    }
    events.end();
    trace + "}\n"
}

/// The process that stands for a kind of lane.
fn process(of: Of) -> usize {
    of as usize + 1
}

/// The track of a lane: a task's own number, or one that no task has.
fn track(timeline: &Life, lane: &Lane, number: usize, used: &mut usize) -> Track {
    let pid = match lane.of {
        Of::Device => None,
        Of::Caller | Of::Worker => timeline.tasks[lane.index].pid,
    };
    // CAST: a number of a task fits into 32 bits. Perfetto gives the number 0 a meaning of its own.
    #[allow(clippy::cast_possible_truncation)]
    let own = pid.filter(|pid| number == 0 && *pid != 0);
    let tid = own.map(|pid| pid as usize).unwrap_or_else(|| {
        *used += 1;
        ABOVE_ALL_PIDS + *used
    });
    let pid = process(lane.of);
    Track { pid, tid }
}

/// The source of a slice.
#[derive(Clone, Copy, Debug)]
enum Slice {
    Bar(usize),
    /// The end of a wait.
    Woken(usize),
}

/// Slices of a track must be nested or disjoint. A slice that overlaps another gets one more track.
fn nested(timeline: &Life, lane: &Lane, flows: &Flows) -> Vec<Vec<Slice>> {
    let bars = lane.bars.iter().map(|placed| {
        let bar = placed.bar;
        let (begin, end) = (timeline.spans[bar].begin, timeline.end_of(bar));
        (begin, end, Slice::Bar(bar))
    });
    let woken = flows.woken(lane);
    let woken = woken.map(|(time, wait)| (time, time, Slice::Woken(wait)));
    let mut slices: Vec<_> = bars.chain(woken).collect();
    slices.sort_by_key(|(begin, end, _)| (*begin, std::cmp::Reverse(*end)));
    let mut tracks: Vec<(Vec<Slice>, Vec<Micros>)> = vec![Default::default()];
    for (begin, end, slice) in slices {
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
        tracks[at].0.push(slice);
        tracks[at].1.push(end);
    }
    tracks.into_iter().map(|(slices, _)| slices).collect()
}

/// The numbers of the flows from probes to the tasks that waited for them.
///
/// In Perfetto, a flow begins and ends in the slice that began last on its track, and is drawn from
/// the end of the one slice to the beginning of the other. A flow therefore begins in the slice of
/// the probe, and ends in a slice without length at the end of the wait.
#[derive(Debug, Default)]
struct Flows {
    from: BTreeMap<usize, Vec<usize>>,
    to: BTreeMap<usize, Vec<usize>>,
    /// The waits that end in the lane of a task, and when.
    woken: BTreeMap<usize, Vec<(Micros, usize)>>,
}

impl Flows {
    fn of(timeline: &Life) -> Self {
        let mut flows = Self::default();
        let mut id = 0;
        for (at, wait) in timeline.waits.iter().enumerate() {
            let (Some(task), Some(end)) = (wait.task, wait.end) else {
                continue;
            };
            for probe in &wait.on {
                // Two CPUs may stamp the end of a probe before its beginning.
                let bar = &timeline.spans[*probe];
                if bar.device.is_some() && bar.begin <= end {
                    id += 1;
                    flows.from.entry(*probe).or_default().push(id);
                    flows.to.entry(at).or_default().push(id);
                }
            }
            if flows.to.contains_key(&at) {
                flows.woken.entry(task).or_default().push((end, at));
            }
        }
        flows
    }

    /// The waits that end in this lane.
    fn woken(&self, lane: &Lane) -> impl Iterator<Item = (Micros, usize)> + '_ {
        let of_task = lane.of != Of::Device;
        let woken = of_task.then(|| self.woken.get(&lane.index)).flatten();
        woken.into_iter().flatten().copied()
    }

    /// A slice, with the flows that begin or end in it.
    fn slice(&self, timeline: &Life, of: Of, slice: Slice, track: Track) -> Vec<Event> {
        let none = Vec::new();
        let (mut event, details, phase, ids) = match slice {
            Slice::Bar(at) => {
                let bar = &timeline.spans[at];
                let mut event = Event::new(words::what(bar), "X", bar.begin, track);
                event.cat = look(bar);
                event.dur = Some((timeline.end_of(at) - bar.begin).0);
                let from = self.from.get(&at).filter(|_| of == Of::Device);
                let details = words::details(timeline, at);
                (event, details, "s", from.unwrap_or(&none))
            }
            Slice::Woken(at) => {
                let wait = &timeline.waits[at];
                let time = wait.end.unwrap_or(timeline.end);
                let name = format!("waited for {}", words::awaited(timeline, wait));
                let mut event = Event::new(name, "X", time, track);
                event.cat = "wait";
                event.dur = Some(0);
                let to = self.to.get(&at);
                let details = words::wait_details(timeline, wait);
                (event, details, "f", to.unwrap_or(&none))
            }
        };
        let details = details.into_iter();
        event.args = details.map(|(key, value)| (key, value.into())).collect();
        let ts = Micros(event.ts);
        let flows = ids.iter().map(|id| {
            let mut flow = Event::new("wait", phase, ts, track);
            flow.cat = "wait";
            flow.id = Some(*id);
            flow.bp = (phase == "f").then_some("e");
            flow
        });
        std::iter::once(event).chain(flows).collect()
    }
}
