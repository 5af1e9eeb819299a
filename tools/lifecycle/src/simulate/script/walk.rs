// SPDX-License-Identifier: GPL-2.0

//! What each task did, span by span, as steps.

use super::build::{Build, Cursor, Reached, Stop, Unknown};
use super::functions::waits_for_probes;
use super::steps::{
    begin_of, can_be_asynchronous, end_of, Step, DEFAULT_DOMAIN, EXCLUSIVE, INITRAMFS, NOT_DONE,
    QUEUED, SCHEDULING,
};
use crate::event::Call;
use crate::life::{Kind, Life, Span, Task};
use crate::Micros;

impl Build<'_> {
    /// All that a task does.
    pub(super) fn task(&mut self, task: usize, spans: &[usize]) {
        let life = self.life;
        let pid = life.tasks.get(task).and_then(|task| task.pid);
        let is_worker = pid.is_none() || is_worker(life, task);
        let mut open: Vec<(usize, Cursor, Cursor)> = Vec::new();
        let mut outermost: Option<Cursor> = None;
        for at in spans.iter().copied().map(Some).chain([None]) {
            let parent = at.and_then(|at| life.spans[at].parent);
            while let Some((inner, cursor, outer)) = open.last().copied() {
                if parent == Some(inner) {
                    break;
                }
                open.pop();
                let outer = self.close(task, inner, cursor, outer);
                go_on(&mut open, &mut outermost, outer);
            }
            let Some(at) = at else { break };
            let span = &life.spans[at];
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
            go_on(&mut open, &mut outermost, around);
            if !span.kind.is_mark() {
                open.push((at, within, around));
            }
        }
        // What it stops at behind the last of its spans.
        if let Some(mut cursor) = outermost {
            let last = self.stops.get(&task).and_then(|stops| stops.first());
            let last = last.map_or(Micros(0), |(time, _)| *time);
            self.advance(task, &mut cursor, last, true);
        }
    }

    /// A strand begins with this span.
    fn begins(&mut self, task: usize, at: usize, is_worker: bool) -> Cursor {
        let span = &self.life.spans[at];
        let last = span.begin;
        let again = |at: usize| matches!(self.tries.get(&at), Some((_, 1..)));
        let strand = self.strand_of.get(&at).copied();
        // The one of a try is made again. Thousands of works may overlap.
        let mut probes = self.life.inside(Kind::Probe, at);
        let is_of_try = strand.is_some() && !self.tries.is_empty();
        if again(at) || is_of_try && probes.any(|(probe, _)| again(probe)) {
            let strand = NOT_DONE;
            return Cursor { strand, last };
        }
        if let Some(strand) = strand.filter(|_| self.function.contains_key(&at)) {
            return Cursor { strand, last };
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
    pub(super) fn advance(
        &mut self,
        task: usize,
        cursor: &mut Cursor,
        until: Micros,
        at_end: bool,
    ) {
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
                    cursor.last = cursor.last.max(last_by(&self.retried, until));
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

    pub(super) fn reach(&mut self, task: usize, cursor: Cursor, point: usize, returned: bool) {
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
            around.last = around.last.max(last_by(&self.retried, begin));
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
                    let ends = self.ends.get(&domain).map_or(&[][..], Vec::as_slice);
                    within.last = within.last.max(last_by(ends, life.end_of(at)));
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
        let waits = &self.life.waits;
        let from = waits.partition_point(|wait| wait.begin < span.begin);
        let mut waits = waits[from..]
            .iter()
            .take_while(|wait| wait.begin == span.begin);
        let wait = waits.find(|wait| wait.task == span.task);
        let on = wait.map_or(&[][..], |wait| &wait.on);
        if !on.is_empty() && on.iter().all(|on| self.life.spans[*on].is_of_initramfs()) {
            return Some(INITRAMFS);
        }
        let around = self.life.within(flush, |outer| {
            matches!(outer.kind, Kind::Init | Kind::Boot | Kind::Initcall)
        });
        let of_all = (around.is_some() || span.task == self.boots).then_some(0);
        span.facts.domain.or(of_all)
    }

    /// The strand of an async function that takes a probe out of what is around it.
    pub(super) fn asynchronously(&mut self, around: Cursor) -> usize {
        let strand = self.strand();
        self.moved.insert(strand);
        self.script.strands[strand].domain = Some(DEFAULT_DOMAIN);
        self.push(around.strand, Step::Wait(SCHEDULING));
        let latency = self.script.latency;
        self.push(around.strand, Step::Schedule(strand, latency));
        strand
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
            let returned = span.parent.is_none() && !is_worker(life, task);
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
}

/// Of these times, which are in order, the last one up to this time.
fn last_by(times: &[Micros], until: Micros) -> Micros {
    let times = &times[..times.partition_point(|time| *time <= until)];
    times.last().copied().unwrap_or_default()
}

/// The innermost span that is open goes on here, or what is in none.
fn go_on(open: &mut [(usize, Cursor, Cursor)], outermost: &mut Option<Cursor>, here: Cursor) {
    match open.last_mut() {
        Some((_, cursor, _)) => *cursor = here,
        None => *outermost = Some(here),
    }
}

/// A strand may have no task.
fn is_worker(life: &Life, task: usize) -> bool {
    life.tasks.get(task).is_some_and(Task::is_worker)
}
