// SPDX-License-Identifier: GPL-2.0

//! Probes of one driver that belong together.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::Total;
use crate::life::{Kind, Life};
use crate::Micros;

/// Probes of one driver, of which each was asked for before all the others had ended: those that a
/// registration sets off, mostly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Name of the driver, if the log has it.
    pub driver: Option<String>,
    /// When the registration of the driver was called, if that set it off; else when the first
    /// device began to wait, or its probe if that is not known.
    pub begin: Micros,
    /// The spans of the probes, in the order in which they began.
    pub probes: Vec<usize>,
    /// Their sums.
    pub total: Total,
    /// From the beginning until the last probe has ended; none while one is under way.
    pub until_bound: Option<Micros>,
    /// The longest probe that has ended.
    pub slowest: Micros,
    /// The parallel efficiency: the slowest probe over the time until all are bound. 1 is what no
    /// scheduling can beat. To four decimals.
    pub efficiency: Option<f64>,
}

/// The spans of how long each probe was waited for, by the span of the probe.
pub(super) fn waiting(life: &Life) -> HashMap<usize, usize> {
    let ends: HashMap<_, _> = life
        .spans_of(Kind::Waiting)
        .map(|span| {
            let of = &life.spans[span];
            ((of.device, of.end), span)
        })
        .collect();
    life.spans_of(Kind::Probe)
        .filter_map(|probe| {
            let of = &life.spans[probe];
            Some((probe, *ends.get(&(of.device, Some(of.begin)))?))
        })
        .collect()
}

/// All waves, in the order in which they began.
pub(super) fn waves(life: &Life) -> Vec<Wave> {
    let waiting = waiting(life);
    let asked = |probe: usize| {
        let waiting = waiting.get(&probe).map(|span| life.spans[*span].begin);
        waiting.unwrap_or(life.spans[probe].begin)
    };
    let mut by_driver: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for probe in life.spans_of(Kind::Probe) {
        let driver = life.spans[probe].driver.as_deref();
        by_driver.entry(driver).or_default().push(probe);
    }
    let mut waves = Vec::new();
    for (driver, mut probes) in by_driver {
        probes.sort_by_key(|probe| (life.spans[*probe].begin, *probe));
        let mut of_wave: Vec<usize> = Vec::new();
        let mut until = Micros(0);
        for probe in probes {
            if !of_wave.is_empty() && until < asked(probe) {
                waves.push(wave(life, driver, std::mem::take(&mut of_wave), asked));
            }
            until = until.max(life.end_of(probe));
            of_wave.push(probe);
        }
        if !of_wave.is_empty() {
            waves.push(wave(life, driver, of_wave, asked));
        }
    }
    waves.sort_by_key(|wave| (wave.begin, wave.probes.first().copied()));
    waves
}

fn wave(
    life: &Life,
    driver: Option<&str>,
    probes: Vec<usize>,
    asked: impl Fn(usize) -> Micros,
) -> Wave {
    let first = probes.iter().map(|probe| asked(*probe)).min();
    let first = first.unwrap_or_default();
    let registration = life
        .spans_of(Kind::Register)
        .filter(|span| life.spans[*span].driver.as_deref() == driver)
        .filter(|span| life.spans[*span].begin <= first && first <= life.end_of(*span))
        .map(|span| life.spans[span].begin)
        .max();
    let begin = registration.unwrap_or(first);
    let ends: Option<Vec<Micros>> = probes.iter().map(|span| life.spans[*span].end).collect();
    let last = ends.and_then(|ends| ends.into_iter().max());
    let until_bound = last.map(|last| last - begin);
    let ended = probes
        .iter()
        .filter(|span| life.spans[**span].end.is_some());
    let slowest = ended
        .map(|span| life.length(*span))
        .max()
        .unwrap_or_default();
    Wave {
        driver: driver.map(str::to_owned),
        begin,
        total: Total::of(life, &probes),
        until_bound,
        slowest,
        efficiency: until_bound
            .filter(|until| *until > Micros(0))
            .map(|until| four_decimals(slowest.as_f64() / until.as_f64())),
        probes,
    }
}

/// What microseconds are good for.
fn four_decimals(ratio: f64) -> f64 {
    (ratio * 10_000.0).round() / 10_000.0
}
