// SPDX-License-Identifier: GPL-2.0

//! The spans of what `initcall_debug` prints.
//!
//! The lines say when something ended and how long it took. Only the lines of initcalls and of
//! async work name the task. A probe belongs to the async work of the driver core that returns
//! right after it. Without such work, it is in the task of the initcall that alone is under way.
//! Else its task is not known. Of what has begun before the log, or in lines that it lacks, the
//! line at its end says how long it took.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::build::Builder;
use super::model::Kind;
use super::waits::SOON;
use crate::errno;
use crate::event::halves::{halves, Halves};
use crate::event::{Event, Initcall, Symbol};
use crate::{Micros, What};

/// What is under way, with the events that began it.
#[derive(Default)]
struct Open<'a> {
    /// Initcalls, by function: the tasks and where they began.
    initcalls: HashMap<&'a Symbol, Vec<(u32, usize)>>,
    /// The same, by where they began.
    last: BTreeMap<usize, u32>,
    /// Async work, by number: the span.
    works: HashMap<u64, usize>,
    /// The tasks that run it.
    workers: HashSet<u32>,
    /// The driver core's helpers among it, which attach one device each, by when they began.
    helpers: BTreeSet<(Micros, usize)>,
    /// Other async work, which may probe what it finds, by when it began.
    others: BTreeSet<(Micros, usize)>,
    /// The probes that a helper may have made, by when they began.
    unclaimed: BTreeMap<(Micros, usize), Unclaimed>,
    /// The same, as they ended.
    ended: Vec<(Micros, (Micros, usize))>,
    /// Waits, by task.
    waiting: HashMap<u32, usize>,
    /// The init of a module, by task, that may have to wait: where it began and returned, and its
    /// result.
    loaded: HashMap<u32, (&'a str, [usize; 2], i32)>,
    /// Where the kernel's last initcall returned, and by which task.
    returned: Option<(u32, usize)>,
    /// Until this event, time has this grain.
    jiffies: (usize, Micros),
    /// Whether the log tells of async work.
    works_are_told: bool,
    /// No line so far shows that the kernel goes on to print async work after init runs.
    until_init: bool,
    /// The probes of each device that a recording or the driver itself has told.
    told: HashMap<String, Vec<usize>>,
    /// The devices whose last probe by a driver was deferred.
    deferred: HashSet<(&'a str, Option<&'a str>)>,
}

/// A probe that a helper may have made.
#[derive(Clone, Copy)]
struct Unclaimed {
    /// The helper that returns after it may have made another.
    unsure: bool,
    /// An initcall was under way that may have made it.
    or_initcall: bool,
}

/// Whether it is a line about a piece of async work.
fn is_of_work(what: &What) -> bool {
    use Initcall::{WorkBegan, WorkEnded};
    matches!(what, What::Initcall(WorkBegan { .. } | WorkEnded { .. }))
}

impl Open<'_> {
    /// A probe may seem to have begun so much before the line ahead of it: its length is rounded
    /// down, and time may have the grain of a jiffy.
    fn grain(&self, at: usize) -> Micros {
        let (until, jiffy) = self.jiffies;
        if at < until {
            jiffy
        } else {
            Micros(1)
        }
    }
}

/// Until a clock is registered, time has the grain of a jiffy (`kernel/time/sched_clock.c`), of 1
/// to 10 ms: up to which event that is so, and the grain.
fn jiffies(events: &[Event]) -> (usize, Micros) {
    let mut jiffy = 0;
    for (at, event) in events.iter().enumerate() {
        let (mut grain, mut rest) = (jiffy, event.time.0);
        while rest > 0 {
            (grain, rest) = (rest, grain % rest);
        }
        if 0 < grain && grain < 1000 {
            return (at, Micros(jiffy.min(10_000)));
        }
        jiffy = grain;
    }
    (events.len(), Micros(jiffy.min(10_000)))
}

