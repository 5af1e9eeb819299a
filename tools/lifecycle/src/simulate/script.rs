// SPDX-License-Identifier: GPL-2.0

//! What the tasks of a life do, step by step, so that it can be done again in another order.
//!
//! A strand is what one task does in one go. The time between two steps is that of the life, unless
//! the task waited: then the step says what for. The probes of the drivers that are to be
//! asynchronous are taken out of the task that did them, and become strands of their own.

use std::collections::{HashMap, HashSet};

use crate::event::{Call, Initcall};
use crate::life::{function, Kind, Life, Span, Through};
use crate::{Micros, ProbeType, What};

/// `include/linux/errno.h`.
pub(super) const EPROBE_DEFER: i32 = 517;

/// What scheduling an async function takes, and until it begins, where the life does not show it.
const SCHEDULING: Micros = Micros(10);
const LATENCY: Micros = Micros(50);

/// A scheduled function that begins later than this has waited for others.
const QUEUED: Micros = Micros(2000);

/// The strand of what is not done again.
const NOT_DONE: usize = 0;

/// The domain that `async_schedule()` uses.
const DEFAULT_DOMAIN: u64 = 0;

/// The domain of asynchronous probes for which the boot or a load has not waited, in a log that
/// does not tell of domains.
const EXCLUSIVE: u64 = 1;

/// A step.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Time passes, without a processor.
    Wait(Micros),
    /// Time of a processor passes.
    Compute(Micros),
    /// A point is reached.
    Reach(usize),
    /// An async function is scheduled, and begins so much later.
    Schedule(usize, Micros),
    /// Waits for a point.
    Await(usize),
    /// Waits for the async functions of a domain, 0 for all that are registered.
    Flush(u64),
    /// Deferred devices are tried again from now on (`deferred_probe_initcall()`).
    EnableRetries,
    /// Waits for the worker that tries deferred devices.
    AwaitRetries,
    /// A device is bound.
    Bound,
    /// A device is tried that is deferred at first.
    Try(usize),
    /// That was too early.
    Deferred(usize),
}

/// What one task does in one go.
#[derive(Debug, Default)]
pub(super) struct Strand {
    pub(super) steps: Vec<Step>,
    /// Of an async function: its domain.
    pub(super) domain: Option<u64>,
}

/// When a strand starts.
#[derive(Clone, Copy, Debug)]
pub(super) enum Start {
    At(Micros),
    /// So long after a point.
    After(usize, Micros),
}

/// A device that is deferred at first.
#[derive(Debug)]
pub(super) struct Deferred {
    /// Its tries, in their order; all but the last fail.
    tries: Vec<usize>,
    pub(super) fails: usize,
    /// The point at which the device is bound that it waits for, as far as the life shows that.
    pub(super) supplier: Option<usize>,
    /// What a try does that is too early, and one that is not.
    pub(super) fail: usize,
    pub(super) succeeds: Option<usize>,
    /// What the worker does.
    pub(super) retry: usize,
}

/// All of it.
#[derive(Debug, Default)]
pub(super) struct Script {
    pub(super) strands: Vec<Strand>,
    pub(super) starts: Vec<(usize, Start)>,
    pub(super) deferred: Vec<Deferred>,
    /// How many points there are: two of each span, its begin and its end, and one at which init
    /// runs.
    pub(super) points: usize,
    pub(super) retries_from_the_start: bool,
    pub(super) latency: Micros,
    /// Domains for which a flush of all does not wait (`ASYNC_DOMAIN_EXCLUSIVE`).
    exclusive: HashSet<u64>,
    /// Whether a try could have waited for several devices.
    pub(super) suppliers_are_guessed: bool,
}

impl Script {
    /// The domains in which a strand is pending.
    pub(super) fn domains(&self, strand: usize) -> impl Iterator<Item = u64> + use<> {
        let domain = self.strands[strand].domain;
        let own = domain.filter(|domain| *domain != DEFAULT_DOMAIN);
        let all = domain.filter(|domain| !self.exclusive.contains(domain));
        own.into_iter().chain(all.map(|_| 0))
    }
}

/// The point at which a span begins, and at which it ends.
pub(super) fn begin_of(span: usize) -> usize {
    2 * span
}

pub(super) fn end_of(span: usize) -> usize {
    2 * span + 1
}

