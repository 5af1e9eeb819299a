// SPDX-License-Identifier: GPL-2.0

//! What is known while a script is made.

use std::collections::{HashMap, HashSet};

use super::steps::{end_of, Choice, Script, Step, Strand};
use crate::life::{Life, Through};
use crate::Micros;

/// Where a span's steps go, and up to when they have gone there.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    pub(super) strand: usize,
    pub(super) last: Micros,
}

/// A point that a task has reached.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Reached {
    pub(super) place: usize,
    pub(super) time: Micros,
    pub(super) point: usize,
    pub(super) task: Option<usize>,
    /// It has returned to userspace there.
    pub(super) returned: bool,
}

/// A strand that starts for a reason that the life does not show.
pub(super) struct Unknown {
    pub(super) strand: usize,
    /// The registration or the like that set it off, if it is known.
    pub(super) cause: Option<usize>,
    /// The device that it is about, if it is not asked for by userspace.
    pub(super) device: Option<usize>,
    pub(super) time: Micros,
    pub(super) place: usize,
    pub(super) task: Option<usize>,
}

/// Where a task stops on its way.
pub(super) enum Stop {
    Init,
    /// Waits for the end of a span, until this time.
    Await(usize, Micros),
    /// Waits for async functions, until this time.
    Flush(Micros),
    /// Waits until deferred devices have been tried.
    Retries,
}

/// A script that is being made.
pub(super) struct Build<'l> {
    pub(super) life: &'l Life,
    pub(super) choice: &'l Choice<'l>,
    pub(super) script: Script,
    pub(super) init: Option<(Micros, usize)>,
    /// The task that boots.
    pub(super) boots: Option<usize>,
    pub(super) forced: HashSet<(Option<u64>, &'l str)>,
    /// Async functions by the mark of their scheduling, and the other way round.
    pub(super) scheduled: HashMap<usize, usize>,
    pub(super) function: HashMap<usize, usize>,
    /// The strands of async functions.
    pub(super) strand_of: HashMap<usize, usize>,
    /// The strands of probes that are moved.
    pub(super) moved: HashSet<usize>,
    /// When the functions of a domain ended.
    pub(super) ends: HashMap<u64, Vec<Micros>>,
    /// Of each try of a deferred device: which device, and which try.
    pub(super) tries: HashMap<usize, (usize, usize)>,
    /// When tries after the first ended, in order.
    pub(super) retried: Vec<Micros>,
    /// When the loads that wait for probes ended, in order.
    pub(super) loaded: Vec<Micros>,
    pub(super) reached: Vec<Reached>,
    pub(super) unknown: Vec<Unknown>,
    pub(super) stops: HashMap<usize, Vec<(Micros, Stop)>>,
}

impl<'l> Build<'l> {
    pub(super) fn is_chosen(&self, probe: usize) -> bool {
        let span = &self.life.spans[probe];
        let by = span.facts.by;
        span.driver.as_deref().is_some_and(|driver| {
            self.choice.names.contains(driver) && !self.forced.contains(&(by, driver))
        }) && self.choice.at.is_none_or(|at| by == Some(at))
    }

    /// Where tasks stop.
    pub(super) fn stops(&mut self) {
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

    pub(super) fn strand(&mut self) -> usize {
        self.script.strands.push(Strand::default());
        self.script.strands.len() - 1
    }

    pub(super) fn push(&mut self, strand: usize, step: Step) {
        self.script.strands[strand].steps.push(step);
    }
}
