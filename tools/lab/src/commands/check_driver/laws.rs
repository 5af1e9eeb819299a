// SPDX-License-Identifier: GPL-2.0

//! What the laws say of all parts of a driver's life.

use std::collections::BTreeMap;

use lifecycle::laws::{judge, Verdict};
use serde::Serialize;

/// A law, and what has come of it.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Law {
    pub law: &'static str,
    /// How many cases there were in which it was kept.
    pub cases: usize,
    /// How it was broken, with the events, and in which recording.
    pub broken: Option<String>,
}

/// Holds each part against all laws, and adds up.
pub(crate) fn judge_all(lives: &BTreeMap<&str, lifecycle::Life>) -> Vec<Law> {
    let mut laws: BTreeMap<&'static str, Law> = BTreeMap::new();
    // The plain life is the simplest to read.
    let (load, others): (Vec<_>, Vec<_>) = lives.iter().partition(|(part, _)| **part == "load");
    for (part, life) in load.into_iter().chain(others) {
        for (law, verdict) in judge(life) {
            let of = laws.entry(law).or_insert(Law {
                law,
                cases: 0,
                broken: None,
            });
            match verdict {
                Verdict::Kept(cases) => of.cases += cases,
                Verdict::NoCase | Verdict::CannotBeSeen(_) => {}
                Verdict::Broken(violation) => {
                    let broken = format!("in {part}.txt: {violation}");
                    of.broken.get_or_insert(broken);
                }
            }
        }
    }
    laws.into_values().collect()
}
