// SPDX-License-Identifier: GPL-2.0

//! The bars and waits of what `initcall_debug` prints.
//!
//! The lines say when something ended and how long it took. Who did it is in the lines of initcalls
//! and async work only; a probe is taken to be in what was under way and began last before it.

use std::collections::HashMap;

use super::builder::Builder;
use super::recorded::errno;
use super::waits::SOON;
use super::{Kind, Through, Wait};
use crate::event::{Initcall, Symbol};
use crate::{Micros, What};

/// What is under way, with the events that began it.
#[derive(Default)]
struct Open {
    /// Initcalls, by task.
    initcalls: Vec<(u32, Symbol, usize)>,
    /// Async work, by number, and its bars.
    works: HashMap<u64, (u32, usize)>,
    /// Waits, by task.
    waiting: HashMap<u32, usize>,
    /// The init of a module, by task, that may have to wait: where it began, and its result.
    loaded: HashMap<u32, (String, usize, i32)>,
    /// Where the kernel's last initcall returned, and by which task.
    last: Option<(u32, usize)>,
    /// Whether the log tells of async work at all.
    works_are_told: bool,
}

/// Makes the bars.
pub(super) fn bars<'a>(builder: &mut Builder<'a>) {
    let events = builder.events;
    let mut open = Open {
        works_are_told: events
            .iter()
            .any(|event| matches!(event.what, What::Initcall(Initcall::WorkBegan { .. }))),
        ..Open::default()
    };
    for (at, event) in events.iter().enumerate() {
        let What::Initcall(initcall) = &event.what else {
            continue;
        };
        match initcall {
            Initcall::Calling { function, pid } => {
                open.loaded.remove(pid);
                open.initcalls.push((*pid, function.clone(), at));
            }
            Initcall::Returned { function, ret, .. } => {
                let of = open.initcalls.iter().rposition(|(_, of, _)| of == function);
                if let Some(of) = of {
                    let (pid, function, began) = open.initcalls.remove(of);
                    initcall_bar(builder, pid, &function, began, Some(at), Some(*ret));
                    match function.module {
                        Some(module) => {
                            open.loaded.insert(pid, (module, began, *ret));
                        }
                        None => open.last = Some((pid, at)),
                    }
                }
            }
            Initcall::Probed { .. } => probe_bar(builder, &open, initcall, at),
            Initcall::WorkBegan {
                cookie,
                function,
                pid,
            } => {
                let task = builder.task(Some(*pid), None);
                let bar = builder.bar(Kind::AsyncWork, function.function(), at, None);
                bar.task = Some(task);
                let bar = builder.timeline.bars.len() - 1;
                open.works.insert(*cookie, (*pid, bar));
            }
            Initcall::WorkEnded { cookie, .. } => {
                if let Some((_, bar)) = open.works.remove(cookie) {
                    builder.timeline.bars[bar].end = Some(event.time);
                    builder.evidence(bar, [at]);
                }
            }
            Initcall::RunInit { program } => {
                if let Some((pid, began)) = open.last.take() {
                    let task = builder.task(Some(pid), None);
                    let bar = builder.bar(Kind::Boot, program, began, Some(at));
                    bar.task = Some(task);
                }
            }
            Initcall::Waiting { pid } => {
                open.waiting.insert(*pid, at);
            }
            Initcall::Continuing { pid, .. } => {
                if let Some(began) = open.waiting.remove(pid) {
                    flush_bar(builder, &mut open, *pid, began, Some(at));
                }
            }
        }
    }
    for (pid, function, began) in std::mem::take(&mut open.initcalls) {
        initcall_bar(builder, pid, &function, began, None, None);
    }
    let mut waiting: Vec<_> = std::mem::take(&mut open.waiting).into_iter().collect();
    waiting.sort_unstable();
    for (pid, began) in waiting {
        flush_bar(builder, &mut open, pid, began, None);
    }
}

fn initcall_bar(
    builder: &mut Builder<'_>,
    pid: u32,
    function: &Symbol,
    began: usize,
    ended: Option<usize>,
    ret: Option<i32>,
) {
    let task = builder.task(Some(pid), None);
    let on = match &function.module {
        Some(module) => format!("{} [{module}]", function.function()),
        None => function.function().to_owned(),
    };
    let bar = builder.bar(Kind::Initcall, on, began, ended);
    bar.task = Some(task);
    bar.ret = ret;
}

/// A wait for async work. That of a module's loader comes right after the module's init, and both
/// are what insmod takes.
fn flush_bar(
    builder: &mut Builder<'_>,
    open: &mut Open,
    pid: u32,
    began: usize,
    ended: Option<usize>,
) {
    let task = builder.task(Some(pid), None);
    if let Some((module, init, ret)) = open.loaded.remove(&pid) {
        let bar = builder.bar(Kind::Init, module, init, ended);
        bar.task = Some(task);
        bar.ret = Some(ret);
    }
    let bar = builder.bar(Kind::Flush, "", began, ended);
    bar.task = Some(task);
}