/// When the kernel ran init, and where in the log.
pub(super) fn init(life: &Life) -> Option<(Micros, usize)> {
    let runs = |what: &What| matches!(what, What::Initcall(Initcall::RunInit { .. }));
    let at = life.events.iter().position(|event| runs(&event.what))?;
    Some((life.events[at].time, at))
}

/// Whether the driver core would do this probe asynchronously if the driver asked for it: not if
/// somebody wants this device to be bound at once (`device_attach()`, `device_driver_attach()`).
pub(super) fn can_be_asynchronous(life: &Life, probe: usize) -> bool {
    let asked = life.within(probe, |outer| {
        matches!(
            outer.kind,
            Kind::Bind | Kind::Attach | Kind::Add | Kind::Register | Kind::AsyncWork
        )
    });
    let by_hand = |span: &Span| matches!(span.kind, Kind::Bind | Kind::Attach);
    life.spans[probe].asynchronous != Some(true)
        && !asked.is_some_and(|asked| by_hand(&life.spans[asked]))
}

/// The probe types that drivers ask for, by name.
pub(super) fn probe_types(life: &Life) -> HashMap<&str, ProbeType> {
    let registered = life.of(Kind::Register);
    registered
        .filter_map(|(_, span)| Some((span.driver.as_deref()?, span.facts.probe_type?)))
        .collect()
}

/// What the life does not show of tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Guess {
    /// It is as it mostly is.
    Likely,
    /// The tasks that seem to wait for others do not, and the other way round.
    Other,
}

/// What is to be asynchronous.
#[derive(Clone, Debug)]
pub(super) struct Choice<'c> {
    /// Drivers of these names.
    pub(super) names: HashSet<&'c str>,
    /// Of those, the one that is here in memory.
    pub(super) at: Option<u64>,
    pub(super) guess: Guess,
    /// How much of a probe that is moved computes, of 1000; the rest waits.
    pub(super) computes: u64,
}

impl<'c> Choice<'c> {
    /// These drivers, whose probes wait.
    pub(super) fn of(names: impl IntoIterator<Item = &'c str>) -> Self {
        Self {
            names: names.into_iter().collect(),
            at: None,
            guess: Guess::Likely,
            computes: 0,
        }
    }
}

/// Where a task stops on its way.
enum Stop {
    Init,
    /// Waits for the end of a span, until this time.
    Await(usize, Micros),
    /// Waits for async functions, until this time.
    Flush(Micros),
    /// Waits until deferred devices have been tried.
    Retries,
}

/// Where a span's steps go, and up to when they have gone there.
#[derive(Clone, Copy)]
struct Cursor {
    strand: usize,
    last: Micros,
}

/// A point that a task has reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Reached {
    place: usize,
    time: Micros,
    point: usize,
    task: Option<usize>,
    /// It has returned to userspace there.
    returned: bool,
}

/// A strand that starts for a reason that the life does not show.
struct Unknown {
    strand: usize,
    /// The registration or the like that set it off, if it is known.
    cause: Option<usize>,
    /// The device that it is about, if it is not asked for by userspace.
    device: Option<usize>,
    time: Micros,
    place: usize,
    task: Option<usize>,
}

struct Build<'l> {
    life: &'l Life,
    choice: &'l Choice<'l>,
    script: Script,
    init: Option<(Micros, usize)>,
    /// The task that boots.
    boots: Option<usize>,
    forced: HashSet<(Option<u64>, &'l str)>,
    /// Async functions by the mark of their scheduling, and the other way round.
    scheduled: HashMap<usize, usize>,
    function: HashMap<usize, usize>,
    /// The strands of async functions.
    strand_of: HashMap<usize, usize>,
    /// The strands of probes that are moved.
    moved: HashSet<usize>,
    /// When the functions of a domain ended.
    ends: HashMap<u64, Vec<Micros>>,
    /// Of each try of a deferred device: which device, and which try.
    tries: HashMap<usize, (usize, usize)>,
    /// When tries after the first ended, in order.
    retried: Vec<Micros>,
    /// When the loads that wait for probes ended, in order.
    loaded: Vec<Micros>,
    reached: Vec<Reached>,
    unknown: Vec<Unknown>,
    stops: HashMap<usize, Vec<(Micros, Stop)>>,
}

