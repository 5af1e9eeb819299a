// SPDX-License-Identifier: GPL-2.0

//! The spans of the dmesg interface and of userspace's calls.
//!
//! In a log that has a recording too, they are there twice: a span that the kernel's functions have
//! made only gets the lines as further evidence.

use std::collections::HashMap;

use super::build::Builder;
use super::model::Kind;
use super::trial::{trials, Trials};
use crate::event::Call;
use crate::probing::Probing;
use crate::{Event, Micros, What};

/// Where a device is in its life, by its lines.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// The log has not met it yet.
    #[default]
    Unknown,
    /// No driver; devres has been released.
    Free,
    /// Its probe is under way.
    Probing,
    /// Its probe failed; devres may still be released.
    Failed,
    /// Its probe succeeded.
    Bound,
    /// Its remove callback runs.
    Removing,
    /// Its driver data has been dropped.
    Unbound,
}

/// Where a device is with its firmware, since its last probe began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No firmware has arrived.
    #[default]
    First,
    /// It arrived during the probe; whether there is a second phase cannot be told yet.
    Loaded,
    /// It arrived after the probe, hence in a second phase.
    Second,
    /// The second phase has ended.
    Ready,
}

/// A device on its way through the log.
#[derive(Clone, Copy, Debug, Default)]
struct Device<'a> {
    state: State,
    phase: Phase,
    driver: &'a str,
    /// Its last probe.
    probe: Option<usize>,
    /// Its last remove.
    remove: Option<usize>,
}

/// The spans of a recording, by kind and by the name of the device or driver.
struct Recorded(HashMap<(Kind, String), Vec<usize>>);

impl Recorded {
    fn of(builder: &Builder<'_>) -> Self {
        let mut recorded: HashMap<(Kind, String), Vec<usize>> = HashMap::new();
        for (at, span) in builder.life.spans.iter().enumerate() {
            let name = match span.kind {
                Kind::Register | Kind::Unregister => span.driver.as_deref(),
                _ => span
                    .device
                    .map(|device| builder.life.devices[device].name.as_str()),
            };
            if let Some(name) = name {
                let spans = recorded.entry((span.kind, name.to_owned())).or_default();
                spans.push(at);
            }
        }
        Self(recorded)
    }

    /// The last span that began before this place in the log.
    fn last(&self, builder: &Builder<'_>, kind: Kind, name: &str, place: usize) -> Option<usize> {
        let spans = self.0.get(&(kind, name.to_owned()))?;
        let after = spans.partition_point(|span| builder.life.spans[*span].began < place);
        spans.get(after.checked_sub(1)?).copied()
    }
}

/// Makes the spans of drivers and devices.
pub(super) fn spans(builder: &mut Builder<'_>) {
    let events = builder.events;
    let recorded = Recorded::of(builder);
    let trials = match builder.life.probing {
        Probing::Once => Trials::default(),
        Probing::Twice => trials(events),
    };
    let mut devices: HashMap<&str, Device<'_>> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        if trials.hidden.get(at).copied().unwrap_or_default() {
            continue;
        }
        match &event.what {
            What::Registered {
                driver,
                probe_type,
                took,
                ret,
            } => {
                let span = registration(builder, &recorded, Kind::Register, driver, *took, at);
                let of = &mut builder.life.spans[span];
                of.ret = of.ret.or(Some(*ret));
                of.facts.probe_type = of.facts.probe_type.or(Some(*probe_type));
            }
            What::Unregistered { driver, took } => {
                registration(builder, &recorded, Kind::Unregister, driver, *took, at);
            }
            what => {
                if let (Some(name), Some(driver)) = (what.device(), what.driver()) {
                    let device = devices.entry(name).or_default();
                    let mut line = Line {
                        builder: &mut *builder,
                        recorded: &recorded,
                        trials: &trials,
                        name,
                        driver,
                        at,
                    };
                    line.of(device, what);
                }
            }
        }
    }
    calls(builder);
}

/// A registration or an unregistration of a driver.
fn registration(
    builder: &mut Builder<'_>,
    recorded: &Recorded,
    kind: Kind,
    driver: &str,
    took: Micros,
    at: usize,
) -> usize {
    if let Some(span) = recorded.last(builder, kind, driver, at) {
        builder.evidence(span, at);
        builder.life.spans[span].took = Some(took);
        return span;
    }
    let span = builder.span_until(kind, driver, took, at);
    builder.life.spans[span].driver = Some(driver.to_owned());
    span
}

