// SPDX-License-Identifier: GPL-2.0

//! What one line of a log says of the lines that may follow it.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};

use super::refusal::Reason;
use crate::event::{Call, Event, Initcall, SmolStr, What};
use crate::micros::Micros;

/// How much earlier than the line before it a line may be. A CPU stamps a line before it puts it
/// into the log (`kernel/printk/printk.c`, `vprintk_store()`), so another CPU may come between.
pub const SKEW: Micros = Micros(100_000);

/// The longest there is: 100 jiffies a second.
const JIFFY: Micros = Micros(10_000);

/// The events so far, as far as they bear on the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    hasher: RandomState,
    /// The latest time so far.
    time: Micros,
    /// The events that are not earlier than that by more than [`SKEW`].
    recent: HashSet<u64>,
    queue: VecDeque<(Micros, u64)>,
    /// The last event of each init function, and of each task that waits.
    last: HashMap<SmolStr, u64>,
    /// The init functions that lines say have been called, and the tasks that have begun to wait.
    called: HashSet<SmolStr>,
    /// The call that each task is in, if any, from the first that has been seen of it.
    calls: BTreeMap<u32, Option<(Call, SmolStr)>>,
}

impl Order {
    /// Takes the next event. Time does not run backwards, an event comes once, and a task is in one
    /// call at a time.
    pub(super) fn take(&mut self, event: &Event) -> Result<(), Reason> {
        if self.time - event.time > SKEW {
            return Err(Reason::OutOfOrder(self.time));
        }
        self.time = self.time.max(event.time);
        while let Some((time, gone)) = self.queue.front() {
            if self.time - *time <= SKEW {
                break;
            }
            self.recent.remove(gone);
            self.queue.pop_front();
        }
        self.once(event)?;
        match &event.what {
            What::CallBegan { call, on, pid, .. } => {
                let within = self.calls.insert(*pid, Some((*call, on.clone())));
                if within.flatten().is_some() {
                    return Err(Reason::InACall(*pid));
                }
            }
            What::CallReturned { call, on, pid, .. } => {
                // The log may begin within a call.
                let begun = self.calls.insert(*pid, None);
                if begun.is_some_and(|begun| begun != Some((*call, on.clone()))) {
                    return Err(Reason::NotCalled(*pid));
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn once(&mut self, event: &Event) -> Result<(), Reason> {
        let hash = self.hasher.hash_one(event);
        let may_repeat = self.may_repeat(event, hash);
        self.queue.push_back((event.time, hash));
        // Consoles that print block by block, and daemons that quote the log, go back in time.
        let is_known = !self.recent.insert(hash);
        match is_known && (event.time < self.time || !may_repeat) {
            true => Err(Reason::Twice),
            false => Ok(()),
        }
    }

    /// Whether an event that is there twice at one time may have happened twice: the clock of an
    /// early boot stands still, and without another one it has the grain of a jiffy for good
    /// (`kernel/time/sched_clock.c`).
    fn may_repeat(&mut self, event: &Event, hash: u64) -> bool {
        let What::Initcall(initcall) = &event.what else {
            return false;
        };
        let (of, took) = match initcall {
            Initcall::Calling { function, .. } => (function.text.clone(), None),
            Initcall::Returned { function, took, .. } => (function.text.clone(), Some(*took)),
            Initcall::Waiting { pid } => (pid.to_string().into(), None),
            Initcall::Continuing { pid, took } => (pid.to_string().into(), Some(*took)),
            // A device whose probe is deferred at once is tried again within the same microsecond,
            // or jiffy. Two probes that take longer cannot end together: they hold its lock.
            Initcall::Probed { took, .. } => {
                let is_jiffy = event.time.0 % 1000 == 0;
                return *took == Micros(0) || is_jiffy && *took < JIFFY;
            }
            _ => return false,
        };
        if took.is_none() {
            self.called.insert(of.clone());
        }
        // `dmesg | grep returned` has no calls between.
        let without_calls = took == Some(Micros(0)) && !self.called.contains(&of);
        // Different files may have init functions of one name, and a task may wait again: called
        // after it has returned it is another.
        self.last.insert(of, hash) != Some(hash) || without_calls
    }
}