/// Makes the script of a life in which other drivers are probed asynchronously.
pub(super) fn script(life: &Life, choice: &Choice<'_>) -> Script {
    let mut build = Build {
        life,
        choice,
        script: Script {
            strands: vec![Strand::default()],
            points: 2 * life.spans.len() + 1,
            ..Script::default()
        },
        init: init(life),
        boots: life.tasks.iter().position(|task| task.pid == Some(1)),
        forced: HashSet::new(),
        scheduled: HashMap::new(),
        function: HashMap::new(),
        strand_of: HashMap::new(),
        moved: HashSet::new(),
        ends: HashMap::new(),
        tries: HashMap::new(),
        retried: Vec::new(),
        loaded: Vec::new(),
        reached: Vec::new(),
        unknown: Vec::new(),
        stops: HashMap::new(),
    };
    let registered = life.of(Kind::Register).map(|(_, span)| span);
    let forced =
        registered.filter(|span| span.facts.probe_type == Some(ProbeType::ForceSynchronous));
    build.forced = forced
        .filter_map(|span| Some((span.facts.by, span.driver.as_deref()?)))
        .collect();
    let loads = life.of(Kind::Call(Call::Insmod)).map(|(_, span)| span);
    let loads = loads.filter(|load| load.facts.async_probe != Some(true));
    build.loaded = loads.filter_map(|load| load.end).collect();
    build.loaded.sort_unstable();
    build.script.exclusive.insert(EXCLUSIVE);
    build.functions();
    build.deferred();
    build.stops();
    let mut of_task: Vec<Vec<usize>> = vec![Vec::new(); life.tasks.len()];
    for (at, span) in life.spans.iter().enumerate() {
        match span.task {
            Some(task) => of_task[task].push(at),
            None if span.kind == Kind::Probe => of_task.push(vec![at]),
            None => {}
        }
    }
    for (task, spans) in of_task.iter().enumerate() {
        build.task(task, spans);
    }
    build.starts();
    build.script
}

impl<'l> Build<'l> {
    /// The async functions.
    fn functions(&mut self) {
        let life = self.life;
        self.scheduled = scheduled(life);
        self.function = self
            .scheduled
            .iter()
            .map(|(mark, run)| (*run, *mark))
            .collect();
        let core = |span: &Span| span.on.ends_with("_attach_async_helper");
        let default = life.of(Kind::Scheduled).filter(|(_, span)| core(span));
        let default = default.filter_map(|(_, span)| span.facts.domain).next();
        let mut latencies = Vec::new();
        for run in life.spans_of(Kind::AsyncWork) {
            let mark = self.function.get(&run).map(|mark| &life.spans[*mark]);
            let domain = mark.and_then(|mark| mark.facts.domain);
            let domain = domain
                .filter(|domain| Some(*domain) != default)
                .unwrap_or(DEFAULT_DOMAIN);
            latencies.extend(mark.map(|mark| life.spans[run].begin - mark.begin));
            let end = life.spans[run].end;
            self.ends.entry(domain).or_default().extend(end);
            let strand = self.strand();
            self.script.strands[strand].domain = Some(domain);
            self.strand_of.insert(run, strand);
        }
        latencies.sort_unstable();
        let middle = latencies.get(latencies.len() / 2).copied();
        self.script.latency = middle.unwrap_or(LATENCY).min(QUEUED);
        self.exclusive();
        let registered = self
            .ends
            .iter()
            .filter(|(of, _)| !self.script.exclusive.contains(of));
        let mut all: Vec<Micros> = registered
            .flat_map(|(_, ends)| ends.iter().copied())
            .collect();
        all.sort_unstable();
        for ends in self.ends.values_mut() {
            ends.sort_unstable();
        }
        self.ends.insert(0, all);
    }

    /// A domain is exclusive if one of its functions outlives a flush of all.
    fn exclusive(&mut self) {
        let life = self.life;
        let flushes: Vec<&Span> = life
            .of(Kind::Flush)
            .map(|(_, span)| span)
            .filter(|span| span.facts.domain == Some(0))
            .collect();
        for (run, strand) in &self.strand_of {
            let domain = self.script.strands[*strand].domain;
            let Some(domain) = domain.filter(|domain| *domain != DEFAULT_DOMAIN) else {
                continue;
            };
            let run = &life.spans[*run];
            let first = flushes.partition_point(|flush| flush.began <= run.began);
            if flushes
                .get(first)
                .is_some_and(|flush| flush.end_place() < run.end_place())
            {
                self.script.exclusive.insert(domain);
            }
        }
    }