/// Makes the spans.
pub(super) fn spans(builder: &mut Builder<'_>) {
    let events = builder.events;
    // What the command line switches on is on from the beginning. Userspace may do so later.
    let init = events.iter().position(Event::runs_init);
    let before = &events[..init.unwrap_or(0)];
    let mut open = Open {
        jiffies: jiffies(events),
        works_are_told: before.iter().any(|event| is_of_work(&event.what)),
        until_init: true,
        ..Open::default()
    };
    for (at, span) in builder.life.spans.iter().enumerate() {
        if span.kind == Kind::Probe {
            open.told.entry(span.on.clone()).or_default().push(at);
        }
    }
    let Halves {
        unreturned,
        unbegun,
        ..
    } = halves(events);
    for at in unbegun {
        work_until(builder, &mut open, at);
    }
    for (at, event) in events.iter().enumerate() {
        let What::Initcall(initcall) = &event.what else {
            continue;
        };
        open.works_are_told |= is_of_work(&event.what);
        if let Some(called) = unreturned.get(&at) {
            left(builder, &mut open, *called, at);
        }
        match initcall {
            Initcall::Calling { function, pid } => {
                open.loaded.remove(pid);
                // Userspace loads it.
                open.works_are_told &= function.module.is_none() || !open.until_init;
                let of = open.initcalls.entry(function).or_default();
                of.push((*pid, at));
                open.last.insert(at, *pid);
            }
            Initcall::Returned {
                function,
                ret,
                took,
            } => {
                let of = open.initcalls.get_mut(function);
                let Some((pid, began)) = of.and_then(Vec::pop) else {
                    let span = end_span(builder, Kind::Initcall, &name(function), None, *took, at);
                    builder.life.spans[span].ret = Some(*ret);
                    continue;
                };
                open.last.remove(&began);
                initcall_span(builder, pid, function, began, Some(at), Some(*ret));
                match &function.module {
                    Some(module) => {
                        open.loaded.insert(pid, (module, [began, at], *ret));
                    }
                    None => open.returned = Some((pid, at)),
                }
            }
            Initcall::Probed { .. } => probe_span(builder, &mut open, initcall, at),
            Initcall::WorkBegan {
                cookie,
                function,
                pid,
            } => {
                let on = function.function();
                let span = task_span(builder, Kind::AsyncWork, on, *pid, at, None);
                open.workers.insert(*pid);
                work(builder, &mut open, span, *cookie);
            }
            Initcall::WorkEnded {
                cookie,
                until_init,
                took,
                ..
            } => {
                open.until_init &= *until_init;
                if let Some(span) = open.works.remove(cookie) {
                    builder.end(span, at);
                    let work = &builder.life.spans[span];
                    let pid = builder.life.pid_of(work);
                    pid.map(|pid| open.workers.remove(&pid));
                    open.others.remove(&(work.begin, span));
                    if open.helpers.remove(&(work.begin, span)) {
                        claim(builder, &mut open, span, lasted(*took));
                    }
                }
            }
            Initcall::RunInit { program } => {
                open.works_are_told &= !open.until_init;
                if let Some((pid, began)) = open.returned.take() {
                    task_span(builder, Kind::Boot, program, pid, began, Some(at));
                }
            }
            Initcall::Waiting { pid } => {
                open.waiting.insert(*pid, at);
            }
            Initcall::Continuing { pid, took } => match open.waiting.remove(pid) {
                Some(began) => flush_span(builder, &mut open, *pid, began, Some(at)),
                None => {
                    end_span(builder, Kind::Flush, "", Some(*pid), lasted(*took), at);
                }
            },
        }
    }
    let mut initcalls: Vec<_> = std::mem::take(&mut open.initcalls).into_iter().collect();
    initcalls.retain(|(_, of)| !of.is_empty());
    initcalls.sort_unstable_by_key(|(_, of)| of[0].1);
    for (function, of) in initcalls {
        for (pid, began) in of {
            initcall_span(builder, pid, function, began, None, None);
        }
    }
    let mut waiting: Vec<_> = std::mem::take(&mut open.waiting).into_iter().collect();
    waiting.sort_unstable();
    for (pid, began) in waiting {
        flush_span(builder, &mut open, pid, began, None);
    }
}

/// An init function is over that was called there, and whose return is not in the log.
fn left<'a>(builder: &mut Builder<'a>, open: &mut Open<'a>, called: usize, at: usize) {
    let events = builder.events;
    let What::Initcall(Initcall::Calling { function, pid }) = &events[called].what else {
        return;
    };
    open.last.remove(&called);
    let of = open.initcalls.entry(function).or_default();
    of.retain(|(_, at)| *at != called);
    initcall_span(builder, *pid, function, called, Some(at), None);
}

/// Adds a span of which only the end is in the log.
fn end_span(
    builder: &mut Builder<'_>,
    kind: Kind,
    on: &str,
    pid: Option<u32>,
    took: Micros,
    ended: usize,
) -> usize {
    let task = builder.task(pid, None);
    let span = builder.span_until(kind, on, took, ended);
    builder.life.spans[span].task = Some(task);
    span
}

/// What the lines of async work print as microseconds are units of 1024 ns (`kernel/async.c`,
/// `microseconds_since()`): so long it took at most.
fn lasted(took: Micros) -> Micros {
    Micros(took.0.saturating_add(1).saturating_mul(1024) / 1000)
}

