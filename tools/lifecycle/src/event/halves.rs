// SPDX-License-Identifier: GPL-2.0

//! Init functions of which a log lacks the line that says when they were called, or when they
//! returned. A task is in one at a time, and task 1 in none when it runs init.

use std::collections::HashMap;

use super::{Event, Initcall, Symbol, What};

/// What a log lacks a line of.
#[derive(Debug, Default)]
pub(crate) struct Halves {
    /// The events at which a function returns that was not called.
    pub(crate) uncalled: Vec<usize>,
    /// The calls of functions that do not return, by the event at which their task has left them.
    pub(crate) unreturned: HashMap<usize, usize>,
}

/// Finds them.
pub(crate) fn halves(events: &[Event]) -> Halves {
    let mut halves = Halves::default();
    // What each task is in, and where it was called.
    let mut open: HashMap<u32, usize> = HashMap::new();
    // The calls of each function, with those that their tasks have left.
    let mut called: HashMap<&Symbol, Vec<(u32, usize)>> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        let What::Initcall(initcall) = &event.what else {
            continue;
        };
        let left = match initcall {
            Initcall::Calling { function, pid } => {
                called.entry(function).or_default().push((*pid, at));
                open.insert(*pid, at)
            }
            Initcall::RunInit { .. } => open.remove(&1),
            Initcall::Returned { function, .. } => {
                let calls = called.entry(function).or_default();
                let mut last = std::iter::from_fn(|| calls.pop());
                match last.find(|(pid, called)| open.get(pid) == Some(called)) {
                    Some((pid, _)) => _ = open.remove(&pid),
                    None => halves.uncalled.push(at),
                }
                continue;
            }
            _ => continue,
        };
        halves.unreturned.extend(left.map(|called| (at, called)));
    }
    halves
}
