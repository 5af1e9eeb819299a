// SPDX-License-Identifier: GPL-2.0

//! The critical path: what decided when something ended, step by step.
//!
//! It is followed from the end to the beginning: what the task did, or whom it waited for, last
//! before that point; who of those it waited for ended last; what kept that one from beginning
//! earlier: its worker, or that it had not been asked for; and so on.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap, HashSet};

use serde::{Deserialize, Serialize};

use super::call::{name, Call};
use crate::life::{Kind, Life, Wait, Wave};
use crate::parse::collected::Unit;
use crate::Micros;

/// The steps that decided when something ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// What, in words.
    pub what: String,
    /// When it ended.
    pub end: Micros,
    /// The steps, in the order of time, each from the end of the one before.
    pub steps: Vec<Step>,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// What was done, in words.
    pub what: String,
    /// When it began.
    pub begin: Micros,
    /// When it ended.
    pub end: Micros,
    /// The span of it, if it is one.
    pub span: Option<usize>,
}

/// The path of what took longest: a call, the probes of a driver, or the boot.
pub(super) fn path(life: &Life, waves: &[Wave], calls: &[Call]) -> Option<Path> {
    let call = calls
        .iter()
        // The boot has a path of its own, if it waits for anybody.
        .filter(|call| life.spans[call.span].kind != Kind::Boot)
        .max_by_key(|call| (call.took, call.span));
    let wave = waves
        .iter()
        .filter_map(|wave| Some((wave.until_bound?, wave)))
        .max_by_key(|(until_bound, wave)| (*until_bound, wave.begin));
    let took = call.map_or(Micros(0), |call| call.took);
    let mut walk = Walk::new(life);
    if let Some(boot) = boot(life).filter(|boot| boot.done - boot.begin > took) {
        return Some(walk.of_tasks("the boot".to_owned(), &[boot.task], boot.begin, boot.end));
    }
    if let Some((_, wave)) = wave.filter(|(until_bound, _)| *until_bound > took) {
        let last = wave.probes.iter().copied();
        let last = last.max_by_key(|span| (life.end_of(*span), *span))?;
        let end = life.end_of(last);
        walk.led_to(last, end);
        return Some(walk.done(format!("the last probe of {}", wave.driver), end));
    }
    let call = call?;
    let (begin, end) = (life.spans[call.span].begin, life.end_of(call.span));
    let tasks = tasks(life, call.span);
    Some(walk.of_tasks(call.what.clone(), &tasks, begin, end))
}

/// The path from the beginning of the boot, or of the log, until init runs, or until a device is
/// there: `init`, the name of a device, or that of a unit of systemd's.
pub(super) fn until(life: &Life, what: &str, units: &[Unit]) -> Option<Path> {
    let init = life.events.iter().find(|event| event.runs_init());
    let mut walk = Walk::new(life);
    let unit = units.iter().find(|unit| unit.name == what);
    let (what, end) = if what == "init" {
        ("the boot".to_owned(), init?.time)
    } else if let Some(unit) = unit.filter(|unit| !unit.name.ends_with(".device")) {
        walk.step(format!("start of {what}"), unit.began, unit.active, None);
        (format!("the start of {what}"), unit.active)
    } else {
        // `dev-disk-x.device` is a link, which the log does not know.
        let name = what
            .strip_suffix(".device")
            .map_or(what, |unit| unit.strip_prefix("dev-").unwrap_or(unit));
        let name = name.replace("\\x2d", "-");
        let spans = || life.named(&name);
        let probes = spans().filter(|(_, span)| span.kind == Kind::Probe && span.ret == Some(0));
        let (at, probe, end) = match probes.last() {
            Some((probe, span)) => (probe, Some(probe), span.end?),
            None => {
                let (at, add) = spans().filter(|(_, span)| span.kind == Kind::Add).last()?;
                let probe = life.within(at, |outer| outer.kind == Kind::Probe);
                (at, probe, add.begin)
            }
        };
        let what = match life.spans[at].kind {
            Kind::Add => format!("the wait for {name}"),
            _ => walk.name(at),
        };
        if let Some(probe) = probe {
            walk.led_to(probe, end);
        }
        (what, end)
    };
    // What came before: the boot, and then userspace.
    let mut reached = walk.steps.last().map_or(end, |step| step.begin);
    let userspace = init.map(|init| init.time).filter(|init| *init < reached);
    if let Some(init) = userspace {
        while let Some((at, call, ended)) = just_before(life, init, reached) {
            walk.step("userspace", ended, reached, None);
            reached = life.spans[at].begin;
            walk.step(format!("{call}, just before"), reached, ended, Some(at));
        }
        let unknown = "userspace, which the log does not show";
        walk.step(unknown, init, reached, None);
    }
    let boots = life.init_task();
    let first = boots.and_then(|task| life.tasks[task].spans.first());
    if let (Some(task), Some(first)) = (boots, first) {
        let begin = life.spans[*first].begin;
        walk.tasks("the boot", &[task], begin, userspace.unwrap_or(reached));
    }
    Some(walk.done(what, end))
}