/// Async work of which only the end is in the log, unless it began before the log.
fn work_until(builder: &mut Builder<'_>, open: &mut Open<'_>, ended: usize) {
    let What::Initcall(Initcall::WorkEnded {
        cookie,
        function,
        took,
        ..
    }) = &builder.events[ended].what
    else {
        return;
    };
    if builder.time(ended) < builder.life.begin + lasted(*took) {
        return;
    }
    let on = function.function();
    let span = end_span(builder, Kind::AsyncWork, on, None, lasted(*took), ended);
    work(builder, open, span, *cookie);
}

/// A span is the async work of this number, in place of one whose end is not in the log.
fn work(builder: &mut Builder<'_>, open: &mut Open<'_>, span: usize, cookie: u64) {
    let of = &mut builder.life.spans[span];
    of.facts.cookie = Some(cookie);
    if of.is_attach_helper() {
        open.helpers.insert((of.begin, span));
    } else if !of.is_of_initramfs() {
        open.others.insert((of.begin, span));
    }
    if let Some(lost) = open.works.insert(cookie, span) {
        let lost = (builder.life.spans[lost].begin, lost);
        open.helpers.remove(&lost);
        open.others.remove(&lost);
    }
}

/// The name of an init function, with its module.
fn name(function: &Symbol) -> String {
    match &function.module {
        Some(module) => format!("{} [{module}]", function.function()),
        None => function.function().to_owned(),
    }
}

/// Adds a span of a task.
fn task_span(
    builder: &mut Builder<'_>,
    kind: Kind,
    on: &str,
    pid: u32,
    began: usize,
    ended: Option<usize>,
) -> usize {
    let task = builder.task(Some(pid), None);
    let span = builder.span(kind, on, began, ended);
    builder.life.spans[span].task = Some(task);
    span
}

fn initcall_span(
    builder: &mut Builder<'_>,
    pid: u32,
    function: &Symbol,
    began: usize,
    ended: Option<usize>,
    ret: Option<i32>,
) {
    let span = task_span(builder, Kind::Initcall, &name(function), pid, began, ended);
    builder.life.spans[span].ret = ret;
}

/// A wait for async work. That of a module's loader comes right after the module's init, and insmod
/// takes as long as both.
fn flush_span(
    builder: &mut Builder<'_>,
    open: &mut Open<'_>,
    pid: u32,
    began: usize,
    ended: Option<usize>,
) {
    let loaded = open.loaded.remove(&pid);
    let at_once = |returned: usize| builder.time(began) - builder.time(returned) <= SOON;
    if let Some((module, [init, _], ret)) = loaded.filter(|(_, [_, ret], _)| at_once(*ret)) {
        let span = task_span(builder, Kind::Init, module, pid, init, ended);
        builder.life.spans[span].ret = ended.map(|_| ret);
    }
    task_span(builder, Kind::Flush, "", pid, began, ended);
}

