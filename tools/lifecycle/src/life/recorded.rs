// SPDX-License-Identifier: GPL-2.0

//! The spans of a recording.

use std::collections::HashMap;

use super::build::Builder;
use super::model::{function, Facts, Kind};
use crate::event::point::{Point, Returns};
use crate::event::resource::{Resource, Step};
use crate::event::{Fetched, Recorded, Side, SmolStr};
use crate::probing::Probing;
use crate::What;

/// What a function of the kernel is in a life.
fn kind(point: Point) -> Kind {
    match point {
        Point::Probe => Kind::Probe,
        Point::Bound => Kind::Bound,
        Point::Release => Kind::Release,
        Point::Remove => Kind::Remove,
        Point::Cleanup => Kind::Cleanup,
        Point::Detach => Kind::Detach,
        Point::Register => Kind::Register,
        Point::Unregister => Kind::Unregister,
        Point::Bus => Kind::Bus,
        Point::BusGone => Kind::BusGone,
        Point::Bind => Kind::Bind,
        Point::Attach => Kind::Attach,
        Point::Firmware => Kind::Firmware,
        Point::Init => Kind::Init,
        Point::Rmmod => Kind::Rmmod,
        Point::FreeModule => Kind::ModuleFreed,
        Point::Flush => Kind::Flush,
        Point::Add => Kind::Add,
        Point::Del => Kind::Del,
        Point::Uevent => Kind::Uevent,
        Point::Schedule | Point::ScheduleDevice => Kind::Scheduled,
        Point::Queue => Kind::Queued,
        Point::Run => Kind::AsyncWork,
        Point::DriverAttach => Kind::DriverAttach,
        Point::DeviceAttach => Kind::DeviceAttach,
        Point::Freed => Kind::Freed,
        Point::Thread => Kind::Thread,
        Point::RequestModule => Kind::RequestModule,
        Point::Of(resource, step) => Kind::Of(resource, step),
    }
}

/// What a span is about.
fn on(point: Point, fetched: &Fetched, device: Option<&str>) -> String {
    match point {
        Point::Register | Point::Unregister | Point::Detach => fetched.driver.as_deref(),
        Point::Init
        | Point::Rmmod
        | Point::Firmware
        | Point::RequestModule
        | Point::FreeModule
        | Point::Bus
        | Point::BusGone => fetched.name.as_deref(),
        Point::Flush | Point::Thread => fetched.caller.as_deref().map(function),
        Point::Of(Resource::Link, Step::Starts) => {
            return format!("to {}", fetched.name.as_deref().unwrap_or_default());
        }
        Point::Of(Resource::Attribute | Resource::Region | Resource::Queue, _)
            if fetched.name.is_some() =>
        {
            fetched.name.as_deref()
        }
        Point::Of(..) => fetched.function.as_deref(),
        Point::Schedule | Point::ScheduleDevice => fetched.function.as_deref().map(function),
        Point::Uevent => {
            let action = fetched.name.as_deref();
            action.map(|action| action.strip_prefix("ACTION=").unwrap_or(action))
        }
        _ => device,
    }
    .unwrap_or_default()
    .to_owned()
}

/// A task on its way through the kernel.
#[derive(Default)]
struct Inside {
    /// The functions that it is in.
    open: Vec<usize>,
    /// The removes and trials that are not over.
    removes: Vec<usize>,
}

/// Makes a span of each function of the kernel.
pub(super) fn spans(builder: &mut Builder<'_>) {
    let events = builder.events;
    let mut tasks: HashMap<u32, Inside> = HashMap::new();
    // Work for a device is scheduled by where the device is.
    let mut names: HashMap<u64, &str> = HashMap::new();
    for (place, event) in events.iter().enumerate() {
        let What::Recorded(recorded) = &event.what else {
            continue;
        };
        let inside = tasks.entry(recorded.pid).or_default();
        match &recorded.side {
            Side::Begins(fetched) => begins(builder, &mut names, inside, recorded, fetched, place),
            Side::Returns { caller, ret } => returns(builder, inside, caller, *ret, place),
        }
    }
}