    /// Whether the boot, or a load that waits, has not waited for this probe.
    fn outlives(&self, probe: usize) -> bool {
        let probe = &self.life.spans[probe];
        let outlived = |time: Micros| probe.begin < time && probe.end.is_none_or(|end| time < end);
        let next = self.loaded.partition_point(|time| *time <= probe.begin);
        let next = self.loaded.get(next).copied();
        self.init.is_some_and(|(time, _)| outlived(time)) || next.is_some_and(outlived)
    }

    /// The devices that are deferred at first.
    fn deferred(&mut self) {
        let life = self.life;
        let mut probes: HashMap<(Option<usize>, Option<u64>), Vec<usize>> = HashMap::new();
        let mut bound: Vec<(usize, usize)> = Vec::new();
        for (at, probe) in life.of(Kind::Probe) {
            let by_hand = |span: &Span| matches!(span.kind, Kind::Bind | Kind::Attach);
            if life.within(at, by_hand).is_none() {
                probes
                    .entry((probe.device, probe.facts.at))
                    .or_default()
                    .push(at);
            }
            if probe.ret == Some(0) {
                bound.push((probe.end_place(), at));
            }
        }
        bound.sort_unstable();
        let deferred = |at: &&usize| life.spans[**at].ret == Some(-EPROBE_DEFER);
        let mut devices: Vec<Vec<usize>> = probes.into_values().collect();
        devices.sort_unstable();
        for mut tries in devices {
            let fails = tries.iter().take_while(deferred).count();
            if fails == 0 {
                continue;
            }
            tries.truncate(fails + 1);
            let last = &life.spans[tries[fails - 1]];
            let succeeds = tries.get(fails).copied();
            let begins = succeeds.map_or(usize::MAX, |at| life.spans[at].began);
            let from = bound.partition_point(|(place, _)| *place < last.began);
            let until = bound.partition_point(|(place, _)| *place < begins);
            let suppliers = &bound[from..until.max(from)];
            self.script.suppliers_are_guessed |= succeeds.is_some() && suppliers.len() > 1;
            let supplier = match self.choice.guess {
                // The worker tries it at once, unless it is busy with another device.
                Guess::Likely => suppliers.first(),
                Guess::Other => suppliers.last(),
            };
            let supplier = supplier.filter(|_| succeeds.is_some());
            let device = self.script.deferred.len();
            let took = life.end_of(tries[0]) - life.spans[tries[0]].begin;
            let fail = self.strand();
            self.script.strands[fail].steps = vec![Step::Wait(took), Step::Deferred(device)];
            let retry = self.strand();
            self.script.strands[retry].steps.push(Step::Try(device));
            let chosen = self.is_chosen(tries[0]);
            let asynchronous = tries[1..]
                .first()
                .is_some_and(|retry| life.spans[*retry].asynchronous == Some(true));
            if asynchronous || chosen {
                self.script.strands[retry].domain = Some(DEFAULT_DOMAIN);
            }
            for (number, at) in tries.iter().enumerate() {
                self.tries.insert(*at, (device, number));
                if number > 0 {
                    self.retried.extend(life.spans[*at].end);
                }
            }
            let succeeds = succeeds.map(|_| self.strand());
            if chosen {
                self.moved.extend(succeeds);
            }
            self.script.deferred.push(Deferred {
                tries,
                fails,
                supplier: supplier.map(|(_, at)| end_of(*at)),
                fail,
                succeeds,
                retry,
            });
        }
        self.retried.sort_unstable();
    }

    fn is_chosen(&self, probe: usize) -> bool {
        let span = &self.life.spans[probe];
        let by = span.facts.by;
        span.driver.as_deref().is_some_and(|driver| {
            self.choice.names.contains(driver) && !self.forced.contains(&(by, driver))
        }) && self.choice.at.is_none_or(|at| by == Some(at))
    }

