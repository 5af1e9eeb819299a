// SPDX-License-Identifier: GPL-2.0

//! The bars of the dmesg interface and of userspace's calls.
//!
//! In a recording they are there twice: what the kernel's functions have made a bar of only gets
//! the lines as further evidence.

use std::collections::HashMap;

use super::builder::Builder;
use super::Kind;
use crate::call::{self, calls, Call};
use crate::probe::{probes, Probe};
use crate::{Event, Micros, What};

/// Makes the bars.
pub(super) fn bars(builder: &mut Builder<'_>) {
    let mut recorded: HashMap<(Kind, String), Vec<usize>> = HashMap::new();
    for (at, bar) in builder.timeline.bars.iter().enumerate() {
        let name = match bar.kind {
            Kind::Register | Kind::Unregister => bar.driver.as_deref(),
            _ => bar
                .device
                .map(|device| builder.timeline.devices[device].name.as_str()),
        };
        if let Some(name) = name {
            let bars = recorded.entry((bar.kind, name.to_owned())).or_default();
            bars.push(at);
        }
    }
    let recorded = Recorded(recorded);
    for probe in probes(builder.events) {
        probe_bars(builder, &recorded, &probe);
    }
    removes(builder, &recorded);
    registrations(builder, &recorded);
    for call in calls(builder.events) {
        let task = builder.task(Some(call.pid), None);
        let bar = builder.bar(Kind::Call(call.kind), call.on, call.began, call.returned);
        bar.task = Some(task);
        bar.ret = call.ret;
    }
}

/// The bars of a recording, by kind and name.
struct Recorded(HashMap<(Kind, String), Vec<usize>>);

impl Recorded {
    /// The last bar that began before this place in the log.
    fn last(&self, builder: &Builder<'_>, kind: Kind, name: &str, place: usize) -> Option<usize> {
        let bars = self.0.get(&(kind, name.to_owned()))?;
        let after = bars.partition_point(|bar| builder.timeline.bars[*bar].events[0] < place);
        bars.get(after.checked_sub(1)?).copied()
    }
}

/// A probe, its firmware and its second phase.
fn probe_bars<'a>(builder: &mut Builder<'a>, recorded: &Recorded, probe: &Probe<'a>) {
    let device = builder.device(probe.device);
    let task = builder.task(Some(probe.pid), Some(probe.task));
    let events = builder.events;
    let ended = probe.ended.map(|at| &events[at].what);
    let took = match ended {
        Some(What::ProbeEnded { took, .. }) => Some(*took),
        _ => None,
    };
    let around = recorded
        .last(builder, Kind::Probe, probe.device, probe.began)
        .filter(|bar| builder.timeline.bars[*bar].task == Some(task));
    match around {
        Some(bar) => {
            builder.evidence(bar, [probe.began].into_iter().chain(probe.ended));
            builder.timeline.bars[bar].asynchronous = Some(probe.asynchronous);
            builder.timeline.bars[bar].took = took;
        }
        None => {
            let bar = builder.bar(Kind::Probe, probe.device, probe.began, probe.ended);
            bar.device = Some(device);
            bar.driver = Some(probe.driver.to_owned());
            bar.task = Some(task);
            bar.cpu = Some(probe.cpu);
            bar.asynchronous = Some(probe.asynchronous);
            bar.ret = probe.ret;
            bar.took = took;
        }
    }
    for at in &probe.firmware {
        let What::FirmwareArrived { ret, took, .. } = events[*at].what else {
            continue;
        };
        let request = recorded
            .last(builder, Kind::Firmware, probe.device, *at)
            .filter(|bar| builder.timeline.bars[*bar].took.is_none());
        match request {
            Some(bar) => {
                builder.evidence(bar, [*at]);
                builder.timeline.bars[bar].took = Some(took);
            }
            None => {
                // `took` is rounded up.
                let begin = (events[*at].time - took).max(events[probe.began].time);
                let inside = probe.ended.is_none_or(|ended| *at < ended);
                let bar = builder.bar(Kind::Firmware, probe.device, *at, Some(*at));
                bar.begin = begin;
                bar.events = vec![*at];
                bar.device = Some(device);
                bar.driver = Some(probe.driver.to_owned());
                // A second phase runs somewhere else.
                bar.task = inside.then_some(task);
                bar.ret = Some(ret);
                bar.took = Some(took);
            }
        }
    }
    if let Some(ready) = probe.ready {
        let began = probe.ended.filter(|ended| *ended < ready);
        let ret = match events[ready].what {
            What::Ready { ret, .. } => Some(ret),
            _ => None,
        };
        let began = began.unwrap_or(probe.began);
        let bar = builder.bar(Kind::SecondPhase, probe.device, began, Some(ready));
        bar.device = Some(device);
        bar.driver = Some(probe.driver.to_owned());
        bar.ret = ret;
    }
}

