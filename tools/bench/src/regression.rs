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
    use crate::benchmark::{Group, Size, Wall};
    use crate::cost::{Cost, Language, Twins};
    use crate::identity::tests::identity;
    use crate::measured::{Idle, OwnRmmod, Row};
    use crate::{Bus, Design};

    fn benchmark() -> Benchmark {
        let mut benchmark = Benchmark::new(identity());
        benchmark.groups = vec![Group {
            devices: 64,
            idle: Some(Idle {
                insmod_ns: 900_000,
                rmmod_ns: 8_000_000,
            }),
            cold: None,
            rows: vec![Row {
                design: Design::Bus(Bus::Sync),
                devices: 64,
                firmware_ms: 2000,
                insmod_ns: 5_000_000,
                arrival_ns: None,
                bound_ns: 2_000_000_000,
                bound: 64,
                slowest_ns: 2_000_000_000,
                at_once: 64,
                other_insmod_ns: 1000,
                other_rmmod_ns: 1000,
                own_rmmod: OwnRmmod::Ns(1000),
            }],
        }];
        benchmark.costs = vec![Cost {
            twins: Twins::Bus,
            language: Language::Rust,
            devices: 10,
            add_ns: 48_000,
            match_ns: 24,
            bind_ns: 16_835,
            unbind_ns: 13_834,
            remove_ns: 48_000,
            device_bytes: 1500,
            bound_bytes: 100,
        }];
        benchmark.sizes = vec![Size {
            module: "async_probe".into(),
            text: 20_000,
            data: 3000,
            bss: 0,
        }];
        benchmark
    }

    fn regressions(change: impl FnOnce(&mut Benchmark)) -> Vec<String> {
        let mut new = benchmark();
        change(&mut new);
        let comparison = compare(&benchmark(), &new).unwrap();
        assert_eq!((comparison.common, comparison.missing), (18, 0));
        comparison
            .regressions
            .iter()
            .map(ToString::to_string)
            .collect()
    }

    #[test]
    fn the_same() {
        assert!(regressions(|_| {}).is_empty());
    }

    #[test]
    fn two_percent() {
        assert_eq!(
            regressions(|new| new.costs[0].bind_ns = 16_835 * 102 / 100),
            ["costs, bus rust 10 devices, bind_ns: 16835 -> 17171 (+2.0 %)"]
        );
        assert_eq!(
            regressions(|new| new.sizes[0].bss = 1),
            ["sizes, async_probe, bss: 0 -> 1"]
        );
    }

    #[test]
    fn a_tick_is_none() {
        let own_rmmod = |ns| regressions(|new| new.groups[0].rows[0].own_rmmod = OwnRmmod::Ns(ns));
        assert!(own_rmmod(4_001_000).is_empty());
        assert_eq!(
            own_rmmod(4_001_200),
            ["groups, 64 devices, rows, sync 64 devices, own_rmmod, ns: 1000 -> 4001200 (+400020.0 %)"]
        );
        let bound = |ns| regressions(|new| new.groups[0].rows[0].bound_ns = ns);
        assert!(bound(2_200_000_000).is_empty());
        assert_eq!(bound(2_210_000_000).len(), 1);
    }

    #[test]
    fn up_to_one_percent_is_none() {
        assert!(regressions(|new| new.costs[0].unbind_ns = 13_834 * 101 / 100).is_empty());
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
        assert_eq!((comparison.common, comparison.missing), (15, 3));
    }
}