    /// Where tasks stop.
    fn stops(&mut self) {
        let life = self.life;
        let mut stops: HashMap<usize, Vec<(Micros, Stop)>> = HashMap::new();
        let mut stop = |task: Option<usize>, time: Micros, stop: Stop| {
            if let Some(task) = task {
                stops.entry(task).or_default().push((time, stop));
            }
        };
        if let Some((time, _)) = self.init {
            stop(self.boots, time, Stop::Init);
        }
        // The first to be tried again are tried for the boot.
        let retries = self
            .script
            .deferred
            .iter()
            .flat_map(|device| device.tries.get(1));
        let first = retries.map(|at| life.spans[*at].begin).min();
        let booting = first.filter(|first| self.init.is_some_and(|(init, _)| *first < init));
        match booting.filter(|_| self.boots.is_some()) {
            Some(first) => stop(self.boots, first, Stop::Retries),
            None => self.script.retries_from_the_start = true,
        }
        for wait in &life.waits {
            let (Some(on), Some(end)) = (wait.on.last(), wait.end) else {
                continue;
            };
            match &wait.through {
                Through::DeviceLock | Through::DriverInUse if !wait.inferred => {
                    let until = life.end_of(*on).min(end);
                    stop(wait.task, wait.begin, Stop::Await(end_of(*on), until));
                }
                Through::AsyncWork if wait.inferred => {
                    stop(wait.task, wait.begin, Stop::Flush(end))
                }
                _ => {}
            }
        }
        for stops in stops.values_mut() {
            stops.sort_by_key(|(time, _)| std::cmp::Reverse(*time));
        }
        self.stops = stops;
    }

    fn strand(&mut self) -> usize {
        self.script.strands.push(Strand::default());
        self.script.strands.len() - 1
    }

    fn push(&mut self, strand: usize, step: Step) {
        self.script.strands[strand].steps.push(step);
    }

    /// All that a task does.
    fn task(&mut self, task: usize, spans: &[usize]) {
        let life = self.life;
        let pid = life.tasks.get(task).and_then(|task| task.pid);
        let is_worker = pid.is_none() || is_kworker(life, task);
        let mut open: Vec<(usize, Cursor, Cursor)> = Vec::new();
        let mut outermost: Option<Cursor> = None;
        for at in spans.iter().copied() {
            let span = &life.spans[at];
            while let Some((inner, cursor, outer)) = open.last().copied() {
                if span.parent == Some(inner) {
                    break;
                }
                open.pop();
                let outer = self.close(task, inner, cursor, outer);
                match open.last_mut() {
                    Some((_, cursor, _)) => *cursor = outer,
                    None => outermost = Some(outer),
                }
            }
            let around = match open.last() {
                Some((_, cursor, _)) => *cursor,
                None => {
                    if span.kind.is_mark() && span.kind != Kind::Scheduled {
                        continue;
                    }
                    let cursor = match outermost {
                        Some(cursor) if !is_worker && span.kind != Kind::AsyncWork => cursor,
                        _ => self.begins(task, at, is_worker),
                    };
                    outermost = Some(cursor);
                    cursor
                }
            };
            let (around, within) = self.open(task, at, around);
            match open.last_mut() {
                Some((_, cursor, _)) => *cursor = around,
                None => outermost = Some(around),
            }
            if !span.kind.is_mark() {
                open.push((at, within, around));
            }
        }
        while let Some((inner, cursor, outer)) = open.pop() {
            let outer = self.close(task, inner, cursor, outer);
            match open.last_mut() {
                Some((_, cursor, _)) => *cursor = outer,
                None => outermost = Some(outer),
            }
        }
        // What it stops at behind the last of its spans.
        if let Some(mut cursor) = outermost {
            let last = self
                .stops
                .get(&task)
                .and_then(|stops| Some(stops.first()?.0));
            self.advance(task, &mut cursor, last.unwrap_or_default(), true);
        }
    }

    /// A strand begins with this span.
    fn begins(&mut self, task: usize, at: usize, is_worker: bool) -> Cursor {
        let span = &self.life.spans[at];
        let last = span.begin;
        let again = |at: usize| matches!(self.tries.get(&at), Some((_, 1..)));
        let strand = self.strand_of.get(&at).copied();
        if let Some(strand) = strand {
            // The one of a try is made again. Thousands of works may overlap.
            let mut probes = self.life.inside(Kind::Probe, at);
            let tried = !self.tries.is_empty() && probes.any(|(probe, _)| again(probe));
            if tried {
                return Cursor {
                    strand: NOT_DONE,
                    last,
                };
            }
            if self.function.contains_key(&at) {
                return Cursor { strand, last };
            }
        }
        if again(at) {
            return Cursor {
                strand: NOT_DONE,
                last,
            };
        }
        let strand = strand.unwrap_or_else(|| self.strand());
        if span.kind == Kind::Probe && span.asynchronous == Some(true) {
            // No source tells of the function that it is in.
            let domain = if self.outlives(at) {
                EXCLUSIVE
            } else {
                DEFAULT_DOMAIN
            };
            self.script.strands[strand].domain = Some(domain);
        }
        self.unknown.push(Unknown {
            strand,
            cause: span.cause,
            device: match span.kind {
                Kind::Add | Kind::Attach | Kind::Probe => span.device,
                _ => None,
            },
            time: last,
            place: span.began,
            task: (!is_worker).then_some(task),
        });
        Cursor { strand, last }
    }