/// From `removing` to `devres_released`.
fn removes(builder: &mut Builder<'_>, recorded: &Recorded) {
    let events = builder.events;
    let mut open: HashMap<&str, usize> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        match &event.what {
            What::Removing { device, driver } => {
                let release = recorded.last(builder, Kind::Remove, device, at);
                let bar = match release {
                    Some(bar) => bar,
                    None => {
                        let lane = builder.device(device);
                        let bar = builder.bar(Kind::Remove, device, at, None);
                        bar.device = Some(lane);
                        bar.driver = Some(driver.clone());
                        builder.timeline.bars.len() - 1
                    }
                };
                builder.evidence(bar, [at]);
                builder.timeline.bars[bar].driver = Some(driver.clone());
                open.insert(device, bar);
            }
            What::Unbound { device, .. } => {
                if let Some(bar) = open.get(device.as_str()) {
                    builder.evidence(*bar, [at]);
                }
            }
            What::DevresReleased { device, .. } => {
                if let Some(bar) = open.remove(device.as_str()) {
                    builder.evidence(bar, [at]);
                    let bar = &mut builder.timeline.bars[bar];
                    bar.end = bar.end.or(Some(event.time)).max(Some(event.time));
                }
            }
            _ => {}
        }
    }
}

/// Registrations and unregistrations of drivers.
fn registrations(builder: &mut Builder<'_>, recorded: &Recorded) {
    let events = builder.events;
    let calls = calls(events);
    for (at, event) in events.iter().enumerate() {
        let (kind, driver, took, ret) = match &event.what {
            What::Registered {
                driver, took, ret, ..
            } => (Kind::Register, driver, *took, Some(*ret)),
            What::Unregistered { driver, took } => (Kind::Unregister, driver, *took, None),
            _ => continue,
        };
        if let Some(bar) = recorded.last(builder, kind, driver, at) {
            builder.evidence(bar, [at]);
            builder.timeline.bars[bar].took = Some(took);
            continue;
        }
        let begin = event.time - took;
        let task = who(events, &calls, kind, driver, begin, at);
        let task = builder.task(task, None);
        let bar = builder.bar(kind, driver, at, Some(at));
        bar.begin = begin;
        bar.events = vec![at];
        bar.driver = Some(driver.clone());
        bar.task = Some(task);
        bar.ret = ret;
        bar.took = Some(took);
    }
}

/// Who registered the driver: the task of its synchronous probes, or else the one whose insmod or
/// rmmod it is in.
fn who(
    events: &[Event],
    calls: &[Call<'_>],
    kind: Kind,
    driver: &str,
    begin: Micros,
    at: usize,
) -> Option<u32> {
    let within = events[..at].iter().rev();
    let probe = within.take_while(|event| begin <= event.time);
    let probe = probe.filter_map(|event| match &event.what {
        What::ProbeBegan {
            driver: by,
            asynchronous: false,
            pid,
            ..
        } if by == driver => Some(*pid),
        _ => None,
    });
    let wanted = match kind {
        Kind::Register => call::Kind::Insmod,
        _ => call::Kind::Rmmod,
    };
    let call = calls
        .iter()
        .filter(|call| call.kind == wanted && call.began < at)
        .filter(|call| call.returned.is_none_or(|returned| at < returned))
        .max_by_key(|call| call.began);
    probe.last().or(call.map(|call| call.pid))
}

/// Makes a bar of how long each probe was waited for that is not in a recording.
pub(super) fn waiting(builder: &mut Builder<'_>) {
    let events = builder.events;
    // Where drivers were registered and devices were last added, with the time of the call.
    let mut registered: HashMap<&str, Vec<(Micros, usize)>> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        if let What::Registered { driver, took, .. } = &event.what {
            let called = event.time - *took;
            registered.entry(driver).or_default().push((called, at));
        }
    }
    let calls = calls(events);
    let mut probed: HashMap<&str, Micros> = HashMap::new();
    for at in 0..builder.timeline.bars.len() {
        let bar = &builder.timeline.bars[at];
        let (Kind::Probe, Some(device)) = (bar.kind, bar.device) else {
            continue;
        };
        let place = bar.events[0];
        let What::ProbeBegan {
            device: name,
            driver,
            ..
        } = &events[place].what
        else {
            continue;
        };
        let begin = bar.begin;
        let by_registration = registered
            .get(driver.as_str())
            .into_iter()
            .flatten()
            .filter(|(called, _)| *called <= begin)
            .max()
            .copied();
        let by_call = calls
            .iter()
            .filter(|call| call.began < place)
            .filter(|call| match call.kind {
                call::Kind::Add | call::Kind::AddAsync => true,
                call::Kind::Bind | call::Kind::DriversProbe => call.on == name,
                _ => false,
            })
            .map(|call| (events[call.began].time, call.began))
            .max();
        let before = probed.insert(name, begin);
        let from = by_registration
            .max(by_call)
            .filter(|(called, _)| before < Some(*called));
        if let Some((called, from)) = from {
            let bar = builder.bar(Kind::Waiting, name, place, Some(place));
            bar.begin = called;
            bar.events = vec![from.min(place), from.max(place)];
            bar.device = Some(device);
            bar.driver = Some(driver.clone());
        }
    }
}