/// A line about a device.
struct Line<'b, 'a> {
    builder: &'b mut Builder<'a>,
    recorded: &'b Recorded,
    trials: &'b Trials,
    name: &'a str,
    driver: &'a str,
    at: usize,
}

impl<'a> Line<'_, 'a> {
    fn of(&mut self, device: &mut Device<'a>, what: &'a What) {
        let state = device.state;
        let begins = matches!(what, What::ProbeBegan { .. });
        let same = device.driver == self.driver || begins || state == State::Unknown;
        let phase = match (device.phase, what) {
            (_, What::ProbeBegan { .. }) => Some(Phase::First),
            (Phase::First, What::FirmwareArrived { .. }) => Some(match state {
                State::Probing => Phase::Loaded,
                _ => Phase::Second,
            }),
            (Phase::Loaded | Phase::Second, What::Ready { .. }) => Some(Phase::Ready),
            (_, What::FirmwareArrived { .. } | What::Ready { .. })
            | (Phase::Second, What::DevresReleased { .. }) => None,
            (phase, _) => Some(phase),
        };
        let next = match (state, what) {
            (
                State::Probing | State::Bound | State::Removing | State::Unbound,
                What::FirmwareArrived { .. } | What::Ready { .. },
            ) => Some(state),
            (State::Unknown | State::Free | State::Failed, What::ProbeBegan { .. }) => {
                Some(State::Probing)
            }
            (State::Probing, What::ProbeEnded { ret: 0, .. }) => Some(State::Bound),
            (State::Probing, What::ProbeEnded { .. }) => Some(State::Failed),
            (State::Failed, What::DevresReleased { .. }) => Some(State::Free),
            (State::Unknown | State::Bound, What::Removing { .. }) => Some(State::Removing),
            (State::Removing, What::Unbound { .. }) => Some(State::Unbound),
            (State::Unbound, What::DevresReleased { .. }) => Some(State::Free),
            _ => None,
        };
        let (Some(next), Some(phase), true) = (next, phase, same) else {
            self.mark(Kind::Stray);
            // The probe is drawn nevertheless.
            if begins {
                self.make(device, what, State::Probing, Phase::First);
            }
            return;
        };
        self.make(device, what, next, phase);
    }

    /// Makes a mark of the line.
    fn mark(&mut self, kind: Kind) {
        self.span(kind, self.at, Some(self.at));
    }

    /// Makes a span of the device.
    fn span(&mut self, kind: Kind, began: usize, ended: Option<usize>) -> usize {
        let span = self.builder.span(kind, self.name, began, ended);
        self.of_device(span)
    }

    /// A span is the device's.
    fn of_device(&mut self, span: usize) -> usize {
        let lane = self.builder.device(self.name);
        let of = &mut self.builder.life.spans[span];
        of.device = Some(lane);
        of.driver = Some(self.driver.to_owned());
        span
    }

    /// Makes of the line what it tells, which brings the device so far.
    fn make(&mut self, device: &mut Device<'a>, what: &'a What, state: State, phase: Phase) {
        let at = self.at;
        (device.state, device.phase) = (state, phase);
        device.driver = self.driver;
        match what {
            What::ProbeBegan {
                asynchronous,
                cpu,
                pid,
                task,
                ..
            } => device.probe = Some(self.probe_began(*asynchronous, *cpu, *pid, task)),
            What::ProbeEnded { ret, took, .. } => {
                let Some(probe) = device.probe else { return };
                let longer = self.trials.longer.get(&at).copied().unwrap_or_default();
                let recorded = self.builder.life.spans[probe].facts.at.is_some();
                if recorded {
                    self.builder.evidence(probe, at);
                } else {
                    self.builder.end(probe, at);
                }
                let of = &mut self.builder.life.spans[probe];
                of.took = Some(*took + longer);
                if !recorded {
                    of.ret = Some(*ret);
                }
            }
            What::FirmwareArrived {
                bytes, ret, took, ..
            } => self.firmware(device, *bytes, *ret, *took),
            What::Ready { ret, .. } => {
                let Some(probe) = device.probe else { return };
                let of = &self.builder.life.spans[probe];
                // A recording's probe ends after the line that the driver prints at its end.
                let ended = of.events.iter().copied().find(|place| {
                    matches!(self.builder.events[*place].what, What::ProbeEnded { .. })
                });
                let began = ended.unwrap_or(of.began);
                let span = self.span(Kind::SecondPhase, began, Some(at));
                let of = &mut self.builder.life.spans[span];
                of.ret = Some(*ret);
                of.cause = Some(probe);
            }
            What::Removing { .. } => {
                let recorded = self
                    .recorded
                    .last(self.builder, Kind::Remove, self.name, at)
                    .filter(|remove| at < self.builder.life.spans[*remove].end_place());
                let span = recorded.unwrap_or_else(|| self.span(Kind::Remove, at, None));
                self.builder.evidence(span, at);
                self.builder.life.spans[span].driver = Some(self.driver.to_owned());
                device.remove = Some(span);
            }
            What::Unbound { .. } => {
                self.mark(Kind::Unbound);
                if let Some(remove) = device.remove {
                    self.builder.evidence(remove, at);
                }
            }
            What::DevresReleased { .. } => {
                self.mark(Kind::DevresReleased);
                if let Some(remove) = device.remove.take() {
                    let time = self.builder.time(at);
                    self.builder.evidence(remove, at);
                    let of = &mut self.builder.life.spans[remove];
                    of.end = of.end.max(Some(time));
                    of.ended = of.ended.max(Some(at));
                }
            }
            _ => {}
        }
    }

    fn probe_began(&mut self, asynchronous: bool, cpu: u32, pid: u32, task: &str) -> usize {
        let at = self.at;
        let task = self.builder.task(Some(pid), Some(task));
        let recorded = self
            .recorded
            .last(self.builder, Kind::Probe, self.name, at)
            .filter(|probe| self.builder.life.spans[*probe].task == Some(task));
        if let Some(probe) = recorded {
            self.builder.evidence(probe, at);
            self.builder.life.spans[probe].asynchronous = Some(asynchronous);
            return probe;
        }
        let span = self.span(Kind::Probe, at, None);
        let of = &mut self.builder.life.spans[span];
        of.task = Some(task);
        of.cpu = Some(cpu);
        of.asynchronous = Some(asynchronous);
        of.facts.by_core = self.trials.failed.contains(&at);
        if let Some((began, ended)) = self.trials.of_probe.get(&at) {
            let trial = self.span(Kind::Trial, *began, *ended);
            self.builder.life.spans[trial].task = Some(task);
        }
        span
    }

    fn firmware(&mut self, device: &Device<'_>, bytes: u64, ret: i32, took: Micros) {
        let at = self.at;
        let Some(probe) = device.probe else { return };
        let recorded = self
            .recorded
            .last(self.builder, Kind::Firmware, self.name, at)
            .filter(|request| self.builder.life.spans[*request].took.is_none());
        if let Some(request) = recorded {
            self.builder.evidence(request, at);
            let of = &mut self.builder.life.spans[request];
            of.took = Some(took);
            of.facts.bytes = Some(bytes);
            return;
        }
        let span = self.builder.span_until(Kind::Firmware, self.name, took, at);
        self.of_device(span);
        let of_probe = &self.builder.life.spans[probe];
        // `took` is rounded up.
        let (begin, began) = (of_probe.begin, of_probe.began);
        // A second phase runs in another task.
        let inside = device.state == State::Probing;
        let task = of_probe.task.filter(|_| inside);
        let of = &mut self.builder.life.spans[span];
        of.begin = of.begin.max(begin);
        of.began = of.began.max(began + 1);
        of.task = task;
        of.ret = Some(ret);
        of.facts.bytes = Some(bytes);
        of.cause = Some(probe);
    }
}

