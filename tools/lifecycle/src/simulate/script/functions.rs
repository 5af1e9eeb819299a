// SPDX-License-Identifier: GPL-2.0

//! The async functions of a life: what scheduled each, and the domain that it is in.

use std::collections::{HashMap, HashSet};

use super::build::Build;
use super::steps::{DEFAULT_DOMAIN, INITRAMFS, LATENCY, QUEUED};
use crate::life::{function, Kind, Life, Span};
use crate::Micros;

impl Build<'_> {
    /// The async functions.
    pub(super) fn functions(&mut self) {
        let life = self.life;
        let default = life
            .of(Kind::Scheduled)
            .filter(|(_, span)| span.is_attach_helper());
        let default = default.filter_map(|(_, span)| span.facts.domain).next();
        let mut latencies = Vec::new();
        for run in life.spans_of(Kind::AsyncWork) {
            let mark = self.function.get(&run).map(|mark| &life.spans[*mark]);
            let domain = mark.and_then(|mark| mark.facts.domain);
            let domain = domain.filter(|domain| Some(*domain) != default);
            let domain = domain.unwrap_or(match life.spans[run].is_of_initramfs() {
                true => INITRAMFS,
                false => DEFAULT_DOMAIN,
            });
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
        let exclusive = &self.script.exclusive;
        let registered = self.ends.iter().filter(|(of, _)| !exclusive.contains(of));
        let mut all: Vec<Micros> = registered.flat_map(|(_, ends)| ends).copied().collect();
        all.sort_unstable();
        for ends in self.ends.values_mut() {
            ends.sort_unstable();
        }
        self.ends.insert(0, all);
    }

    /// A domain is exclusive if one of its functions outlives a flush of all.
    fn exclusive(&mut self) {
        let life = self.life;
        let flushes = life.each(Kind::Flush);
        let flushes: Vec<&Span> = flushes
            .filter(|span| span.facts.domain == Some(0))
            .collect();
        for (run, strand) in &self.strand_of {
            let domain = self.script.strands[*strand].domain;
            let Some(domain) = domain.filter(|domain| *domain != DEFAULT_DOMAIN) else {
                continue;
            };
            let run = &life.spans[*run];
            let first = flushes.get(flushes.partition_point(|flush| flush.began <= run.began));
            if first.is_some_and(|flush| flush.end_place() < run.end_place()) {
                self.script.exclusive.insert(domain);
            }
        }
    }

    /// Whether the boot, or a load that waits, has not waited for this probe.
    pub(super) fn outlives(&self, probe: usize) -> bool {
        let probe = &self.life.spans[probe];
        let outlived = |time: Micros| probe.begin < time && probe.end.is_none_or(|end| time < end);
        let next = self.loaded.partition_point(|time| *time <= probe.begin);
        let next = self.loaded.get(next).copied();
        self.init.is_some_and(|(time, _)| outlived(time)) || next.is_some_and(outlived)
    }
}

/// Which async function each mark scheduled: the driver core's functions name their device, the
/// others begin in the order in which they are scheduled.
pub(in crate::simulate) fn scheduled(life: &Life) -> HashMap<usize, usize> {
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
    let marks = life.spans_of(Kind::Scheduled);
    let marks: Vec<usize> = marks.filter(|mark| !runs.contains_key(mark)).collect();
    let mut marks = marks.into_iter().peekable();
    let others = life.spans_of(Kind::AsyncWork);
    for run in others.filter(|run| !known.contains(run)) {
        let before = |mark: &usize| life.spans[*mark].began < life.spans[run].began;
        if let Some(mark) = marks.next_if(before) {
            runs.insert(mark, run);
        }
    }
    runs
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
