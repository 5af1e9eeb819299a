// SPDX-License-Identifier: GPL-2.0

//! What has become worse between two benchmarks.
//!
//! Figures are found in the JSON by the names of their fields, so that none can be forgotten.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::benchmark::Error;
use crate::Benchmark;

/// How much larger a figure may be, in parts of the old one.
const TOLERANCE: f64 = 0.01;

/// Parts in which two processors and the timer's tick have a hand. Their figures repeat exactly,
/// too, but a harmless change of the modules moves what comes later across a tick.
const IN_PARALLEL: [&str; 2] = ["bind", "groups"];

/// How much larger a figure of theirs may be, in parts of the old one, and in nanoseconds: a tick
/// at CONFIG_HZ=250.
const TOLERANCE_IN_PARALLEL: (f64, f64) = (0.10, 4e6);

/// Fields that say which of several things an object is about.
const KEYS: [&str; 6] = [
    "design", "twins", "language", "module", "devices", "command",
];

/// Fields that are figures, of which less is better, beside those that end in `_ns` or `_bytes`.
const FIGURES: [&str; 4] = ["ns", "text", "data", "bss"];

/// Not exact.
const INEXACT: &str = "wall";

/// A figure that has become worse.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Regression {
    /// What it is.
    pub figure: String,
    /// What it was.
    pub old: i64,
    /// What it is now.
    pub new: i64,
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { figure, old, new } = self;
        write!(f, "{figure}: {old} -> {new}")?;
        if *old != 0 {
            write!(f, " ({:+.1} %)", 100.0 * (new - old) as f64 / *old as f64)?;
        }
        Ok(())
    }
}

/// What came of a comparison.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Comparison {
    /// How many figures both have.
    pub common: usize,
    /// How many figures only the old one has.
    pub missing: usize,
    /// How many figures are smaller by more than the tolerance.
    pub better: usize,
    /// Those that are larger by more than the tolerance.
    pub regressions: Vec<Regression>,
}

/// Compares all exact figures.
///
/// # Errors
///
/// [`Error::Format`], which does not happen.
pub fn compare(old: &Benchmark, new: &Benchmark) -> Result<Comparison, Error> {
    let (old, new) = (figures(old)?, figures(new)?);
    let mut comparison = Comparison::default();
    for (figure, old) in old {
        let Some(&new) = new.get(&figure) else {
            comparison.missing += 1;
            continue;
        };
        comparison.common += 1;
        let allowed = allowed(&figure, old);
        let more = (new - old) as f64;
        if more > allowed {
            comparison.regressions.push(Regression { figure, old, new });
        } else if -more > allowed {
            comparison.better += 1;
        }
    }
    Ok(comparison)
}

/// How much larger or smaller a figure may be.
fn allowed(figure: &str, old: i64) -> f64 {
    let old = old.unsigned_abs() as f64;
    let part = figure.split(',').next().unwrap_or(figure);
    if IN_PARALLEL.contains(&part) {
        let (parts, tick) = TOLERANCE_IN_PARALLEL;
        old * parts + tick
    } else {
        old * TOLERANCE
    }
}

/// All exact figures by their names.
fn figures(benchmark: &Benchmark) -> Result<BTreeMap<String, i64>, Error> {
    let mut figures = BTreeMap::new();
    collect(&serde_json::to_value(benchmark)?, "", &mut figures);
    Ok(figures)
}

fn collect(value: &Value, path: &str, figures: &mut BTreeMap<String, i64>) {
    let join = |name: &str| match path {
        "" => name.to_owned(),
        _ => format!("{path}, {name}"),
    };
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                let is_figure = FIGURES.contains(&name.as_str())
                    || name.ends_with("_ns")
                    || name.ends_with("_bytes");
                match field {
                    Value::Number(number) if is_figure => {
                        figures.extend(number.as_i64().map(|number| (join(name), number)));
                    }
                    Value::Object(_) | Value::Array(_) if name != INEXACT => {
                        collect(field, &join(name), figures);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(elements) => {
            for element in elements {
                let key: Vec<String> = KEYS
                    .iter()
                    .filter_map(|key| match element.get(key)? {
                        Value::String(text) => Some(text.clone()),
                        Value::Number(number) => Some(format!("{number} {key}")),
                        _ => None,
                    })
                    .collect();
                collect(element, &join(&key.join(" ")), figures);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::tests::benchmark;
    use crate::benchmark::Wall;
    use crate::measured::OwnRmmod;

    /// As many figures the benchmark has.
    const COMMON: usize = 83;

    fn regressions(change: impl FnOnce(&mut Benchmark)) -> Vec<String> {
        let mut new = benchmark();
        change(&mut new);
        let comparison = compare(&benchmark(), &new).unwrap();
        assert_eq!((comparison.common, comparison.missing), (COMMON, 0));
        comparison
            .regressions
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn two_percent() {
        assert_eq!(
            regressions(|new| new.costs[0].bind_ns = 16_700 * 102 / 100),
            ["costs, bus c 10 devices, bind_ns: 16700 -> 17034 (+2.0 %)"]
        );
        assert_eq!(
            regressions(|new| new.sizes[0].bss = 17),
            ["sizes, async_probe, bss: 16 -> 17 (+6.2 %)"]
        );
        let mut old = benchmark();
        old.sizes[0].bss = 0;
        let comparison = compare(&old, &benchmark()).unwrap();
        let printed = comparison.regressions[0].to_string();
        assert_eq!(printed, "sizes, async_probe, bss: 0 -> 16");
    }

    #[test]
    fn a_tick_is_none() {
        const TICK: u64 = 4_000_000;
        let own_rmmod = |ns| regressions(|new| new.groups[0].rows[0].own_rmmod = OwnRmmod::Ns(ns));
        let limit = 131_500_000_000 * 11 / 10 + TICK;
        assert!(own_rmmod(limit).is_empty());
        assert_eq!(
            own_rmmod(limit + 1_000_000),
            [
                "groups, 4096 devices, rows, prefer_async_parameter 4096 devices, own_rmmod, ns: \
              131500000000 -> 144655000000 (+10.0 %)"
            ]
        );
        let bound = |ns| regressions(|new| new.groups[0].rows[0].bound_ns = ns);
        let limit = 132_131_000_000 * 11 / 10 + TICK;
        assert!(bound(limit).is_empty());
        assert_eq!(bound(limit + 1).len(), 1);
    }

    #[test]
    fn up_to_one_percent_is_none() {
        assert!(regressions(|new| new.costs[0].unbind_ns = 13_700 * 101 / 100).is_empty());
        assert!(regressions(|new| new.costs[0].unbind_ns = 13_000).is_empty());
    }

    #[test]
    fn wall_time_is_none() {
        assert!(regressions(|new| new.wall.push(Wall {
            command: "make run".into(),
            cold: false,
            seconds: 1e6,
        }))
        .is_empty());
    }

    #[test]
    fn what_is_missing_is_counted() {
        let mut new = benchmark();
        new.sizes.clear();
        let comparison = compare(&benchmark(), &new).unwrap();
        assert_eq!((comparison.common, comparison.missing), (COMMON - 9, 9));
    }
}