fn probe_span<'a>(builder: &mut Builder<'a>, open: &mut Open<'a>, probed: &'a Initcall, at: usize) {
    let Initcall::Probed {
        device,
        driver,
        outcome,
        took,
        pid,
        ..
    } = probed
    else {
        return;
    };
    let end = builder.time(at);
    let begin = end - *took;
    let lane = builder.device(device);
    let spans = &builder.life.spans;
    let told = open
        .told
        .get(device.as_str())
        .map_or(&[][..], Vec::as_slice);
    // They follow each other.
    let until = told.partition_point(|told| spans[*told].begin <= end);
    let mut told = told[..until].iter().rev();
    let told = told.find(|told| spans[**told].end.is_some_and(|told| told <= end));
    let told = told.filter(|told| spans[**told].end >= Some(begin));
    if let Some(told) = told {
        builder.evidence(*told, at);
        return;
    }
    let since = begin + open.grain(at);
    let is_worker = pid.is_some_and(|pid| open.workers.contains(&pid));
    let mut helpers = open.helpers.range(..=(since, usize::MAX));
    // Of a helper whose beginning is not in the log, the task is not known.
    let in_helper = !is_worker
        && helpers.any(|(_, at)| pid.is_none() || builder.life.pid_of(&spans[*at]).is_none());
    let mut others = open.others.range(..=(since, usize::MAX));
    let in_work = in_helper || pid.is_none() && others.next().is_some();
    // A worker tries deferred devices again, also those for which deferred_probe_initcall() waits
    // (drivers/base/dd.c, deferred_probe_work_func()).
    let of = (device.as_str(), driver.as_deref());
    let is_retry = open.deferred.remove(&of);
    if outcome.ret() == Some(errno::EPROBE_DEFER) {
        open.deferred.insert(of);
    }
    let is_waiting = |began: usize| {
        let What::Initcall(Initcall::Calling { function, .. }) = &builder.events[began].what else {
            return false;
        };
        function.function() == "deferred_probe_initcall"
    };
    let or_initcall = {
        let mut initcalls = open.last.keys();
        initcalls.any(|began| builder.time(*began) <= since && !is_waiting(*began))
    };
    let alone = open.last.first_key_value().filter(|_| open.last.len() == 1);
    let initcall =
        alone.filter(|(began, _)| builder.time(**began) <= since && !is_waiting(**began));
    let initcall = initcall.map(|(_, pid)| *pid).filter(|_| !is_retry);
    let task = pid.or(initcall.filter(|_| !in_work));
    let asynchronous = (!in_work).then_some(is_worker);
    // The line of a helper that began before the log is not in it.
    let told = open.works_are_told && builder.life.begin <= begin;
    let task = task.map(|pid| builder.task(Some(pid), None));
    let span = builder.span_until(Kind::Probe, device.as_str(), *took, at);
    if in_helper {
        let probe = Unclaimed {
            unsure: false,
            or_initcall,
        };
        open.unclaimed.insert((begin, span), probe);
        open.ended.push((end, (begin, span)));
    }
    let of = &mut builder.life.spans[span];
    of.device = Some(lane);
    of.driver = driver.as_ref().map(ToString::to_string);
    of.task = task;
    of.facts.presumed = pid.is_none() && task.is_some();
    of.asynchronous = asynchronous.filter(|it| *it || told);
    of.ret = outcome.ret();
}

/// A helper has ended. Its probe is the last to end of those that began soon after it did, took no
/// longer, and ended soon before: those within it end earlier. Where another probe fits it, which
/// is not within that one, or may be another helper's, its worker is not known; nor is whether it
/// is asynchronous, if an initcall or a worker that looks for devices may have made it. One that
/// began later and ended later fits, too: a helper waits for the lock of its device.
fn claim(builder: &mut Builder<'_>, open: &mut Open<'_>, work: usize, took: Micros) {
    let of_work = &builder.life.spans[work];
    let (began, ended) = (of_work.begin, builder.life.end_of(work));
    let until = (began + SOON, usize::MAX);
    let grain = open.grain(of_work.began);
    let mut from = (began - grain, 0);
    let mut fit = Vec::new();
    while let Some((probe, _)) = open.unclaimed.range(from..=until).next() {
        let (probe, end) = (*probe, builder.life.end_of(probe.1));
        from = (probe.0, probe.1 + 1);
        match end + SOON < ended {
            true => _ = open.unclaimed.remove(&probe),
            false if end - probe.0 <= took + grain => {
                fit.push((end, Reverse(probe.0), probe.1));
            }
            false => {}
        }
    }
    fit.sort_unstable_by(|one, other| other.cmp(one));
    let mut fit = fit.into_iter().map(|(_, begin, at)| (begin.0, at));
    let Some(probe) = fit.next() else { return };
    let others = (probe.0 - SOON, 0)..=(probe.0 + grain, usize::MAX);
    let rival = open.helpers.range(others).next().is_some();
    let other = fit.find(|other| rival || other.0 + grain < probe.0);
    let end_of_probe = builder.life.end_of(probe.1);
    let soon = open.ended.iter().rev();
    let mut soon = soon.take_while(|(end, _)| *end + SOON >= ended && *end > end_of_probe);
    let later = soon.any(|(_, later)| *later > until && open.unclaimed.contains_key(later));
    let of = open.unclaimed.remove(&probe);
    let or_initcall = of.is_some_and(|of| of.or_initcall);
    let another = other.and_then(|other| open.unclaimed.get(&other));
    let or_other =
        later || another.is_some_and(|other| or_initcall || !rival && !other.or_initcall);
    let unsure = later || other.is_some() || of.is_some_and(|of| of.unsure);
    if let Some(other) = other.and_then(|other| open.unclaimed.get_mut(&other)) {
        other.unsure = true;
    }
    let task = builder.life.spans[work].task;
    let of = &mut builder.life.spans[probe.1];
    let told = of.task;
    of.asynchronous = (told.is_some() || !or_other).then_some(true);
    of.task = told.or(task.filter(|_| !unsure));
    if !unsure && told.is_some() {
        builder.life.spans[work].task = told;
    }
}