    /// A task goes on until this time, and stops on its way; `at_end` if it stops there, too.
    fn advance(&mut self, task: usize, cursor: &mut Cursor, until: Micros, at_end: bool) {
        loop {
            let next = self.stops.get(&task).and_then(|stops| stops.last());
            let next = next.map(|(time, _)| *time);
            let Some(time) = next.filter(|time| *time < until || at_end && *time == until) else {
                break;
            };
            self.pass(cursor, time);
            let stop = self.stops.get_mut(&task).and_then(Vec::pop);
            match stop.map(|(_, stop)| stop) {
                Some(Stop::Init) => {
                    let init = self.script.points - 1;
                    self.push(cursor.strand, Step::Reach(init));
                }
                Some(Stop::Await(point, end)) => {
                    self.push(cursor.strand, Step::Await(point));
                    cursor.last = cursor.last.max(end);
                }
                Some(Stop::Flush(end)) => {
                    self.push(cursor.strand, Step::Flush(0));
                    cursor.last = cursor.last.max(end);
                }
                Some(Stop::Retries) => {
                    self.push(cursor.strand, Step::EnableRetries);
                    self.push(cursor.strand, Step::AwaitRetries);
                    let done = self.retried.partition_point(|end| *end <= until);
                    let done = done.checked_sub(1).map(|last| self.retried[last]);
                    cursor.last = cursor.last.max(done.unwrap_or_default());
                }
                None => {}
            }
        }
        self.pass(cursor, until);
    }

    /// Time passes.
    fn pass(&mut self, cursor: &mut Cursor, until: Micros) {
        let time = until - cursor.last;
        if time > Micros(0) {
            let moved = self.moved.contains(&cursor.strand);
            let computes = if moved { self.choice.computes } else { 0 };
            let computes = Micros(time.0.saturating_mul(computes) / 1000);
            for step in [Step::Wait(time - computes), Step::Compute(computes)] {
                if !matches!(step, Step::Wait(Micros(0)) | Step::Compute(Micros(0))) {
                    self.push(cursor.strand, step);
                }
            }
            cursor.last = until;
        }
    }

    fn reach(&mut self, task: usize, cursor: Cursor, point: usize, returned: bool) {
        let span = &self.life.spans[point / 2];
        let place = if point % 2 == 0 {
            span.began
        } else {
            span.end_place()
        };
        self.push(cursor.strand, Step::Reach(point));
        if cursor.strand != NOT_DONE {
            self.reached.push(Reached {
                place,
                time: cursor.last,
                point,
                task: Some(task),
                returned,
            });
        }
    }

    /// A span begins. Returns where the span around it goes on, and where its own steps go.
    fn open(&mut self, task: usize, at: usize, mut around: Cursor) -> (Cursor, Cursor) {
        let life = self.life;
        let span = &life.spans[at];
        let begin = span.begin.max(around.last);
        if let Some((device, number)) = self.tries.get(&at).copied() {
            return self.open_try(task, at, device, number, around);
        }
        let convert =
            span.kind == Kind::Probe && self.is_chosen(at) && can_be_asynchronous(life, at);
        if span.kind == Kind::Flush && waits_for_probes(life, at) {
            self.push(around.strand, Step::AwaitRetries);
            let done = self.retried.partition_point(|end| *end <= begin);
            let done = done.checked_sub(1).map(|last| self.retried[last]);
            around.last = around.last.max(done.unwrap_or_default());
        }
        self.advance(task, &mut around, begin, false);
        let mut within = around;
        if convert {
            within.strand = self.asynchronously(around);
        }
        if !span.kind.is_mark() {
            self.reach(task, within, begin_of(at), false);
        }
        match span.kind {
            Kind::Scheduled => {
                let run = self.scheduled.get(&at).copied();
                if let Some(strand) = run.and_then(|run| self.strand_of.get(&run).copied()) {
                    let after = run.map_or(Micros(0), |run| life.spans[run].begin - begin);
                    self.push(around.strand, Step::Schedule(strand, after.min(QUEUED)));
                }
            }
            Kind::Flush => {
                if let Some(domain) = self.domain(at) {
                    self.push(around.strand, Step::Flush(domain));
                    let end = life.end_of(at);
                    let ends = self.ends.get(&domain).map_or(&[][..], Vec::as_slice);
                    let last = ends[..ends.partition_point(|of| *of <= end)].last();
                    within.last = within.last.max(last.copied().unwrap_or_default());
                }
            }
            // No line tells of the flush.
            Kind::Boot if life.inside(Kind::Flush, at).next().is_none() => {
                self.push(around.strand, Step::Flush(0));
            }
            _ => {}
        }
        (around, within)
    }

