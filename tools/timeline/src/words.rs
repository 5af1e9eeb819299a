// SPDX-License-Identifier: GPL-2.0

//! Bars, waits and marks in words.

use lifecycle::errno;
use lifecycle::event::Call;
use lifecycle::life::{Kind, Life, Span, Wait};
use lifecycle::Micros;

/// The text that stands in a picture without bars.
pub const NOTHING: &str =
    "The log has no probe, no call and no initcall: there is nothing to draw.";

/// The name of a bar: `probe of slow_platform.0`.
pub fn what(bar: &Span) -> String {
    let what = bar.kind.to_string();
    match (bar.kind, bar.on.as_str()) {
        (_, "") => what,
        (Kind::Flush, on) => format!("{what} by {on}"),
        (Kind::Boot, on) => format!("{what} until {on}"),
        (Kind::Waiting, on) => format!("{what}: {on}"),
        (Kind::Call(_), on) => format!("{what} {on}"),
        (_, on) => format!("{what} of {on}"),
    }
}

/// The labels of a bar, the longest first. In the lane of a device they do not name the device.
pub fn labels(timeline: &Life, at: usize, in_device_lane: bool) -> Vec<String> {
    let bar = &timeline.spans[at];
    let what = match bar.kind {
        Kind::Waiting => return Vec::new(),
        Kind::Probe if !in_device_lane => bar.on.clone(),
        Kind::Probe => "probe".to_owned(),
        Kind::SecondPhase => "second phase".to_owned(),
        _ => what(bar),
    };
    let result = match (bar.ret, bar.end) {
        (_, None) => "not ended".to_owned(),
        (Some(ret), _) if ret < 0 => errno::name(ret),
        _ => format!("{} ms", timeline.length(at)),
    };
    vec![format!("{what}, {result}"), what, result]
}

/// The facts about a bar: keys and values.
pub fn details(timeline: &Life, at: usize) -> Vec<(&'static str, String)> {
    let bar = &timeline.spans[at];
    let mut details = vec![("what", what(bar))];
    let device = bar
        .device
        .map(|device| timeline.devices[device].name.clone());
    let how = bar.asynchronous.map(|is| match is {
        true => "asynchronous".to_owned(),
        false => "synchronous".to_owned(),
    });
    for (key, value) in [
        ("device", device),
        ("driver", bar.driver.clone()),
        ("task", bar.task.map(|task| self::task(timeline, task))),
        ("cpu", bar.cpu.map(|cpu| cpu.to_string())),
        ("how", how),
    ] {
        details.extend(value.map(|value| (key, value)));
    }
    details.push(("begin", after(timeline, bar.begin)));
    let (end, took) = match bar.end {
        Some(end) => (after(timeline, end), end - bar.begin),
        None => ("not in the log".to_owned(), timeline.end - bar.begin),
    };
    details.push(("end", end));
    let more = if bar.end.is_none() { ", at least" } else { "" };
    details.push(("duration", format!("{took} ms{more}")));
    // A line of the log comes a little after the event that it is about.
    if let Some(measured) = bar.took.filter(|measured| *measured != took) {
        details.push(("measured", format!("{measured} ms, by the driver")));
    }
    if let Some(ret) = bar.ret {
        details.push(("result", errno::name(ret)));
    }
    details
}

/// Details line by line.
pub fn lines(details: &[(&'static str, String)]) -> String {
    let lines: Vec<String> = details
        .iter()
        .map(|(key, value)| format!("{key}: {value}"))
        .collect();
    lines.join("\n")
}

/// The facts about a wait: keys and values.
pub fn wait_details(timeline: &Life, wait: &Wait) -> Vec<(&'static str, String)> {
    let mut details = vec![("what", wait.doing.clone())];
    if let Some(task) = wait.task {
        details.push(("task", self::task(timeline, task)));
    }
    details.push(("waits for", awaited(timeline, wait)));
    details.push(("through", wait.through.to_string()));
    details.push(("begin", after(timeline, wait.begin)));
    let end = wait.end;
    let end = end.map_or("not in the log".to_owned(), |end| after(timeline, end));
    details.push(("end", end));
    let took = wait.end.unwrap_or(timeline.end) - wait.begin;
    details.push(("duration", format!("{took} ms")));
    if wait.inferred {
        details.push(("evidence", "inferred from the times".to_owned()));
    }
    details
}

/// The probes that a task waited for: their number, and the one that ended last.
pub fn awaited(timeline: &Life, wait: &Wait) -> String {
    let Some(last) = wait.on.last() else {
        return "no probe that the log has".to_owned();
    };
    let last = what(&timeline.spans[*last]);
    match wait.more + wait.on.len() {
        1 => last,
        probes => format!("{probes} probes, the last of them: {last}"),
    }
}

/// The name and number of a task. A task whose name the log does not have, and which begins with a
/// call and made no other, has the name of that: insmod or rmmod.
pub fn task(timeline: &Life, task: usize) -> String {
    let task = &timeline.tasks[task];
    let only = || {
        let mut kinds = task.spans.iter().map(|at| timeline.spans[*at].kind);
        let call = kinds
            .next()
            .filter(|kind| matches!(kind, Kind::Call(Call::Insmod | Call::Rmmod)))?;
        let another = kinds.any(|kind| matches!(kind, Kind::Call(_)));
        (!another).then(|| call.to_string())
    };
    match (task.name.clone().or_else(only), task.pid) {
        (Some(name), Some(pid)) => format!("{name} {pid}"),
        (Some(name), None) => name,
        (None, Some(pid)) => format!("task {pid}"),
        (None, None) => "unknown task".to_owned(),
    }
}

/// The name of a mark, if marks of its kind are shown.
pub fn mark(mark: &Span) -> Option<String> {
    let shown = matches!(
        mark.kind,
        Kind::Scheduled
            | Kind::Bound
            | Kind::Unbound
            | Kind::Uevent
            | Kind::Freed
            | Kind::ModuleFreed
            | Kind::Stray
    );
    let what = shown.then(|| mark.kind.to_string())?;
    Some(match mark.on.as_str() {
        "" => what,
        on => format!("{what}: {on}"),
    })
}

/// A time on the clock of the picture, whose zero is the first event.
fn after(timeline: &Life, time: Micros) -> String {
    format!("{} ms", time - timeline.begin)
}

/// The line below the title: the machine, the numbers of devices and tasks, and the time of the
/// first event.
pub fn subtitle(timeline: &Life, identity: &str) -> String {
    let parts = [
        identity.to_owned(),
        count(timeline.devices.len(), "device"),
        count(timeline.lanes(), "task"),
        format!("0 is {} s after boot", timeline.begin.printk()),
    ];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    parts.join(", ")
}

fn count(many: usize, what: &str) -> String {
    let plural = if many == 1 { "" } else { "s" };
    format!("{many} {what}{plural}")
}