fn begins<'a>(
    builder: &mut Builder<'a>,
    names: &mut HashMap<u64, &'a str>,
    inside: &mut Inside,
    recorded: &'a Recorded,
    fetched: &'a Fetched,
    place: usize,
) {
    let point = recorded.point;
    let trial = inside.open.last().copied().filter(|outer| {
        let outer = &builder.life.spans[*outer];
        outer.kind == Kind::Probe && outer.facts.at == fetched.at
    });
    let tried = inside.removes.last().copied();
    let tried = tried.filter(|remove| builder.life.spans[*remove].kind == Kind::Trial);
    if let (Point::Cleanup, Some(_), Some(tried)) = (point, trial, tried) {
        builder.end(tried, place);
        inside.removes.pop();
        return;
    }
    if let (Some(at), Some(device)) = (fetched.at, fetched.device.as_deref()) {
        names.insert(at, device);
    }
    let name = fetched.device.as_deref();
    // A resource may lie where a device was.
    let at = fetched.at.filter(|_| !matches!(point, Point::Of(..)));
    let name = name.or(at.and_then(|at| names.get(&at).copied()));
    let device = name.map(|name| builder.device(name));
    let task = builder.task(Some(recorded.pid), Some(&recorded.task));
    let instant = point.definition().returns == Returns::Unseen;
    let ended = (instant && point != Point::Remove).then_some(place);
    let span = builder.span(kind(point), on(point, fetched, name), place, ended);
    let asynchronous = (point == Point::Probe).then(|| {
        let is_work = |outer: &usize| builder.life.spans[*outer].kind == Kind::AsyncWork;
        inside.open.iter().any(is_work)
    });
    let text = |of: &Option<SmolStr>| of.as_ref().map(ToString::to_string);
    let names_module = matches!(point, Point::Register | Point::Of(Resource::Reference, _));
    let caller = match point {
        Point::Of(..) | Point::Schedule | Point::ScheduleDevice => &fetched.function,
        _ => &fetched.caller,
    };
    let of = &mut builder.life.spans[span];
    of.device = device;
    of.driver = text(&fetched.driver);
    of.task = Some(task);
    of.cpu = Some(recorded.cpu);
    of.asynchronous = asynchronous;
    of.facts = Facts {
        at: fetched.at,
        by: fetched.by,
        bus: fetched.bus,
        probe_type: fetched.probe_type,
        asked: text(&fetched.asked),
        module: text(&fetched.name).filter(|_| names_module),
        caller: text(caller),
        domain: fetched.domain,
        node: fetched.node,
        ..Facts::default()
    };
    match point {
        // Only the first remove in a probe is a trial.
        Point::Remove => {
            let tried = |trial: usize| {
                let mut after = builder.life.spans[trial..span].iter();
                after.any(|of| {
                    matches!(of.kind, Kind::Trial | Kind::Cleanup)
                        && of.task == Some(task)
                        && of.facts.at == fetched.at
                })
            };
            let is_trial =
                builder.life.probing == Probing::Twice && trial.is_some_and(|trial| !tried(trial));
            if is_trial {
                builder.life.spans[span].kind = Kind::Trial;
            }
            inside.removes.push(span);
        }
        _ if !instant => inside.open.push(span),
        _ => {}
    }
}

fn returns(
    builder: &mut Builder<'_>,
    inside: &mut Inside,
    caller: &str,
    ret: Option<i32>,
    place: usize,
) {
    // The parser has seen to it that this is the function that the task is in.
    let Some(span) = inside.open.pop() else {
        return;
    };
    // The remove callback runs until the driver core has done the rest of the release.
    while let Some(remove) = inside.removes.last().copied().filter(|of| span < *of) {
        inside.removes.pop();
        builder.end(remove, place);
        if builder.life.spans[remove].kind == Kind::Trial {
            builder.life.spans[remove].kind = Kind::Remove;
        }
    }
    builder.end(span, place);
    let of = &mut builder.life.spans[span];
    let kind = of.kind;
    // A resource is known by its function, a work queue or a link by the function that makes it.
    let by_caller = [Resource::Queue, Resource::Link];
    if !matches!(kind, Kind::Of(of, Step::Starts) if !by_caller.contains(&of)) {
        of.facts.caller = Some(caller.to_owned());
    }
    of.ret = ret;
    match kind {
        // A probe's errno comes out positive, so that the next driver is tried. A negative one is
        // the driver core's own.
        Kind::Probe => {
            of.facts.by_core = ret.is_some_and(|ret| ret < 0);
            of.ret = ret.map(|ret| ret.saturating_abs().saturating_neg());
        }
        Kind::Flush => function(caller).clone_into(&mut of.on),
        _ => {}
    }
}