    /// The domain that a flush waits for. The lines of `initcall_debug` do not tell: that of a
    /// module's loader and that of the boot is for all.
    fn domain(&self, flush: usize) -> Option<u64> {
        let span = &self.life.spans[flush];
        let around = self.life.within(flush, |outer| {
            matches!(outer.kind, Kind::Init | Kind::Boot | Kind::Initcall)
        });
        let of_all = (around.is_some() || span.task == self.boots).then_some(0);
        span.facts.domain.or(of_all)
    }

    /// The strand of an async function that takes a probe out of what is around it.
    fn asynchronously(&mut self, around: Cursor) -> usize {
        let strand = self.strand();
        self.moved.insert(strand);
        self.script.strands[strand].domain = Some(DEFAULT_DOMAIN);
        self.push(around.strand, Step::Wait(SCHEDULING));
        let latency = self.script.latency;
        self.push(around.strand, Step::Schedule(strand, latency));
        strand
    }

    /// A try of a deferred device begins. The first is where it was, the others are made when they
    /// are due.
    fn open_try(
        &mut self,
        task: usize,
        at: usize,
        device: usize,
        number: usize,
        mut around: Cursor,
    ) -> (Cursor, Cursor) {
        let begin = self.life.spans[at].begin.max(around.last);
        if number == 0 {
            self.advance(task, &mut around, begin, false);
            let convert = self.is_chosen(at) && can_be_asynchronous(self.life, at);
            let strand = if convert {
                self.asynchronously(around)
            } else {
                around.strand
            };
            self.push(strand, Step::Try(device));
        } else if around.strand != NOT_DONE {
            self.advance(task, &mut around, begin, false);
        }
        let deferred = &self.script.deferred[device];
        let strand = deferred.succeeds.filter(|_| number == deferred.fails);
        let within = Cursor {
            strand: strand.unwrap_or(NOT_DONE),
            last: begin,
        };
        self.reach(task, within, begin_of(at), false);
        (around, within)
    }

    /// A span ends. Returns where the one around it goes on.
    fn close(&mut self, task: usize, at: usize, mut within: Cursor, mut around: Cursor) -> Cursor {
        let life = self.life;
        let span = &life.spans[at];
        let end = life.end_of(at).max(within.last);
        self.advance(task, &mut within, end, true);
        if span.kind == Kind::Call(Call::Insmod) && !self.is_recorded(span) {
            self.push(within.strand, Step::Flush(0));
        }
        if span.kind == Kind::Probe && span.ret == Some(0) {
            self.push(within.strand, Step::Bound);
        }
        if span.end.is_some() {
            let returned = span.parent.is_none() && !is_kworker(life, task);
            self.reach(task, within, end_of(at), returned);
        }
        if within.strand == around.strand {
            return within;
        }
        around.last = around.last.max(end);
        around
    }

    /// Whether the log shows what the kernel does in a call.
    fn is_recorded(&self, call: &Span) -> bool {
        let asks = call.facts.async_probe == Some(true);
        asks || self
            .life
            .sources
            .contains(&crate::parse::log::Source::Recording)
    }

