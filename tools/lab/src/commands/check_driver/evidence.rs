// SPDX-License-Identifier: GPL-2.0

//! What is seen of a driver, and what a fault is.

use std::collections::BTreeMap;

use lifecycle::Life;
use serde::Serialize;

use super::laws::Law;
use super::life::Life as Told;
use super::symbols::Symbols;
use crate::console::Splat;

/// So many files, devices and lines are named.
pub(crate) const NAMED: usize = 6;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    /// The law that is broken.
    pub law: Option<&'static str>,
    /// The fault, in a sentence.
    pub what: String,
    /// Where it is seen, line by line.
    pub seen: Vec<String>,
}

impl Fault {
    pub(crate) fn new(what: impl Into<String>, seen: Vec<String>) -> Self {
        Self {
            law: None,
            what: what.into(),
            seen,
        }
    }
}

/// All that is seen of a driver.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub module: &'a str,
    /// What the guest has told.
    pub told: &'a Told,
    /// The parts that are recorded.
    pub parts: &'a BTreeMap<&'a str, Life>,
    pub laws: &'a [Law],
    /// What the kernel has complained about.
    pub splats: &'a [Splat],
    /// The tasks that are blocked, where a step has not ended.
    pub blocked: Vec<String>,
    /// Where the functions of the module are.
    pub symbols: &'a Symbols,
}

#[cfg(test)]
impl<'a> Evidence<'a> {
    /// Nothing but what the guest has told.
    pub(crate) fn told(module: &'a str, told: &'a Told, symbols: &'a Symbols) -> Self {
        static NO_PARTS: BTreeMap<&str, Life> = BTreeMap::new();
        Self {
            module,
            told,
            parts: &NO_PARTS,
            laws: &[],
            splats: &[],
            blocked: vec![],
            symbols,
        }
    }
}
