// SPDX-License-Identifier: GPL-2.0

//! Runs a script: when each point of it is reached.
//!
//! What the kernel decides while it runs is decided here: how long a flush waits
//! (`kernel/async.c`, `async_synchronize_cookie_domain()`), how many async functions run at once
//! (`WQ_DFL_ACTIVE`), and when a device that was deferred is tried again (`drivers/base/dd.c`,
//! `driver_deferred_probe_trigger()`).

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};

use super::script::{Script, Start, Step, QUEUED};
use crate::Micros;

/// `include/linux/workqueue.h`: so much work of a workqueue runs at once.
const WQ_DFL_ACTIVE: usize = 1024;

/// From the binding of a device until the worker tries the deferred ones.
const RETRY: Micros = Micros(20);

/// What a strand waits for.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum On {
    /// This point.
    Point(usize),
    /// That no function of this domain is pending; 0 are all registered domains.
    Domain(u64),
    /// That no deferred device is being tried.
    Retries,
}

/// A strand that runs.
struct Running {
    strand: usize,
    next: usize,
    caller: Caller,
}

/// Who goes on when a strand has ended.
#[derive(Clone, Copy)]
enum Caller {
    Nothing,
    Running(usize),
    /// The worker that tries the deferred devices.
    Worker,
}

/// The state of a run.
struct Run<'s> {
    script: &'s Script,
    cpus: u128,
    now: Micros,
    /// The time of a processor, in nanoseconds: it passes more slowly if more strands compute than
    /// there are processors.
    processor: u128,
    /// Strands that wait for a time, and strands that are to start.
    waiting: BinaryHeap<Reverse<(Micros, usize, Wake)>>,
    computing: BinaryHeap<Reverse<(u128, usize, usize)>>,
    /// The number of the next wake: of those at one time, the first comes first.
    number: usize,
    running: Vec<Running>,
    blocked: HashMap<On, Vec<usize>>,
    starts: HashMap<usize, Vec<(usize, Micros)>>,
    reached: Vec<Option<Micros>>,
    /// Functions that are scheduled and have not ended, by domain.
    pending: HashMap<u64, usize>,
    active: usize,
    queue: VecDeque<usize>,
    retries: Retries,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Wake {
    /// A strand that nothing has scheduled is pending, and begins so much later.
    Due(usize, Micros),
    Strand(usize),
    Running(usize),
    Retries,
}

/// The devices that are deferred.
#[derive(Default)]
struct Retries {
    enabled: bool,
    pending: Vec<usize>,
    active: VecDeque<usize>,
    /// The worker is on its way.
    busy: bool,
    /// How often a device was bound.
    bound: usize,
    /// How often each was tried, and how often a device had been bound when its last try began.
    tried: Vec<(usize, usize)>,
}

/// Runs a script on so many processors. Returns when each point was reached.
pub(super) fn run(script: &Script, cpus: u64) -> Vec<Option<Micros>> {
    let mut run = Run {
        script,
        cpus: cpus.max(1).into(),
        now: Micros(0),
        processor: 0,
        waiting: BinaryHeap::new(),
        computing: BinaryHeap::new(),
        number: 0,
        running: Vec::new(),
        blocked: HashMap::new(),
        starts: HashMap::new(),
        reached: vec![None; script.points],
        pending: HashMap::new(),
        active: 0,
        queue: VecDeque::new(),
        retries: Retries {
            enabled: script.retries_from_the_start,
            tried: vec![(0, 0); script.deferred.len()],
            ..Retries::default()
        },
    };
    for (strand, start) in &script.starts {
        match start {
            Start::At(time) => run.wake(*time, Wake::Due(*strand, Micros(0))),
            Start::After(point, delay) => {
                run.starts
                    .entry(*point)
                    .or_default()
                    .push((*strand, *delay));
            }
        }
    }
    loop {
        while run.turn() {}
        // What the log shows has come to its end: what still waits here waits for what it does not
        // show.
        let Some((on, _)) = run.blocked.iter().min_by_key(|(_, all)| all.iter().min()) else {
            return run.reached;
        };
        let on = *on;
        if !matches!(on, On::Point(_)) {
            for running in &run.blocked[&on] {
                run.running[*running].next += 1;
            }
        }
        run.unblock(on);
    }
}