/// The calls of userspace.
fn calls<'a>(builder: &mut Builder<'a>) {
    let events: &'a [Event] = builder.events;
    let mut open: HashMap<(Call, &str, u32), Vec<usize>> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        match &event.what {
            What::CallBegan {
                call,
                on,
                pid,
                async_probe,
            } => {
                let task = builder.task(Some(*pid), None);
                let span = builder.span(Kind::Call(*call), on.clone(), at, None);
                builder.life.spans[span].task = Some(task);
                builder.life.spans[span].facts.async_probe = *async_probe;
                open.entry((*call, on, *pid)).or_default().push(span);
            }
            What::CallReturned { call, on, pid, ret } => {
                let began = open.get_mut(&(*call, on.as_str(), *pid));
                let Some(span) = began.and_then(Vec::pop) else {
                    builder.span(Kind::Stray, on.clone(), at, Some(at));
                    continue;
                };
                builder.end(span, at);
                builder.life.spans[span].ret = Some(*ret);
            }
            What::Loaded {
                module,
                at: text,
                bytes,
            } => {
                let span = builder.span(Kind::Loaded, module.clone(), at, Some(at));
                let facts = &mut builder.life.spans[span].facts;
                (facts.at, facts.bytes) = (Some(*text), Some(*bytes));
            }
            _ => {}
        }
    }
}