/// The call of userspace that ended last before this time, after init ran, if that was so soon
/// before that a script may have made both.
fn just_before(life: &Life, init: Micros, time: Micros) -> Option<(usize, String, Micros)> {
    const SOON: Micros = Micros(100_000);
    let calls = life.spans.iter().enumerate().filter_map(|(at, span)| {
        let soon = |end: &Micros| *end <= time && time - *end < SOON && span.begin < *end;
        let end = span.end.filter(soon)?;
        let called = init <= span.begin && life.bar_around(at).is_none();
        Some((at, name(life, at).filter(|_| called)?, end))
    });
    calls.max_by_key(|(at, _, end)| (*end, *at))
}

/// Who does what a call asks for: its task, and the one that it has started for that. A shell that
/// tells of its calls starts insmod.
fn tasks(life: &Life, call: usize) -> Vec<usize> {
    let insmod = Kind::Call(crate::event::Call::Insmod);
    let is_in = |inner: usize, outer: usize| {
        life.spans[outer].begin <= life.spans[inner].begin
            && life.end_of(inner) <= life.end_of(outer)
    };
    let is_insmod = life.spans[call].kind == insmod;
    let others: Vec<usize> = life.spans_of(insmod).filter(|of| *of != call).collect();
    let started = life
        .spans_of(Kind::Register)
        .filter(|span| is_insmod && is_in(*span, call))
        // With two at once, it may be of either.
        .filter(|span| !others.iter().any(|other| is_in(*span, *other)))
        .filter_map(|span| life.spans[span].task);
    let tasks: BTreeSet<usize> = life.spans[call].task.into_iter().chain(started).collect();
    tasks.into_iter().collect()
}

/// The boot of the kernel, all by one task.
struct Boot {
    task: usize,
    /// When its first initcall began.
    begin: Micros,
    /// When its last initcall returned, or if it waited after that, `end`.
    done: Micros,
    end: Micros,
}

fn boot(life: &Life) -> Option<Boot> {
    let task = life.init_task()?;
    let of_task = |kind| {
        let spans = life.spans_of(kind);
        spans.filter(|span| life.spans[*span].task == Some(task))
    };
    // Init, too, may load modules.
    let is_of_module = |span: &usize| life.spans[*span].is_of_module();
    let module = of_task(Kind::Initcall).find(is_of_module);
    let is_before = |span: &usize| module.is_none_or(|module| *span < module);
    let mut initcalls = of_task(Kind::Initcall).filter(|span| !is_of_module(span));
    let first = initcalls.next()?;
    let span = life.spans_of(Kind::Boot).next();
    let end = match span {
        Some(span) => life.end_of(span),
        None => {
            let all = initcalls.chain(of_task(Kind::Flush).filter(is_before));
            let ends = all.chain([first]).map(|span| life.end_of(span));
            ends.max()?
        }
    };
    let waits = |span| life.waits.iter().any(|wait| wait.span == span);
    Some(Boot {
        task,
        begin: life.spans[first].begin,
        done: match span {
            Some(span) if !waits(span) => life.spans[span].begin,
            _ => end,
        },
        end,
    })
}

/// What was found to have come last.
enum Last<'t> {
    Span(usize),
    Wait(&'t Wait),
}

struct Walk<'t> {
    life: &'t Life,
    waiting: HashMap<usize, usize>,
    /// The probes and initcalls of each task, by their ends. Of those that end together the longest
    /// comes last: the others are in it.
    ended: HashMap<usize, Vec<(Micros, Reverse<Micros>, usize)>>,
    /// The waits of each task, by their ends.
    woken: HashMap<usize, Vec<(Micros, &'t Wait)>>,
    /// When the probe was asked for of which the walk has last looked for the call.
    asked: Option<Micros>,
    /// The spans that the walk has gone through.
    entered: HashSet<usize>,
    /// From the end.
    steps: Vec<Step>,
}

