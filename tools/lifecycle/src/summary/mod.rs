// SPDX-License-Identifier: GPL-2.0

//! What a timeline comes to: drivers, calls, and what decided how long it took.

mod path;
mod wave;

use serde::{Deserialize, Serialize};

use crate::parse::log::{Log, Source};
use crate::timeline::Kind;
use crate::{Micros, Timeline};
pub use path::{Path, Step};
pub use wave::Wave;

/// The version of this format, and of the timeline in it.
pub use crate::timeline::VERSION;

/// All that is known of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`VERSION`].
    pub version: u32,
    /// The log's name.
    pub name: String,
    /// What is in it.
    pub sources: Vec<Source>,
    /// The release of the kernel, if the log says so.
    pub kernel: Option<String>,
    /// All probes together.
    pub total: Total,
    /// The probes that belong together, in the order in which they began.
    pub waves: Vec<Wave>,
    /// What was called, in the order in which it began.
    pub calls: Vec<Call>,
    /// What decided when the longest of it all ended.
    pub path: Option<Path>,
    /// All of it. What is above refers to its bars.
    pub timeline: Timeline,
}

/// All probes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// How many there were.
    pub probes: usize,
    /// How many of them have bound a device.
    pub bound: usize,
    /// How many of them have failed.
    pub failed: usize,
    /// The time that they took one after the other.
    pub sum: Micros,
    /// The time in which at least one was under way.
    pub covered: Micros,
    /// How many ran at once, at most.
    pub at_once: usize,
}

/// Something that was called: a module's init, an initcall, a system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// What, in words: `insmod of slow_bus`.
    pub what: String,
    /// Its bar.
    pub bar: usize,
    /// How long it took; until the end of the log if it has not returned.
    pub took: Micros,
    /// How much of that it waited for others.
    pub waited: Micros,
}

impl Summary {
    /// Sums a log up.
    pub fn of(name: &str, log: &Log) -> Self {
        let timeline = Timeline::of(&log.events);
        let probes: Vec<usize> = timeline.bars_of(Kind::Probe).collect();
        let waves = wave::waves(&timeline);
        let calls = calls(&timeline);
        let path = path::path(&timeline, &waves, &calls);
        Self {
            version: VERSION,
            name: name.to_owned(),
            sources: log.sources.clone(),
            kernel: log.kernel.clone(),
            total: Total::of(&timeline, &probes),
            waves,
            calls,
            path,
            timeline,
        }
    }
}

impl Total {
    /// Sums probes up.
    fn of(timeline: &Timeline, probes: &[usize]) -> Self {
        let ret = |bar: &&usize| timeline.bars[**bar].ret;
        let mut spans: Vec<(Micros, Micros)> = probes
            .iter()
            .map(|bar| (timeline.bars[*bar].begin, timeline.end_of(*bar)))
            .collect();
        Self {
            probes: probes.len(),
            bound: probes.iter().filter(|bar| ret(bar) == Some(0)).count(),
            failed: probes
                .iter()
                .filter(|bar| ret(bar).is_some_and(|ret| ret != 0))
                .count(),
            sum: probes.iter().map(|bar| timeline.length(*bar)).sum(),
            at_once: at_once(&spans),
            covered: covered(&mut spans),
        }
    }
}

/// How many of these are under way at once, at most.
pub(crate) fn at_once(spans: &[(Micros, Micros)]) -> usize {
    let mut steps: Vec<(Micros, isize)> = spans
        .iter()
        .flat_map(|(begin, end)| [(*begin, 1), (*end, -1)])
        .collect();
    // In the same microsecond, ends come first.
    steps.sort_unstable();
    let mut now = 0_isize;
    let most = steps.into_iter().map(|(_, step)| {
        now += step;
        now
    });
    most.max().unwrap_or(0).unsigned_abs()
}

/// The time in which at least one of these is under way.
fn covered(spans: &mut [(Micros, Micros)]) -> Micros {
    spans.sort_unstable();
    let mut sum = Micros(0);
    let mut until = Micros(0);
    for (begin, end) in spans.iter() {
        sum = sum + (*end - until.max(*begin));
        until = until.max(*end);
    }
    sum
}

/// What a bar is called, if it is a call.
fn name(timeline: &Timeline, bar: usize) -> Option<String> {
    let of = &timeline.bars[bar];
    Some(match of.kind {
        Kind::Init => format!("insmod of {}", of.on),
        Kind::Rmmod => format!("rmmod of {}", of.on),
        Kind::Boot => format!("boot until {}", of.on),
        Kind::Call(call) => format!("{call} of {}", of.on),
        // What is in a call is a part of it.
        Kind::Initcall if of.parent.is_none() => format!("initcall {}", of.on),
        Kind::Bind if of.parent.is_none() => format!("bind of {}", of.on),
        Kind::Attach if of.parent.is_none() => format!("attach of {}", of.on),
        Kind::Release if of.parent.is_none() => format!("unbind of {}", of.on),
        _ => return None,
    })
}

fn calls(timeline: &Timeline) -> Vec<Call> {
    let mut calls: Vec<Call> = (0..timeline.bars.len())
        .filter_map(|bar| {
            let what = name(timeline, bar)?;
            let of = &timeline.bars[bar];
            let end = timeline.end_of(bar);
            let mut waits: Vec<(Micros, Micros)> = timeline
                .waits
                .iter()
                .filter(|wait| wait.task == of.task && of.begin <= wait.begin)
                .map(|wait| (wait.begin, wait.end.unwrap_or(timeline.end)))
                .filter(|(_, until)| *until <= end)
                .collect();
            Some(Call {
                what,
                bar,
                took: timeline.length(bar),
                waited: covered(&mut waits),
            })
        })
        .collect();
    calls.sort_by_key(|call| (timeline.bars[call.bar].begin, call.bar));
    calls
}
