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
    let mut open: HashMap<u32, (&Symbol, usize)> = HashMap::new();
    for (at, event) in events.iter().enumerate() {
        let What::Initcall(initcall) = &event.what else {
            continue;
        };
        let left = match initcall {
            Initcall::Calling { function, pid } => open.insert(*pid, (function, at)),
            Initcall::RunInit { .. } => open.remove(&1),
            Initcall::Returned { function, .. } => {
                let of_function = open.iter().filter(|(_, (of, _))| *of == function);
                let last = of_function.max_by_key(|(_, (_, called))| *called);
                match last.map(|(pid, _)| *pid) {
                    Some(pid) => _ = open.remove(&pid),
                    None => halves.uncalled.push(at),
                }
                continue;
            }
            _ => continue,
        };
        halves
            .unreturned
            .extend(left.map(|(_, called)| (at, called)));
    }
    halves
}
