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
    pub fn of(a: &Summary, b: &Summary) -> Self {
        let mut in_a = facts(a);
        let mut compared = 0;
        let mut changes = Vec::new();
        for (key, b) in facts(b) {
            let a = in_a.remove(&key);
            compared += usize::from(a.is_some());
            if a.as_ref() != Some(&b) {
                changes.push(Change {
                    of: key.0,
                    what: key.1,
                    a,
                    b: Some(b),
                });
            }
        }
        changes.extend(in_a.into_iter().map(|((of, what), a)| Change {
            of,
            what,
            a: Some(a),
            b: None,
        }));
        // Of what is in one of them only, one fact will do.
        let mut alone = std::collections::BTreeSet::new();
        changes.retain(|change| {
            !change.is_alone() || alone.insert((change.of.clone(), change.a.is_none()))
        });
        changes.sort_by(|one, other| {
            let key = |change: &Change| {
                let size = std::cmp::Reverse(change.time().unwrap_or_default());
                (
                    !change.is_alone(),
                    size,
                    change.of.clone(),
                    change.what.clone(),
                )
            };
            key(one).cmp(&key(other))
        });
        Self {
            version: VERSION,
            a: a.name.clone(),
            b: b.name.clone(),
            compared,
            changes,
        }
    }
}

/// Facts by what they are about.
type Facts = BTreeMap<(String, String), Value>;

/// Counts what has the same name.
#[derive(Default)]
struct Names(BTreeMap<String, usize>);

impl Names {
    /// `name`, `name (2)`, `name (3)` and so on.
    fn nth(&mut self, name: String) -> String {
        let count = self.0.entry(name.clone()).or_default();
        *count += 1;
        match *count {
            1 => name,
            count => format!("{name} ({count})"),
        }
    }
}

/// All that is compared.
fn facts(summary: &Summary) -> Facts {
    let mut facts = Facts::new();
    let mut put = |of: &str, what: &str, value: Value| {
        facts.insert((of.to_owned(), what.to_owned()), value);
    };
    let number = |number: usize| Value::Number(number as u64);

    let total = summary.total;
    put("all probes", "number", number(total.probes));
    put("all probes", "sum", Value::Time(total.sum));
    put("all probes", "in time", Value::Time(total.covered));
    put("all probes", "at once", number(total.at_once));

    let mut names = Names::default();
    for wave in &summary.waves {
        let of = names.nth(format!("driver {}", wave.driver));
        put(&of, "bound", number(wave.total.bound));
        put(&of, "failed", number(wave.total.failed));
        put(&of, "at once", number(wave.total.at_once));
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
        put(
            &of,
            "ms",
            Value::Time(wait.end.unwrap_or(life.end) - wait.begin),
        );
        if let Some(last) = wait.on.last() {
            let last = life.spans[*last].on.clone();
            put(&of, "decided by", Value::Word(last));
        }
    }
    facts
}
