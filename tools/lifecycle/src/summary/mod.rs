// SPDX-License-Identifier: GPL-2.0

//! What a life comes to: drivers, calls, and what decided how long it took.

mod path;

use serde::{Deserialize, Serialize};

use crate::life::wave::covered;
use crate::life::{Kind, Life, Total, Wave};
use crate::parse::log::{Log, Source};
use crate::{Micros, Probing};
pub use path::{Path, Step};

/// The version of this format, and of the life in it.
pub use crate::life::VERSION;

/// All that is known of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`VERSION`].
    pub version: u32,
    /// The log's name.
    pub name: String,
    /// What is in it.
    pub sources: Vec<Source>,
    /// The release of the kernel, if the log says so.
    pub kernel: Option<String>,
    /// All probes together.
    pub total: Total,
    /// The probes that belong together, in the order in which they began.
    pub waves: Vec<Wave>,
    /// What was called, in the order in which it began.
    pub calls: Vec<Call>,
    /// What decided when the longest of it all ended.
    pub path: Option<Path>,
    /// All of it. What is above refers to its spans.
    pub life: Life,
}

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

impl Summary {
    /// Sums a log up.
    pub fn of(name: &str, log: Log) -> Self {
        let life = Life::new(log.events, Probing::Once);
        let probes: Vec<usize> = life.spans_of(Kind::Probe).collect();
        let waves = life.waves();
        let calls = calls(&life);
        let path = path::path(&life, &waves, &calls);
        Self {
            version: VERSION,
            name: name.to_owned(),
            sources: log.sources,
            kernel: log.kernel,
            total: Total::of(&life, &probes),
            waves,
            calls,
            path,
            life,
        }
    }
}

/// What a span is called, if it is a call.
fn name(life: &Life, span: usize) -> Option<String> {
    let of = &life.spans[span];
    let outermost = life.bar_around(span).is_none();
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

fn calls(life: &Life) -> Vec<Call> {
    let mut calls: Vec<Call> = (0..life.spans.len())
        .filter_map(|span| {
            let what = name(life, span)?;
            let of = &life.spans[span];
            let end = life.end_of(span);
            let mut waits: Vec<(Micros, Micros)> = life
                .waits
                .iter()
                .filter(|wait| wait.task == of.task && of.begin <= wait.begin)
                .map(|wait| (wait.begin, wait.end.unwrap_or(life.end)))
                .filter(|(_, until)| *until <= end)
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