/// Finds out in which task each driver was registered: that of its synchronous probes, or else the
/// one whose insmod or rmmod it is in.
///
/// A task that adds a device probes it synchronously, too, while another one registers or
/// unregisters the driver. It was then in no registration when its probe began or ended.
pub(super) fn tasks(builder: &mut Builder<'_>) {
    let mut calls: Vec<usize> = Vec::new();
    let mut probes: Vec<usize> = Vec::new();
    let spans = &builder.life.spans;
    let mut order: Vec<usize> = (0..spans.len()).collect();
    order.sort_by_key(|at| spans[*at].began);
    for at in order {
        let span = &spans[at];
        match span.kind {
            Kind::Call(Call::Insmod | Call::Rmmod) => calls.push(at),
            Kind::Probe if span.asynchronous == Some(false) => probes.push(at),
            _ => {}
        }
    }
    let mut found = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        let wanted = match span.kind {
            Kind::Register => Call::Insmod,
            Kind::Unregister => Call::Rmmod,
            _ => continue,
        };
        if span.task.is_some() {
            continue;
        }
        let end = span.end_place();
        let until = probes.partition_point(|probe| spans[*probe].began < end);
        let from = probes.partition_point(|probe| spans[*probe].began < span.began);
        let of_driver = |probe: &&usize| spans[**probe].driver.as_deref() == Some(&span.on);
        let crosses = |probe: &usize| {
            let (probe, began) = (&spans[*probe], span.began);
            (probe.began < began && began < probe.end_place()) || end < probe.end_place()
        };
        let probe = probes[from..until].iter().find(of_driver);
        let probe = probe.filter(|probe| {
            let task = spans[**probe].task;
            let mut own = probes[..until].iter().filter(|of| spans[**of].task == task);
            wanted == Call::Insmod && !own.any(crosses)
        });
        let before = calls.partition_point(|call| spans[*call].began < end);
        let mut under_way = calls[..before].iter().rev().filter(|call| {
            spans[**call].kind == Kind::Call(wanted) && end < spans[**call].end_place()
        });
        // Of several at the same time the log does not show which it is.
        let call = under_way.next();
        let call = call.filter(|_| under_way.next().is_none());
        let task = probe.or(call).and_then(|of| spans[*of].task);
        found.push((at, task));
    }
    for (at, task) in found {
        let task = task.unwrap_or_else(|| builder.task(None, None));
        builder.life.spans[at].task = Some(task);
    }
}

/// Finds out what set off each probe that is not in a recording: the registration of its driver or
/// a call of userspace, whichever came last.
pub(super) fn causes(builder: &mut Builder<'_>) {
    let spans = &builder.life.spans;
    let mut registered: HashMap<&str, usize> = HashMap::new();
    let mut added: Option<usize> = None;
    let mut bound: HashMap<&str, usize> = HashMap::new();
    let mut probed: HashMap<usize, usize> = HashMap::new();
    let mut found = Vec::new();
    for (at, span) in spans.iter().enumerate() {
        match span.kind {
            Kind::Register if span.facts.by.is_none() => {
                registered.insert(&span.on, at);
            }
            Kind::Call(Call::Add | Call::AddAsync) => added = Some(at),
            Kind::Call(Call::Bind | Call::DriversProbe) => {
                bound.insert(&span.on, at);
            }
            Kind::Probe if span.facts.at.is_none() => {
                let (Some(device), Some(driver)) = (span.device, span.driver.as_deref()) else {
                    continue;
                };
                let before = probed.insert(device, at);
                if !matches!(builder.events[span.events[0]].what, What::ProbeBegan { .. }) {
                    continue;
                }
                let cause = registered
                    .get(driver)
                    .copied()
                    .max(added)
                    .max(bound.get(span.on.as_str()).copied());
                found.push((at, cause.filter(|cause| before < Some(*cause))));
            }
            _ => {}
        }
    }
    for (at, cause) in found {
        builder.life.spans[at].cause = cause;
    }
}
