// SPDX-License-Identifier: GPL-2.0

//! Init functions and async work of which a log lacks the line that says when they began, or when
//! they ended. A task is in one init function at a time, and task 1 in none when it runs init.

use std::collections::HashMap;

use super::{is_attach_helper, Event, Initcall, Symbol, What};

/// What a log lacks a line of.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    /// The events at which a function returns that was not called.
    pub(crate) uncalled: Vec<usize>,
    /// The calls of functions that do not return, by the event at which their task has left them.
    pub(crate) unreturned: HashMap<usize, usize>,
    /// The events at which async work ends that has not begun.
    pub(crate) unbegun: Vec<usize>,
    /// The events at which async work, or a wait for it, begins that does not end, though its task
    /// goes on with the next, or init runs.
    pub(crate) unended: Vec<usize>,
}

/// Finds them.
pub(crate) fn halves(events: &[Event]) -> Halves {
    let mut halves = Halves::default();
    // What each task is in, and where it was called.
    let mut open: HashMap<u32, usize> = HashMap::new();
    // The calls of each function, with those that their tasks have left.
    let mut called: HashMap<&Symbol, Vec<(u32, usize)>> = HashMap::new();
    // The async work that each task does, and where it began; and the wait that it is in.
    let mut works: HashMap<u64, (u32, usize)> = HashMap::new();
    let mut busy: HashMap<u32, u64> = HashMap::new();
    let mut waiting: HashMap<u32, usize> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        let What::Initcall(initcall) = &event.what else {
            continue;
        };
        let left = match initcall {
            Initcall::Calling { function, pid } => {
                called.entry(function).or_default().push((*pid, at));
                open.insert(*pid, at)
            }
            Initcall::RunInit { .. } => {
                // It has waited for the driver core's functions (`init/main.c`, `kernel_init()`).
                works.retain(|_, (_, at)| {
                    let is_lost = is_helper(&events[*at]);
                    halves.unended.extend(is_lost.then_some(*at));
                    !is_lost
                });
                halves.unended.extend(waiting.remove(&1));
                open.remove(&1)
            }
            Initcall::Returned { function, .. } => {
                let calls = called.entry(function).or_default();
                let mut last = std::iter::from_fn(|| calls.pop());
                match last.find(|(pid, called)| open.get(pid) == Some(called)) {
                    Some((pid, _)) => _ = open.remove(&pid),
                    None => halves.uncalled.push(at),
                }
                continue;
            }
            Initcall::WorkBegan { cookie, pid, .. } => {
                let lost = busy.insert(*pid, *cookie);
                let lost = lost.and_then(|lost| works.remove(&lost));
                halves.unended.extend(lost.map(|(_, at)| at));
                works.insert(*cookie, (*pid, at));
                continue;
            }
            Initcall::WorkEnded { cookie, .. } => {
                match works.remove(cookie) {
                    Some((pid, _)) => _ = busy.remove(&pid),
                    None => halves.unbegun.push(at),
                }
                continue;
            }
            Initcall::Waiting { pid } => {
                halves.unended.extend(waiting.insert(*pid, at));
                continue;
            }
            Initcall::Continuing { pid, .. } => {
                waiting.remove(pid);
                continue;
            }
            _ => continue,
        };
        halves.unreturned.extend(left.map(|called| (at, called)));
    }
    halves
}

/// Whether one of the driver core's helpers begins.
fn is_helper(event: &Event) -> bool {
    match &event.what {
        What::Initcall(Initcall::WorkBegan { function, .. }) => {
            is_attach_helper(function.function())
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::log::parse;

    fn lines(lines: &[&str]) -> Halves {
        let numbered = lines.iter().enumerate();
        let log: String = numbered
            .map(|(at, line)| format!("[    {at}.000000] {line}\n"))
            .collect();
        halves(&parse(&log, None).unwrap().events)
    }

    #[test]
    fn what_must_have_ended() {
        const HELPER: &str = "calling  1___driver_attach_async_helper+0x0/0x10 @ 31";
        const WORK: &str = "calling  2_work+0x0/0x10 @ 32";
        const RUN: &str = "Run /init as init process";
        let waits = ["async_waiting @ 1", "async_waiting @ 1"];
        assert_eq!(lines(&[&waits[..], &[RUN]].concat()).unended, [0, 1]);
        assert!(lines(&[HELPER, WORK, waits[0]]).unended.is_empty());
        // A work in another domain may go on when init runs.
        assert_eq!(lines(&[HELPER, WORK, RUN]).unended, [0]);
        assert_eq!(lines(&[WORK, "calling  3_work+0x0/0x10 @ 32"]).unended, [0]);
        let ended = "initcall 2_work+0x0/0x10 returned after 999999 usecs";
        let halves = lines(&[WORK, ended, "calling  3_work+0x0/0x10 @ 32", ended]);
        assert_eq!((halves.unended.len(), halves.unbegun), (0, vec![3]));
    }
}
