// SPDX-License-Identifier: GPL-2.0

//! The bars and marks of a recording.

use std::collections::HashMap;

use super::builder::Builder;
use super::{Kind, Mark, MarkKind};
use crate::recording::{async_probes, span, Point, Recorded, Side, Span};
use crate::What;

/// What a span is in the timeline, if it is a bar.
fn kind(point: Point) -> Option<Kind> {
    Some(match point {
        Point::Probe => Kind::Probe,
        Point::Release => Kind::Release,
        Point::Register => Kind::Register,
        Point::Unregister => Kind::Unregister,
        Point::Bind => Kind::Bind,
        Point::Attach => Kind::Attach,
        Point::Firmware => Kind::Firmware,
        Point::Init => Kind::Init,
        Point::Rmmod => Kind::Rmmod,
        Point::Flush => Kind::Flush,
        Point::Add => Kind::Add,
        Point::Del => Kind::Del,
        Point::Run => Kind::AsyncWork,
        Point::Remove => Kind::Remove,
        Point::Bound
        | Point::Cleanup
        | Point::Detach
        | Point::FreeModule
        | Point::Uevent
        | Point::Schedule
        | Point::ScheduleDevice
        | Point::Queue
        | Point::DriverAttach
        | Point::DeviceAttach
        | Point::Freed
        | Point::Bus
        | Point::BusGone
        | Point::Thread => return None,
    })
}

/// The function of a symbol: `do_init_module` of `do_init_module+0x1ae/0x250`.
pub(super) fn function(symbol: &str) -> &str {
    symbol.split('+').next().unwrap_or(symbol)
}

/// What `really_probe()` returns, as the driver's probe did.
pub(super) fn errno(ret: i32) -> i32 {
    ret.saturating_abs().saturating_neg()
}

/// What a span is about.
fn on(span: &Span<'_>) -> String {
    let fetched = span.fetched;
    match span.point {
        Point::Register | Point::Unregister => fetched.driver.clone(),
        Point::Init | Point::Rmmod | Point::Firmware => fetched.name.clone(),
        Point::Flush => span.caller.map(|caller| function(caller).to_owned()),
        _ => fetched.device.clone(),
    }
    .unwrap_or_default()
}

/// Makes a bar of each span that took time.
pub(super) fn bars(builder: &mut Builder<'_>) {
    for at in 0..builder.spans.len() {
        let span = builder.spans[at].clone();
        let Some(kind) = kind(span.point) else {
            continue;
        };
        let device = span.fetched.device.as_deref();
        let device = device.map(|device| builder.device(device));
        let task = builder.task(Some(span.pid), Some(span.task));
        // The remove callback runs until the driver core has done the rest of the release.
        let ended = match span.point {
            Point::Remove => span::within(&builder.spans, at, |of| of.point == Point::Release)
                .and_then(|release| release.ended),
            _ => span.ended,
        };
        let asynchronous = (span.point == Point::Probe)
            .then(|| span::within(&builder.spans, at, |of| of.point == Point::Run).is_some());
        let bar = builder.bar(kind, on(&span), span.began, ended);
        bar.device = device;
        bar.driver.clone_from(&span.fetched.driver);
        bar.task = Some(task);
        bar.cpu = Some(span.cpu);
        // A probe's errno comes out positive, so that the next driver is tried.
        bar.ret = match span.point {
            Point::Probe => span.ret.map(errno),
            _ => span.ret,
        };
        bar.asynchronous = asynchronous;
        builder.bar_of[at] = Some(builder.timeline.bars.len() - 1);
    }
}

/// Makes a bar of how long each probe was waited for.
pub(super) fn waiting(builder: &mut Builder<'_>) {
    // By the place of what the worker does: where that was scheduled.
    let scheduled: HashMap<usize, usize> = async_probes(&builder.spans)
        .into_iter()
        .filter_map(|probe| Some((probe.run?.began, probe.scheduled.began)))
        .collect();
    // Where the drivers and devices were last registered and added.
    let mut latest: HashMap<Option<u64>, usize> = HashMap::new();
    // Where each device was last probed.
    let mut probed: HashMap<Option<u64>, usize> = HashMap::new();
    for at in 0..builder.spans.len() {
        let span = builder.spans[at].clone();
        match span.point {
            Point::Register => {
                latest.insert(span.fetched.by, span.began);
            }
            Point::Add => {
                latest.insert(span.fetched.at, span.began);
            }
            Point::Probe => {
                let of = |point| span::within(&builder.spans, at, |of| of.point == point);
                let helper = of(Point::DriverAttach).or(of(Point::DeviceAttach));
                let scheduled = helper.and_then(|helper| scheduled.get(&helper.began));
                let by_hand = of(Point::Bind)
                    .or(of(Point::Attach))
                    .filter(|_| of(Point::Run).is_none());
                // What was registered or added sets off one probe; later ones something else does.
                let arrived = latest
                    .get(&span.fetched.by)
                    .max(latest.get(&span.fetched.at));
                let before = probed.insert(span.fetched.at, span.began);
                let arrived = arrived.filter(|arrived| before < Some(**arrived));
                let from = scheduled
                    .copied()
                    .or(by_hand.map(|by_hand| by_hand.began))
                    .or(arrived.copied());
                if let (Some(from), Some(device)) = (from, span.fetched.device.as_deref()) {
                    let device = builder.device(device);
                    let bar = builder.bar(Kind::Waiting, span.device(), from, Some(span.began));
                    bar.device = Some(device);
                    bar.driver.clone_from(&span.fetched.driver);
                }
            }
            _ => {}
        }
    }
}

/// Marks what took no time.
pub(super) fn marks(builder: &mut Builder<'_>) {
    // Work for a device is scheduled by where the device is.
    let mut names: HashMap<u64, &str> = HashMap::new();
    for (place, event) in builder.events.iter().enumerate() {
        let What::Recorded(Recorded {
            task,
            pid,
            point,
            side: Side::Begins(fetched),
            ..
        }) = &event.what
        else {
            if let What::Unbound { device, .. } = &event.what {
                let at = builder.device(device);
                builder.timeline.marks.push(Mark {
                    kind: MarkKind::Unbound,
                    on: device.clone(),
                    time: event.time,
                    device: Some(at),
                    task: None,
                    event: place,
                });
            }
            continue;
        };
        if let (Some(at), Some(device)) = (fetched.at, fetched.device.as_deref()) {
            names.insert(at, device);
        }
        let device = fetched.at.and_then(|at| names.get(&at).copied());
        let (kind, on) = match point {
            Point::Schedule | Point::ScheduleDevice => {
                let function = fetched.function.as_deref().map(function);
                (MarkKind::Scheduled, function)
            }
            Point::Bound => (MarkKind::Bound, device),
            Point::Uevent => {
                let action = fetched.name.as_deref();
                let action = action.and_then(|action| action.strip_prefix("ACTION="));
                (MarkKind::Uevent, action)
            }
            Point::Freed => (MarkKind::Freed, device),
            Point::FreeModule => (MarkKind::ModuleFreed, fetched.name.as_deref()),
            _ => continue,
        };
        let device = device.map(|device| builder.device(device));
        let task = builder.task(Some(*pid), Some(task));
        builder.timeline.marks.push(Mark {
            kind,
            on: on.unwrap_or_default().to_owned(),
            time: event.time,
            device,
            task: Some(task),
            event: place,
        });
    }
}
