// SPDX-License-Identifier: GPL-2.0

//! Scripts, and what is to be asynchronous in one.

use std::collections::HashSet;

use crate::event::Event;
use crate::life::{Kind, Life, Span};
use crate::Micros;

/// What scheduling an async function takes, and until it begins, where the life does not show it.
pub(super) const SCHEDULING: Micros = Micros(10);
pub(super) const LATENCY: Micros = Micros(50);

/// A scheduled function that begins later than this has waited for others.
pub(in crate::simulate) const QUEUED: Micros = Micros(2000);

/// The strand of what is not done again.
pub(super) const NOT_DONE: usize = 0;

/// The domain that `async_schedule()` uses.
pub(super) const DEFAULT_DOMAIN: u64 = 0;

/// The domain of asynchronous probes for which the boot or a load has not waited, in a log that
/// does not tell of domains.
pub(super) const EXCLUSIVE: u64 = 1;

/// The domain of the initramfs, in such a log.
pub(super) const INITRAMFS: u64 = 2;

/// A step.
#[derive(Clone, Debug)]
pub(in crate::simulate) enum Step {
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
pub(in crate::simulate) struct Strand {
    pub(in crate::simulate) steps: Vec<Step>,
    /// Of an async function: its domain.
    pub(in crate::simulate) domain: Option<u64>,
}

/// When a strand starts.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulate) enum Start {
    At(Micros),
    /// So long after a point.
    After(usize, Micros),
}

/// A device that is deferred at first.
#[derive(Debug)]
pub(in crate::simulate) struct Deferred {
    /// Its tries, in their order; all but the last fail.
    pub(super) tries: Vec<usize>,
    pub(in crate::simulate) fails: usize,
    /// The point at which the device is bound that it waits for, as far as the life shows that.
    pub(in crate::simulate) supplier: Option<usize>,
    /// What a try does that is too early, and one that is not.
    pub(in crate::simulate) fail: usize,
    pub(in crate::simulate) succeeds: Option<usize>,
    /// What the worker does.
    pub(in crate::simulate) retry: usize,
}

/// All of it.
#[derive(Debug, Default)]
pub(in crate::simulate) struct Script {
    pub(in crate::simulate) strands: Vec<Strand>,
    pub(in crate::simulate) starts: Vec<(usize, Start)>,
    pub(in crate::simulate) deferred: Vec<Deferred>,
    /// How many points there are: two of each span, its begin and its end, and one at which init
    /// runs.
    pub(in crate::simulate) points: usize,
    pub(in crate::simulate) retries_from_the_start: bool,
    pub(in crate::simulate) latency: Micros,
    /// Domains for which a flush of all does not wait (`ASYNC_DOMAIN_EXCLUSIVE`).
    pub(super) exclusive: HashSet<u64>,
    /// Whether a try could have waited for several devices.
    pub(in crate::simulate) suppliers_are_guessed: bool,
}

impl Script {
    /// The domains in which a strand is pending.
    pub(in crate::simulate) fn domains(&self, strand: usize) -> impl Iterator<Item = u64> + use<> {
        let domain = self.strands[strand].domain;
        let own = domain.filter(|domain| *domain != DEFAULT_DOMAIN);
        let all = domain.filter(|domain| !self.exclusive.contains(domain));
        own.into_iter().chain(all.map(|_| 0))
    }
}

/// The point at which a span begins, and at which it ends.
pub(in crate::simulate) fn begin_of(span: usize) -> usize {
    2 * span
}

pub(in crate::simulate) fn end_of(span: usize) -> usize {
    2 * span + 1
}

/// When the kernel ran init, and where in the log.
pub(in crate::simulate) fn init(life: &Life) -> Option<(Micros, usize)> {
    let at = life.events.iter().position(Event::runs_init)?;
    Some((life.events[at].time, at))
}

/// Whether the driver core would do this probe asynchronously if the driver asked for it: not if
/// it was asked to bind this device at once (`device_attach()`, `device_driver_attach()`).
pub(in crate::simulate) fn can_be_asynchronous(life: &Life, probe: usize) -> bool {
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
pub(in crate::simulate) enum Guess {
    /// It is as it mostly is.
    Likely,
    /// The tasks that seem to wait for others do not, and the other way round.
    Other,
}

/// What is to be asynchronous.
#[derive(Clone, Debug)]
pub(in crate::simulate) struct Choice<'c> {
    /// Drivers of these names.
    pub(in crate::simulate) names: HashSet<&'c str>,
    /// Of those, the one that is here in memory.
    pub(in crate::simulate) at: Option<u64>,
    pub(in crate::simulate) guess: Guess,
    /// How much of a probe that is moved computes, of 1000; the rest waits.
    pub(in crate::simulate) computes: u64,
}

impl<'c> Choice<'c> {
    /// These drivers, whose probes wait.
    pub(in crate::simulate) fn of(names: impl IntoIterator<Item = &'c str>) -> Self {
        Self {
            names: names.into_iter().collect(),
            at: None,
            guess: Guess::Likely,
            computes: 0,
        }
    }
}