fn probe_bar<'a>(builder: &mut Builder<'a>, open: &Open, probed: &'a Initcall, at: usize) {
    let Initcall::Probed {
        device,
        driver,
        ret,
        took,
        pid,
    } = probed
    else {
        return;
    };
    let end = builder.time(at);
    let begin = end - *took;
    let lane = builder.device(device);
    // A recording, or the driver itself, may have told it already.
    let told = builder.timeline.bars.iter().rposition(|bar| {
        bar.kind == Kind::Probe
            && bar.on == *device
            && bar.end.is_some_and(|bar| begin <= bar && bar <= end)
    });
    if let Some(told) = told {
        builder.evidence(told, [at]);
        return;
    }
    let work = open
        .works
        .values()
        .filter(|(_, bar)| {
            builder.timeline.bars[*bar]
                .on
                .ends_with("_attach_async_helper")
        })
        .min_by_key(|(_, bar)| {
            let work = builder.timeline.bars[*bar].begin;
            (work.0.abs_diff(begin.0), *bar)
        })
        .filter(|(_, bar)| builder.timeline.bars[*bar].begin <= begin + Micros(1))
        .map(|(pid, _)| *pid);
    let initcall = match open.initcalls.as_slice() {
        [(pid, _, began)] if builder.time(*began) <= begin + Micros(1) => Some(*pid),
        _ => None,
    };
    let task = pid.or(work).or(initcall);
    let task = task.map(|pid| builder.task(Some(pid), None));
    let bar = builder.bar(Kind::Probe, device, at, Some(at));
    bar.begin = begin;
    bar.events = vec![at];
    bar.took = Some(*took);
    bar.device = Some(lane);
    bar.driver.clone_from(driver);
    bar.task = task;
    bar.asynchronous = open.works_are_told.then_some(work.is_some());
    bar.ret = Some(errno(*ret));
}

/// The kernel's own wait for async probes before it runs init, where no line tells of it: the last of
/// those that ended before was not long before.
pub(super) fn boot(builder: &Builder<'_>) -> Option<Wait> {
    let timeline = &builder.timeline;
    let at = timeline.bars_of(Kind::Boot).next()?;
    let boot = &timeline.bars[at];
    let end = boot.end?;
    let mut on: Vec<usize> = timeline
        .bars_of(Kind::Probe)
        .filter(|probe| {
            let probe = &timeline.bars[*probe];
            probe.asynchronous == Some(true)
                && probe
                    .end
                    .is_some_and(|ended| boot.begin < ended && ended <= end)
        })
        .collect();
    on.sort_by_key(|probe| (timeline.end_of(*probe), *probe));
    let last = timeline.end_of(*on.last()?);
    if last + SOON < end {
        return None;
    }
    let mut events = boot.events.clone();
    events.extend(
        on.iter()
            .flat_map(|probe| timeline.bars[*probe].events.clone()),
    );
    events.sort_unstable();
    events.dedup();
    Some(Wait {
        task: boot.task,
        doing: format!("boot until {}", boot.on),
        bar: at,
        through: Through::AsyncWork,
        begin: boot.begin,
        end: Some(last),
        on,
        inferred: true,
        events,
    })
}

/// The waits for async work that ended meanwhile.
pub(super) fn waits(builder: &Builder<'_>) -> Vec<Wait> {
    let bars = &builder.timeline.bars;
    let is_line = |at: usize| matches!(builder.events[at].what, What::Initcall(_));
    let works: Vec<usize> = (0..bars.len())
        .filter(|bar| bars[*bar].kind == Kind::AsyncWork && is_line(bars[*bar].events[0]))
        .collect();
    // A work that is a probe is known by that.
    let probe_of: HashMap<usize, usize> = works
        .iter()
        .filter_map(|work| {
            let probe = bars.iter().rposition(|bar| {
                bar.kind == Kind::Probe
                    && bar.task == bars[*work].task
                    && bars[*work].begin <= bar.begin + Micros(1)
                    && bars[*work].end.is_none_or(|end| bar.end <= Some(end))
            });
            Some((*work, probe?))
        })
        .collect();
    let mut waits = Vec::new();
    for (at, flush) in bars.iter().enumerate() {
        if flush.kind != Kind::Flush || !is_line(flush.events[0]) {
            continue;
        }
        let end = builder.timeline.end_of(at);
        let awaited = |work: &&usize| {
            let work = &bars[**work];
            work.task != flush.task
                && work.begin <= end
                && work
                    .end
                    .is_none_or(|ended| flush.begin < ended && ended <= end)
        };
        let works: Vec<usize> = works.iter().filter(awaited).copied().collect();
        let mut events = flush.events.clone();
        events.extend(works.iter().flat_map(|work| bars[*work].events.clone()));
        events.sort_unstable();
        let mut on: Vec<usize> = works
            .iter()
            .map(|work| probe_of.get(work).copied().unwrap_or(*work))
            .collect();
        on.sort_by_key(|bar| (builder.timeline.end_of(*bar), *bar));
        if on.is_empty() {
            continue;
        }
        let around = bars.iter().position(|bar| {
            bar.kind == Kind::Init && bar.task == flush.task && bar.end == flush.end
        });
        let doing = match around {
            Some(init) => format!("insmod of {}", bars[init].on),
            None => match flush.task.and_then(|task| builder.timeline.tasks[task].pid) {
                Some(1) => "the kernel's init".to_owned(),
                pid => format!("task {}", pid.unwrap_or_default()),
            },
        };
        waits.push(Wait {
            task: flush.task,
            doing,
            bar: around.unwrap_or(at),
            through: Through::AsyncWork,
            begin: flush.begin,
            end: flush.end,
            on,
            inferred: false,
            events,
        });
    }
    waits
}
