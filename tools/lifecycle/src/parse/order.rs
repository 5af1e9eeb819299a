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

/// The events so far, as far as they bear on the next.
#[derive(Clone, Debug, Default)]
pub(super) struct Order {
    hasher: RandomState,
    /// The latest time so far.
    time: Micros,
    /// The events that are not earlier than that by more than [`SKEW`].
    recent: HashSet<u64>,
    queue: VecDeque<(Micros, u64)>,
    /// The last event of each init function, of those at the same time as the last of them.
    initcalls: HashMap<SmolStr, u64>,
    initcalls_at: Micros,
    /// The init functions that lines say have been called.
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
        let again = match &event.what {
            // Different files may have init functions of one name, and the clock of an early boot
            // stands still: called after it has returned it is another.
            What::Initcall(
                Initcall::Calling { function, .. } | Initcall::Returned { function, .. },
            ) => {
                if self.initcalls_at != event.time {
                    self.initcalls.clear();
                    self.initcalls_at = event.time;
                }
                let took = match &event.what {
                    What::Initcall(Initcall::Returned { took, .. }) => *took,
                    _ => {
                        self.called.insert(function.text.clone());
                        Micros(0)
                    }
                };
                // `dmesg | grep returned` has no calls between.
                let may_be_two = took == Micros(0) && !self.called.contains(&function.text);
                self.initcalls.insert(function.text.clone(), hash) == Some(hash) && !may_be_two
            }
            // A device whose probe is deferred at once is tried again within the same microsecond,
            // or jiffy. Two probes that take their time cannot end together: they hold its lock.
            What::Initcall(Initcall::Probed { took, .. }) if *took == Micros(0) => false,
            _ => {
                self.queue.push_back((event.time, hash));
                !self.recent.insert(hash)
            }
        };
        if again {
            return Err(Reason::Twice);
        }
        Ok(())
    }
}