    /// Finds out what starts the strands of which the life does not show that.
    fn starts(&mut self) {
        let life = self.life;
        self.reached.sort_unstable();
        let init_place = self.init.map_or(0, |(_, place)| place);
        let (all, boots) = (&self.reached, self.boots);
        let boot: Vec<&Reached> = all.iter().filter(|of| of.task == boots).collect();
        let returned: Vec<&Reached> = all
            .iter()
            .filter(|of| of.returned && init_place <= of.place)
            .collect();
        let all: Vec<&Reached> = all.iter().collect();
        let last = |of: &[&Reached], unknown: &Unknown| {
            let before = of.partition_point(|of| of.place < unknown.place);
            let mut before = of[..before].iter().rev();
            let other = before.find(|of| unknown.task.is_none() || of.task != unknown.task);
            other.map(|of| Start::After(of.point, unknown.time - of.time))
        };
        let mut starts = Vec::new();
        for of in &self.unknown {
            let boots = boots.is_some() && boots == of.task;
            let with_the_boot = match self.init {
                _ if boots => None,
                Some((time, place)) if place < of.place => {
                    Some(Start::After(self.script.points - 1, of.time - time))
                }
                Some(_) => last(&boot, of),
                None => None,
            };
            let after_another = match of.task {
                _ if boots => None,
                None => last(&all, of),
                Some(_) => last(&returned, of),
            };
            let independent = of.task.is_some_and(|task| is_udev(life, task));
            let cause = of.cause.map(|cause| {
                let delay = of.time - life.spans[cause].begin;
                Start::After(begin_of(cause), delay)
            });
            let start = if let Some(start) = cause.or_else(|| found(life, of)) {
                Some(start)
            } else if independent == (self.choice.guess == Guess::Likely) {
                with_the_boot
            } else {
                after_another.or(with_the_boot)
            };
            starts.push((of.strand, start.unwrap_or(Start::At(of.time))));
        }
        self.script.starts = starts;
    }
}

/// What starts a strand about a device that is below another one: the probe of that has found it.
fn found(life: &Life, of: &Unknown) -> Option<Start> {
    let below = life.devices[of.device?].below?;
    let mut all = life.devices[below].all.iter().copied();
    let probe = all.rfind(|at| {
        let span = &life.spans[*at];
        span.kind == Kind::Probe && span.ret == Some(0) && span.begin <= of.time
    })?;
    Some(match life.spans[probe].end.filter(|end| *end <= of.time) {
        Some(end) => Start::After(end_of(probe), of.time - end),
        None => Start::After(begin_of(probe), of.time - life.spans[probe].begin),
    })
}

/// Which async function each mark scheduled: the driver core's functions name their device, the
/// others begin in the order in which they are scheduled.
pub(super) fn scheduled(life: &Life) -> HashMap<usize, usize> {
    let mut runs = HashMap::new();
    let mut known = HashSet::new();
    for (at, span) in life.spans.iter().enumerate() {
        let helper = matches!(span.kind, Kind::DriverAttach | Kind::DeviceAttach);
        let run = life.within(at, |outer| outer.kind == Kind::AsyncWork);
        if let (Some(mark), Some(run)) = (span.cause.filter(|_| helper), run) {
            runs.insert(mark, run);
            known.insert(run);
        }
    }
    let marks: Vec<usize> = life
        .spans_of(Kind::Scheduled)
        .filter(|mark| !runs.contains_key(mark))
        .collect();
    let mut marks = marks.into_iter().peekable();
    for run in life
        .spans_of(Kind::AsyncWork)
        .filter(|run| !known.contains(run))
    {
        let before = |mark: &usize| life.spans[*mark].began < life.spans[run].began;
        if let Some(mark) = marks.next_if(before) {
            runs.insert(mark, run);
        }
    }
    runs
}

/// Whether a task works for the whole kernel: what it does next has nothing to do with what it did.
fn is_kworker(life: &Life, task: usize) -> bool {
    let name = life.tasks.get(task).and_then(|task| task.name.as_deref());
    name.is_some_and(|name| name.starts_with("kworker"))
}

/// The workers of udev run beside each other: none waits for what another does.
fn is_udev(life: &Life, task: usize) -> bool {
    let name = life.tasks[task].name.as_deref().unwrap_or_default();
    name.contains("udev") || name == "mdev"
}

/// Whether a flush is the last step of `wait_for_device_probe()`, which first waits for the worker
/// that tries deferred devices. Its callers are all but these.
pub(super) fn waits_for_probes(life: &Life, flush: usize) -> bool {
    const OTHERS: [&str; 5] = [
        "do_init_module",
        "kernel_init",
        "driver_detach",
        "__do_sys_delete_module",
        "__x64_sys_delete_module",
    ];
    let span = &life.spans[flush];
    let caller = span.facts.caller.as_deref().map(function);
    span.facts.domain == Some(0) && caller.is_some_and(|caller| !OTHERS.contains(&caller))
}