impl<'t> Walk<'t> {
    fn new(life: &'t Life) -> Self {
        let mut ended: HashMap<usize, Vec<_>> = HashMap::new();
        for (at, span) in life.spans.iter().enumerate() {
            let end = life.end_of(at);
            let counts = matches!(span.kind, Kind::Probe | Kind::Initcall) && span.begin < end;
            if let Some(task) = span.task.filter(|_| counts) {
                let of_task = ended.entry(task).or_default();
                of_task.push((end, Reverse(span.begin), at));
            }
        }
        let mut woken: HashMap<usize, Vec<_>> = HashMap::new();
        for wait in &life.waits {
            let end = wait.end.unwrap_or(life.end);
            if let Some(task) = wait.task.filter(|_| wait.begin < end) {
                woken.entry(task).or_default().push((end, wait));
            }
        }
        ended
            .values_mut()
            .for_each(|of_task| of_task.sort_unstable());
        let by_end = |of_task: &mut Vec<(Micros, _)>| of_task.sort_by_key(|(end, _)| *end);
        woken.values_mut().for_each(by_end);
        Self {
            life,
            waiting: life.waiting(),
            ended,
            woken,
            asked: None,
            entered: HashSet::new(),
            steps: Vec::new(),
        }
    }

    fn of_tasks(mut self, what: String, tasks: &[usize], begin: Micros, end: Micros) -> Path {
        self.tasks(&what, tasks, begin, end);
        self.done(what, end)
    }

    /// A probe until `end`, and what came before it.
    fn led_to(&mut self, probe: usize, end: Micros) {
        let (asked, by) = self.probe(probe, end);
        self.before(asked, by);
    }

    fn done(mut self, what: String, end: Micros) -> Path {
        self.steps.reverse();
        Path {
            what,
            end,
            steps: self.steps,
        }
    }

    fn step(&mut self, what: impl Into<String>, begin: Micros, end: Micros, span: Option<usize>) {
        let what = what.into();
        match self.steps.last_mut() {
            _ if begin >= end => {}
            Some(after) if span.is_none() && after.span.is_none() && after.what == what => {
                after.begin = begin;
            }
            _ => self.steps.push(Step {
                what,
                begin,
                end,
                span,
            }),
        }
    }

    /// What tasks did from `begin` to `until`, in `what`.
    fn tasks(&mut self, what: &str, tasks: &[usize], begin: Micros, mut until: Micros) {
        while begin < until {
            let Some((ended, last)) = self.last(tasks, begin, until) else {
                self.step(what, begin, until, None);
                return;
            };
            self.step(what, ended, until, None);
            until = match last {
                Last::Span(span) => {
                    let begin = self.life.spans[span].begin;
                    let name = self.name(span);
                    if self.through(span, ended) {
                        let reached = self.steps.last().map(|step| step.begin);
                        reached.filter(|at| *at < until).unwrap_or(begin)
                    } else {
                        self.step(name, begin, ended, Some(span));
                        begin
                    }
                }
                Last::Wait(wait) => {
                    let Some(probe) = wait.on.last().copied() else {
                        return;
                    };
                    let woken = self.life.end_of(probe).min(ended);
                    self.step(what, woken, ended, None);
                    let (mut asked, mut by) = self.probe(probe, woken);
                    // It waited for others until that was asked for.
                    while wait.begin < asked {
                        let end = |on: &usize| self.life.end_of(*on);
                        let others = wait.on.iter().rev().copied();
                        let mut others = others.filter(|on| wait.begin < end(on));
                        // An earlier one: the walk goes back in time, or it has no end.
                        let begin = |on: &usize| self.life.spans[*on].begin;
                        let before = others.find(|on| begin(on) < asked && end(on) <= asked);
                        let reached = before.map_or(wait.begin, |before| end(&before));
                        self.step(format!("{what} waits"), reached, asked, None);
                        let Some(before) = before else {
                            asked = reached;
                            break;
                        };
                        (asked, by) = self.probe(before, reached);
                    }
                    if asked <= begin || until <= asked {
                        // It was asked for before: by whom is the rest of the path. Or it took
                        // no time, and there is no going on from it.
                        self.before(asked, by);
                        return;
                    }
                    asked
                }
            };
        }
    }

    /// A span until `end` in which its task waited: what it waited for is a step, and what led to
    /// that. Returns whether it did. No span is gone through twice.
    fn through(&mut self, span: usize, end: Micros) -> bool {
        let (begin, task) = (self.life.spans[span].begin, self.life.spans[span].task);
        let Some((woken, _)) = self.woken(task.as_slice(), begin, end) else {
            return false;
        };
        if !self.entered.insert(span) {
            return false;
        }
        let name = self.name(span);
        self.step(&name, woken, end, None);
        self.tasks(&name, task.as_slice(), begin, woken);
        true
    }