/// Finds out what asked for each flush of which the caller is `async_synchronize_full()`.
///
/// gcc lets that function jump to the one that is recorded, but not with KCSAN, where it calls it
/// and is the caller itself. What is around the flush tells who called it; a loader flushes as its
/// last step (`kernel/module/main.c`, `do_init_module()`).
pub(super) fn callers(builder: &mut Builder<'_>) {
    let spans = &mut builder.life.spans;
    for at in 0..spans.len() {
        let span = &spans[at];
        let (Kind::Flush, "async_synchronize_full", Some(outer)) =
            (span.kind, span.on.as_str(), span.parent)
        else {
            continue;
        };
        let around = &spans[outer];
        let after = spans[at + 1..].iter();
        let mut after = after.take_while(|of| of.began < around.end_place());
        let caller = match around.kind {
            Kind::Init if !after.any(|of| of.parent == Some(outer)) => "do_init_module",
            Kind::Rmmod => "__do_sys_delete_module",
            Kind::Detach => "driver_detach",
            Kind::Boot => "kernel_init",
            _ => continue,
        };
        let of = &mut spans[at];
        caller.clone_into(&mut of.on);
        of.facts.caller = Some(caller.to_owned());
    }
}

/// Finds out what asked for each probe and each piece of the driver core's async work.
pub(super) fn causes(builder: &mut Builder<'_>) {
    const HELPERS: [(&str, Kind); 2] = [
        ("__driver_attach_async_helper", Kind::DriverAttach),
        ("__device_attach_async_helper", Kind::DeviceAttach),
    ];
    // The helpers that run, by device, in the order in which they begin.
    let mut runs: HashMap<(Kind, u64), Vec<usize>> = HashMap::new();
    for (at, span) in builder.life.spans.iter().enumerate() {
        if let (Kind::DriverAttach | Kind::DeviceAttach, Some(device)) = (span.kind, span.facts.at)
        {
            runs.entry((span.kind, device)).or_default().push(at);
        }
    }
    // Where the drivers and devices were last registered and added, and probed.
    let mut latest: HashMap<u64, usize> = HashMap::new();
    let mut probed: HashMap<u64, usize> = HashMap::new();
    for at in 0..builder.life.spans.len() {
        let span = &builder.life.spans[at];
        let of = |key: Option<u64>, latest: &HashMap<u64, usize>| {
            key.and_then(|key| latest.get(&key).copied())
        };
        match span.kind {
            Kind::Scheduled => {
                let helper = HELPERS.iter().find(|(helper, _)| *helper == span.on);
                let run = helper
                    .zip(span.facts.at)
                    .and_then(|((_, kind), device)| runs.get(&(*kind, device)))
                    .and_then(|runs| runs.get(runs.partition_point(|run| *run < at)).copied());
                if let Some(run) = run {
                    builder.life.spans[run].cause = Some(at);
                }
            }
            Kind::Register => {
                latest.extend(span.facts.by.map(|by| (by, at)));
            }
            Kind::Add => {
                latest.extend(span.facts.at.map(|device| (device, at)));
            }
            Kind::Probe if span.facts.at.is_some() => {
                let life = &builder.life;
                let within = |kind| life.within(at, |outer| outer.kind == kind);
                let helper = within(Kind::DriverAttach).or(within(Kind::DeviceAttach));
                let scheduled = helper.and_then(|helper| life.spans[helper].cause);
                let by_hand = within(Kind::Bind)
                    .or(within(Kind::Attach))
                    .filter(|_| within(Kind::AsyncWork).is_none());
                // A registration or an addition sets off one probe; a later probe has another cause.
                let arrived = of(span.facts.by, &latest).max(of(span.facts.at, &latest));
                let before = of(span.facts.at, &probed);
                let cause = scheduled
                    .or(by_hand)
                    .or(arrived.filter(|arrived| before < Some(*arrived)));
                probed.extend(span.facts.at.map(|device| (device, at)));
                builder.life.spans[at].cause = cause;
            }
            _ => {}
        }
    }
}
