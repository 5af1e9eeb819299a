// SPDX-License-Identifier: GPL-2.0

//! Calls: what was asked of the kernel from outside.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use crate::life::wave::covered;
use crate::life::{Kind, Life};
use crate::Micros;

/// Something that was called: a module's init, an initcall, a system call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// What, in words: `insmod of slow_bus`.
    pub what: String,
    /// Its span.
    pub span: usize,
    /// How long it took; until the end of the log if it has not returned.
    pub took: Micros,
    /// How much of that it waited for others.
    pub waited: Micros,
}

/// What a span is called, if it is a call.
pub(super) fn name(life: &Life, span: usize) -> Option<String> {
    let of = &life.spans[span];
    // Nothing is known to be in another call of a task that is not known.
    let outermost = life.pid_of(of).is_none() || life.bar_around(span).is_none();
    Some(match of.kind {
        Kind::Init => format!("insmod of {}", of.on),
        Kind::Rmmod => format!("rmmod of {}", of.on),
        Kind::Boot => format!("boot until {}", of.on),
        Kind::Call(call) => format!("{call} of {}", of.on),
        // What is in a call is a part of it.
        Kind::Initcall if outermost => format!("initcall {}", of.on),
        Kind::Bind if outermost => format!("bind of {}", of.on),
        Kind::Attach if outermost => format!("attach of {}", of.on),
        Kind::Release if outermost => format!("unbind of {}", of.on),
        _ => return None,
    })
}

pub(super) fn calls(life: &Life) -> Vec<Call> {
    // In the order in which they begin.
    let mut waits: HashMap<Option<usize>, Vec<(Micros, Micros)>> = HashMap::new();
    for wait in &life.waits {
        let times = (wait.begin, wait.end.unwrap_or(life.end));
        waits.entry(wait.task).or_default().push(times);
    }
    let mut calls: Vec<Call> = (0..life.spans.len())
        .filter_map(|span| {
            let what = name(life, span)?;
            let of = &life.spans[span];
            let end = life.end_of(span);
            let waits = waits.get(&of.task).map_or(&[][..], Vec::as_slice);
            let first = waits.partition_point(|(begin, _)| *begin < of.begin);
            let mut waits: Vec<(Micros, Micros)> = waits[first..]
                .iter()
                .take_while(|(begin, _)| *begin <= end)
                .filter(|(_, until)| *until <= end)
                .copied()
                .collect();
            Some(Call {
                what,
                span,
                took: life.length(span),
                waited: covered(&mut waits),
            })
        })
        .collect();
    calls.sort_by_key(|call| (life.spans[call.span].begin, call.span));
    calls
}