    /// What ended last in these tasks, between these times.
    fn last(&self, tasks: &[usize], begin: Micros, until: Micros) -> Option<(Micros, Last<'t>)> {
        let spans = tasks.iter().filter_map(|task| {
            let of_task = self.ended.get(task)?;
            let until = of_task.partition_point(|(end, ..)| *end <= until);
            let mut before = of_task[..until].iter().rev();
            before.find(|(_, Reverse(began), _)| begin <= *began)
        });
        let span = spans.max().map(|(end, _, span)| (*end, Last::Span(*span)));
        let wait = self.woken(tasks, begin, until);
        let wait = wait.map(|(end, wait)| (end, Last::Wait(wait)));
        match (span, wait) {
            (Some(span), Some(wait)) => Some(if wait.0 < span.0 { span } else { wait }),
            (span, wait) => span.or(wait),
        }
    }

    /// The wait of these tasks that ended last, between these times.
    fn woken(&self, tasks: &[usize], begin: Micros, until: Micros) -> Option<(Micros, &'t Wait)> {
        let waits = tasks.iter().filter_map(|task| {
            let of_task = self.woken.get(task)?;
            let until = of_task.partition_point(|(end, _)| *end <= until);
            let before = of_task[..until].iter().rev();
            let mut before = before.take_while(|(end, _)| begin < *end);
            before.find(|(_, wait)| begin <= wait.begin).copied()
        });
        waits.max_by_key(|(end, _)| *end)
    }

    /// A probe until `end`, and what its worker had to do first. Returns when it was asked for, and
    /// the probe that was.
    fn probe(&mut self, mut probe: usize, mut end: Micros) -> (Micros, usize) {
        loop {
            let begin = self.life.spans[probe].begin;
            if self.through(probe, end) {
                let reached = self.steps.last().map_or(begin, |step| step.begin);
                if reached < begin {
                    return (reached, probe);
                }
            } else {
                self.step(self.name(probe), begin, end, Some(probe));
            }
            let Some(waiting) = self.waiting.get(&probe).copied() else {
                return (begin, probe);
            };
            let asked = self.life.spans[waiting].begin;
            let task = self.life.spans[probe].task;
            let before = match self.last(task.as_slice(), Micros(0), begin) {
                Some((ended, Last::Span(before))) if asked < ended => Some((ended, before)),
                _ => None,
            };
            let waits = format!("{} waits", self.life.spans[probe].on);
            let Some((ended, before)) = before else {
                self.step(waits, asked, begin, Some(waiting));
                return (asked, probe);
            };
            let waits = waits + " for a worker";
            self.step(waits, ended, begin, Some(waiting));
            (probe, end) = (before, ended);
        }
    }

    /// What led to a probe's being asked for: the call that its driver was registered in, or the
    /// initcall that it is in.
    fn before(&mut self, asked: Micros, probe: usize) {
        // The walk goes back in time, or it has no end.
        if self.asked.is_some_and(|last| last <= asked) {
            return;
        }
        self.asked = Some(asked);
        let life = self.life;
        let driver = life.spans[probe].driver.as_deref();
        let mut registrations = life.of(Kind::Register).filter(|(at, span)| {
            span.driver.as_deref() == driver && span.begin <= asked && asked <= life.end_of(*at)
        });
        let registration = registrations.next().map(|(at, _)| at);
        let of_initcall = || life.within(probe, |outer| outer.kind == Kind::Initcall);
        let Some(mut outer) = registration.or_else(of_initcall) else {
            return;
        };
        while let Some(around) = life.bar_around(outer) {
            outer = around;
        }
        let span = &life.spans[outer];
        let what = name(life, outer).unwrap_or_else(|| self.name(outer));
        self.tasks(&what, span.task.as_slice(), span.begin, asked);
    }

    /// A span in words.
    fn name(&self, span: usize) -> String {
        let of = &self.life.spans[span];
        match of.kind {
            Kind::Initcall => format!("initcall {}", of.on),
            Kind::Register => format!("registration of {}", of.on),
            Kind::AsyncWork => format!("async work {}", of.on),
            _ => match &of.driver {
                Some(driver) => format!("probe of {} by {driver}", of.on),
                None => format!("probe of {}", of.on),
            },
        }
    }
}
