// SPDX-License-Identifier: GPL-2.0

//! What the tasks of a life do, step by step, so that it can be done again in another order.
//!
//! A strand is what one task does in one go. The time between two steps is that of the life, unless
//! the task waited: then the step says what for. The probes of the drivers that are to be
//! asynchronous are taken out of the task that did them, and become strands of their own.

mod build;
mod deferred;
mod functions;
mod starts;
mod walk;

use std::collections::{HashMap, HashSet};

use crate::event::{Call, Initcall};
use crate::life::{Kind, Life, Span};
use crate::{Micros, ProbeType, What};
use build::Build;
pub(super) use functions::scheduled;

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

/// Makes the script of a life in which other drivers are probed asynchronously.
pub(super) fn script(life: &Life, choice: &Choice<'_>) -> Script {
    let force = Some(ProbeType::ForceSynchronous);
    let registered = life.each(Kind::Register);
    let forced = registered.filter(|span| span.facts.probe_type == force);
    let loads = life.each(Kind::Call(Call::Insmod));
    let loads = loads.filter(|load| load.facts.async_probe != Some(true));
    let scheduled = scheduled(life);
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
        forced: forced
            .filter_map(|span| Some((span.facts.by, span.driver.as_deref()?)))
            .collect(),
        function: scheduled.iter().map(|(mark, run)| (*run, *mark)).collect(),
        scheduled,
        strand_of: HashMap::new(),
        moved: HashSet::new(),
        ends: HashMap::new(),
        tries: HashMap::new(),
        retried: Vec::new(),
        loaded: loads.filter_map(|load| load.end).collect(),
        reached: Vec::new(),
        unknown: Vec::new(),
        stops: HashMap::new(),
    };
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
