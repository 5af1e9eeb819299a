// SPDX-License-Identifier: GPL-2.0

//! The end of a recording: how much the kernel has counted.

use std::collections::BTreeMap;

use super::trace::{definition, Trace};
use crate::event::definitions::{DEFINITIONS, WATCHES};
use crate::event::point::{Definition, Point};
use crate::parse::number::digits;
use crate::parse::refusal::Reason;

/// What the kernel counted.
#[derive(Default)]
pub(super) struct Tally {
    /// Some of the points were not recorded.
    pub(super) some: bool,
    cpus: BTreeMap<u32, u64>,
    hits: BTreeMap<String, u64>,
}

impl Tally {
    pub(super) fn begun(&self) -> bool {
        !self.cpus.is_empty()
    }

    pub(super) fn line(&mut self, line: &str) -> Result<(), Reason> {
        let mut words = line.split(' ');
        let mut value = |key: &str| {
            words
                .next()
                .and_then(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        if line.starts_with("cpu=") {
            let cpu = value("cpu").and_then(digits::<u32>);
            let counts = ["entries", "overrun", "commit_overrun", "dropped"];
            let counts = counts.map(|key| value(key).and_then(digits::<u64>));
            let (Some(cpu), [Some(entries), Some(a), Some(b), Some(c)]) = (cpu, counts) else {
                return Err(Reason::Expected("what a CPU counted"));
            };
            if [a, b, c] != [0; 3] {
                return Err(Reason::Lost);
            }
            if !self.hits.is_empty() || self.cpus.insert(cpu, entries).is_some() {
                return Err(Reason::Expected("each CPU once"));
            }
        } else {
            let event = value("event").map(str::to_owned);
            let mut number = |key| value(key).and_then(digits::<u64>);
            let (hits, missed) = (number("hits"), number("missed"));
            let (Some(event), Some(hits), Some(missed)) = (event, hits, missed) else {
                return Err(Reason::Expected("what a kprobe counted"));
            };
            // What is filtered is a timer of the kernel's own most of the time.
            if missed != 0 && !definition(&event).is_some_and(Definition::is_filtered) {
                return Err(Reason::Missed { event, missed });
            }
            if !self.begun() || self.hits.insert(event, hits).is_some() {
                return Err(Reason::Expected("each event once"));
            }
        }
        if words.next().is_some() {
            return Err(Reason::Expected("the end of the line"));
        }
        Ok(())
    }

    /// What is there is what was counted.
    pub(super) fn compare(&self, trace: &Trace) -> Result<(), Reason> {
        let count = |what: &str, expected, found| match expected == found {
            true => Ok(()),
            false => Err(Reason::Count {
                what: what.to_owned(),
                expected,
                found,
            }),
        };
        let all = trace.cpus.values().sum();
        let (there, written) = trace
            .written
            .ok_or(Reason::Expected("the numbers of entries"))?;
        count("entries", there, all)?;
        if there != written {
            return Err(Reason::Lost);
        }
        for cpu in self.cpus.keys().chain(trace.cpus.keys()) {
            let of = |cpus: &BTreeMap<u32, u64>| cpus.get(cpu).copied().unwrap_or(0);
            count(&format!("CPU {cpu}"), of(&self.cpus), of(&trace.cpus))?;
        }
        for event in DEFINITIONS.iter().flat_map(Definition::events) {
            let found = trace.events_of.get(&event).copied().unwrap_or(0);
            let hits = self.hits.get(&event).copied();
            // Without probes there is nothing to be told.
            if hits.is_none() && (!self.some || event == Point::Probe.definition().event) {
                return Err(Reason::Count {
                    what: event,
                    expected: 0,
                    found,
                });
            }
            count(&event, hits.unwrap_or(0), found)?;
        }
        // A recording of a checked driver has these too. A filter leaves some of the hits out.
        for (watch, event) in WATCHES
            .iter()
            .flat_map(|of| of.events().map(move |event| (of, event)))
        {
            let found = trace.events_of.get(&event).copied().unwrap_or(0);
            match self.hits.get(&event).copied() {
                Some(hits) if watch.is_filtered() && found < hits => {}
                hits => count(&event, hits.unwrap_or(0), found)?,
            }
        }
        let unknown = self.hits.keys().find(|event| definition(event).is_none());
        unknown.map_or(Ok(()), |event| Err(Reason::UnknownEvent(event.clone())))
    }
}
