// SPDX-License-Identifier: GPL-2.0

//! What is different between two logs.
//!
//! What is compared has a name in both: the second probe of a device, the first insmod of a module.
//! Workers, processors and places in memory are not compared: they are the kernel's business, and
//! where they matter times differ.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::life::Kind;
use crate::summary::Summary;
use crate::{errno, Micros};

/// The version of this format.
pub const VERSION: u32 = 1;

/// All differences.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Diff {
    /// [`VERSION`].
    pub version: u32,
    /// The name of one log.
    pub a: String,
    /// The name of the other.
    pub b: String,
    /// How much was compared.
    pub compared: usize,
    /// What is different: first what is only in one of them, then by the size of the difference.
    pub changes: Vec<Change>,
}

/// One difference.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// Of what: `probe of slow.0`.
    pub of: String,
    /// What about it: `ms`, `order`, `result`.
    pub what: String,
    /// What it is in the one log.
    pub a: Option<Value>,
    /// What it is in the other.
    pub b: Option<Value>,
}

/// What is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Value {
    /// A time.
    Time(Micros),
    /// A number.
    Number(u64),
    /// A ratio.
    Ratio(f64),
    /// A word.
    Word(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => time.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Ratio(ratio) => f.pad(&format!("{ratio:.4}")),
            Self::Word(word) => f.pad(word),
        }
    }
}

impl Change {
    /// How large a difference in time is.
    pub fn time(&self) -> Option<Micros> {
        match (&self.a, &self.b) {
            (Some(Value::Time(a)), Some(Value::Time(b))) => Some(Micros(a.0.abs_diff(b.0))),
            _ => None,
        }
    }

    /// Whether it is in one of them only.
    pub fn is_alone(&self) -> bool {
        self.a.is_none() || self.b.is_none()
    }
}

impl Diff {
    /// Compares two logs.
    pub fn of(a: Facts, b: Facts) -> Self {
        let mut in_a = a.by_name;
        let mut compared = 0;
        let mut changes = Vec::new();
        let mut change = |of: &str, what: &'static str, a, b| {
            changes.push(Change {
                of: of.to_owned(),
                what: what.to_owned(),
                a,
                b,
            });
        };
        for (of, in_b) in b.by_name {
            let mut in_a = in_a.remove(&of).unwrap_or_default();
            for (what, b) in in_b {
                let a = in_a.iter().position(|(in_a, _)| *in_a == what);
                let a = a.map(|a| in_a.swap_remove(a).1);
                compared += usize::from(a.is_some());
                if a.as_ref() != Some(&b) {
                    change(&of, what, a, Some(b));
                }
            }
            for (what, a) in in_a {
                change(&of, what, Some(a), None);
            }
        }
        for (of, in_a) in in_a {
            for (what, a) in in_a {
                change(&of, what, Some(a), None);
            }
        }
        // Of what is in one of them only, one fact will do.
        changes.sort_by(|one, other| (&one.of, &one.what).cmp(&(&other.of, &other.what)));
        changes.dedup_by(|next, one| {
            next.is_alone()
                && one.is_alone()
                && next.of == one.of
                && next.a.is_none() == one.a.is_none()
        });
        changes.sort_by(|one, other| {
            let size = |change: &Change| std::cmp::Reverse(change.time().unwrap_or_default());
            let key = |change: &Change| (!change.is_alone(), size(change));
            key(one).cmp(&key(other))
        });
        Self {
            version: VERSION,
            a: a.name,
            b: b.name,
            compared,
            changes,
        }
    }
}

/// What is compared of a log, which takes less memory than the log's life.
pub struct Facts {
    /// The log's name.
    name: String,
    by_name: BTreeMap<String, Vec<(&'static str, Value)>>,
}

/// Counts what has the same name.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    /// `name`, `name (2)`, `name (3)` and so on.
    fn nth(&mut self, name: String) -> String {
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        match count {
            1 => name,
            count => format!("{name} ({count})"),
        }
    }
}

impl Facts {
    /// All that is compared.
    pub fn of(summary: &Summary) -> Self {
        let mut by_name: BTreeMap<String, Vec<(&'static str, Value)>> = BTreeMap::new();
        let mut put = |of: &str, what: &'static str, value: Value| {
            let facts = by_name.entry(of.to_owned()).or_default();
            facts.push((what, value));
        };
        let number = |number: usize| Value::Number(number as u64);
        let at_most = |is_most: bool, value: Value| match is_most {
            true => Value::Word(format!("at most {value}")),
            false => value,
        };

        let total = summary.total;
        put("all probes", "number", number(total.probes));
        put(
            "all probes",
            "sum",
            at_most(total.at_most, Value::Time(total.sum)),
        );
        put("all probes", "in time", Value::Time(total.covered));
        put(
            "all probes",
            "at once",
            at_most(total.at_most, number(total.at_once)),
        );

        let mut names = Names::default();
        for wave in &summary.waves {
            let of = names.nth(format!("driver {}", wave.driver));
            put(&of, "bound", number(wave.total.bound));
            put(&of, "failed", number(wave.total.failed));
            put(
                &of,
                "at once",
                at_most(wave.total.at_most, number(wave.total.at_once)),
            );
            if let Some(until_bound) = wave.until_bound {
                put(&of, "all bound", Value::Time(until_bound));
            }
            if let Some(efficiency) = wave.efficiency {
                put(&of, "efficiency", Value::Ratio(efficiency));
            }
        }

        let life = &summary.life;
        for call in &summary.calls {
            let of = names.nth(call.what.clone());
            put(&of, "ms", Value::Time(call.took));
            put(&of, "waited", Value::Time(call.waited));
            if let Some(ret) = life.spans[call.span].ret {
                put(&of, "result", Value::Word(errno::name(ret)));
            }
        }

        let mut spans: Vec<usize> = (0..life.spans.len()).collect();
        spans.sort_by_key(|span| (life.spans[*span].begin, *span));
        let mut order = 0;
        for span in spans {
            let of = &life.spans[span];
            let what = match of.kind {
                Kind::Probe => "probe of",
                Kind::Waiting => "waiting of",
                Kind::Firmware => "firmware of",
                Kind::SecondPhase => "second phase of",
                Kind::Remove => "remove of",
                _ => continue,
            };
            let Some(device) = of.device.map(|device| &life.devices[device].name) else {
                continue;
            };
            let name = names.nth(format!("{what} {device}"));
            put(&name, "ms", Value::Time(life.length(span)));
            if let Some(ret) = of.ret {
                put(&name, "result", Value::Word(errno::name(ret)));
            }
            if of.kind == Kind::Probe {
                order += 1;
                put(&name, "order", number(order));
                let how = match of.asynchronous {
                    Some(true) => "async",
                    Some(false) => "sync",
                    None => "?",
                };
                put(&name, "how", Value::Word(how.to_owned()));
            }
        }

        for wait in &life.waits {
            let of = names.nth(format!("wait of {}", wait.doing));
            put(&of, "through", Value::Word(wait.through.to_string()));
            let took = wait.end.unwrap_or(life.end) - wait.begin;
            put(&of, "ms", Value::Time(took));
            if let Some(last) = wait.on.last() {
                let last = life.spans[*last].on.clone();
                put(&of, "decided by", Value::Word(last));
            }
        }
        Self {
            name: summary.name.clone(),
            by_name,
        }
    }
}