impl Run<'_> {
    fn wake(&mut self, time: Micros, wake: Wake) {
        self.number += 1;
        self.waiting.push(Reverse((time, self.number, wake)));
    }

    fn unblock(&mut self, on: On) {
        for running in self.blocked.remove(&on).unwrap_or_default() {
            self.wake(self.now, Wake::Running(running));
        }
    }

    /// How many nanoseconds pass while a processor's time passes by as many.
    fn slowed(&self, nanoseconds: u128) -> u128 {
        let strands = self.computing.len() as u128;
        nanoseconds * strands.max(self.cpus) / self.cpus
    }

    /// Goes on with what is next; false if nothing is.
    fn turn(&mut self) -> bool {
        let first = self.waiting.peek().map(|Reverse((time, ..))| *time);
        let computed = self.computing.peek().map(|Reverse((until, ..))| *until);
        let computed = computed.map(|until| {
            let nanoseconds = self.slowed(until.saturating_sub(self.processor));
            self.now + Micros(u64::try_from(nanoseconds.div_ceil(1000)).unwrap_or(u64::MAX))
        });
        let time = match (first, computed) {
            (Some(first), Some(computed)) => first.min(computed),
            (Some(time), None) | (None, Some(time)) => time,
            (None, None) => return false,
        };
        // Once for all that compute.
        let strands = self.computing.len() as u128;
        if strands > 0 {
            let passed = u128::from((time - self.now).0) * 1000;
            self.processor += passed * self.cpus / strands.max(self.cpus);
        }
        self.now = time;
        if computed == Some(time) {
            if let Some(Reverse((until, _, running))) = self.computing.pop() {
                self.processor = self.processor.max(until);
                self.go_on(running);
            }
        } else if let Some(Reverse((_, _, wake))) = self.waiting.pop() {
            match wake {
                Wake::Running(running) => self.go_on(running),
                Wake::Due(strand, queued) => self.schedule(strand, queued),
                Wake::Strand(strand) => self.start(strand),
                Wake::Retries => self.retry(),
            }
        }
        true
    }

    /// A strand is due.
    fn start(&mut self, strand: usize) {
        if self.script.strands[strand].domain.is_some() {
            if self.active >= WQ_DFL_ACTIVE {
                self.queue.push_back(strand);
                return;
            }
            self.active += 1;
        }
        let running = self.begin(strand, Caller::Nothing);
        self.go_on(running);
    }

    fn begin(&mut self, strand: usize, caller: Caller) -> usize {
        self.running.push(Running {
            strand,
            next: 0,
            caller,
        });
        self.running.len() - 1
    }

    /// A strand is to start; if it is an async function, it is pending from now on.
    fn schedule(&mut self, strand: usize, after: Micros) {
        for domain in self.script.domains(strand) {
            *self.pending.entry(domain).or_default() += 1;
        }
        self.wake(self.now + after, Wake::Strand(strand));
    }

    /// A strand takes its next steps, up to one that takes time.
    fn go_on(&mut self, mut running: usize) {
        loop {
            let Running {
                strand,
                next,
                caller,
            } = self.running[running];
            let Some(step) = self.script.strands[strand].steps.get(next) else {
                self.end(strand);
                match caller {
                    Caller::Nothing => return,
                    Caller::Running(caller) => running = caller,
                    Caller::Worker => return self.wake(self.now, Wake::Retries),
                }
                continue;
            };
            self.running[running].next += 1;
            match *step {
                Step::Compute(time) => {
                    self.number += 1;
                    let until = self.processor + u128::from(time.0) * 1000;
                    self.computing.push(Reverse((until, self.number, running)));
                    return;
                }
                Step::Wait(time) => {
                    return self.wake(self.now + time, Wake::Running(running));
                }
                Step::Reach(point) => self.reach(point),
                Step::Schedule(strand, after) => self.schedule(strand, after),
                Step::Await(point) if self.reached[point].is_none() => {
                    return self.block(On::Point(point), running);
                }
                Step::Await(_) => {}
                Step::Flush(domain) => {
                    // A function does not wait for itself.
                    let own = usize::from(self.is_function(running));
                    if self.pending.get(&domain).copied().unwrap_or(0) > own {
                        self.running[running].next -= 1;
                        return self.block(On::Domain(domain), running);
                    }
                }
                Step::EnableRetries => {
                    self.retries.enabled = true;
                    self.trigger();
                }
                Step::AwaitRetries => {
                    if self.retries.busy {
                        self.running[running].next -= 1;
                        return self.block(On::Retries, running);
                    }
                }
                Step::Bound => {
                    self.retries.bound += 1;
                    self.trigger();
                }
                Step::Try(device) => {
                    let strand = self.try_device(device);
                    running = self.begin(strand, Caller::Running(running));
                }
                Step::Deferred(device) => self.deferred(device),
            }
        }
    }

    fn block(&mut self, on: On, running: usize) {
        self.blocked.entry(on).or_default().push(running);
    }

    fn is_function(&self, running: usize) -> bool {
        let mut of = &self.running[running];
        while let Caller::Running(caller) = of.caller {
            of = &self.running[caller];
        }
        self.script.strands[of.strand].domain.is_some()
    }

    fn reach(&mut self, point: usize) {
        self.reached[point] = Some(self.now);
        for (strand, delay) in self.starts.remove(&point).unwrap_or_default() {
            // A flush that comes next waits for what is due at once.
            if delay <= QUEUED {
                self.schedule(strand, delay);
            } else {
                self.wake(self.now + (delay - QUEUED), Wake::Due(strand, QUEUED));
            }
        }
        self.unblock(On::Point(point));
    }

    /// A strand has ended.
    fn end(&mut self, strand: usize) {
        if self.script.strands[strand].domain.is_none() {
            return;
        }
        for domain in self.script.domains(strand) {
            let pending = self.pending.entry(domain).or_default();
            *pending = pending.saturating_sub(1);
            // With more, no flush ends: there may be thousands.
            if *pending <= 1 {
                self.unblock(On::Domain(domain));
            }
        }
        self.active -= 1;
        if let Some(next) = self.queue.pop_front() {
            self.wake(self.now, Wake::Strand(next));
        }
    }

    /// A device is tried that the log shows to be deferred: it is bound if its supplier is there.
    /// Returns the strand of that.
    fn try_device(&mut self, device: usize) -> usize {
        let deferred = &self.script.deferred[device];
        let (tries, _) = self.retries.tried[device];
        self.retries.tried[device] = (tries + 1, self.retries.bound);
        let succeeds = match deferred.supplier {
            Some(point) => self.reached[point].is_some(),
            None => tries >= deferred.fails,
        };
        let succeeds = deferred.succeeds.filter(|_| succeeds);
        succeeds.unwrap_or(deferred.fail)
    }

    /// A try has failed: the device is tried again when another one is bound, or at once if one was
    /// bound meanwhile (`driver_probe_device()`).
    fn deferred(&mut self, device: usize) {
        self.retries.pending.push(device);
        if self.retries.tried[device].1 != self.retries.bound {
            self.trigger();
        }
    }

    fn trigger(&mut self) {
        if !self.retries.enabled {
            return;
        }
        let pending = std::mem::take(&mut self.retries.pending);
        self.retries.active.extend(pending);
        if !self.retries.busy && !self.retries.active.is_empty() {
            self.retries.busy = true;
            self.wake(self.now + RETRY, Wake::Retries);
        }
    }

    /// The worker tries the next deferred device.
    fn retry(&mut self) {
        let Some(device) = self.retries.active.pop_front() else {
            self.retries.busy = false;
            return self.unblock(On::Retries);
        };
        let retry = self.script.deferred[device].retry;
        if self.script.strands[retry].domain.is_some() {
            self.schedule(retry, self.script.latency);
            self.wake(self.now, Wake::Retries);
        } else {
            let running = self.begin(retry, Caller::Worker);
            self.go_on(running);
        }
    }
}
