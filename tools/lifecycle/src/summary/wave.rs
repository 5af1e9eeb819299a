// SPDX-License-Identifier: GPL-2.0

//! Probes of one driver that belong together.

use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::Total;
use crate::timeline::Kind;
use crate::{Micros, Timeline};

/// Probes of one driver, of which each was asked for before all the others had ended: those that a
/// registration sets off, mostly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Name of the driver, if the log has it.
    pub driver: Option<String>,
    /// When the registration of the driver was called, if that set it off; else when the first
    /// device began to wait, or its probe if that is not known.
    pub begin: Micros,
    /// The bars of the probes, in the order in which they began.
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

/// The bars of how long each probe was waited for, by the bar of the probe.
pub(super) fn waiting(timeline: &Timeline) -> HashMap<usize, usize> {
    let ends: HashMap<_, _> = timeline
        .bars_of(Kind::Waiting)
        .map(|bar| {
            let of = &timeline.bars[bar];
            ((of.device, of.end), bar)
        })
        .collect();
    timeline
        .bars_of(Kind::Probe)
        .filter_map(|probe| {
            let of = &timeline.bars[probe];
            Some((probe, *ends.get(&(of.device, Some(of.begin)))?))
        })
        .collect()
}

/// All waves, in the order in which they began.
pub(super) fn waves(timeline: &Timeline) -> Vec<Wave> {
    let waiting = waiting(timeline);
    let asked = |probe: usize| {
        let waiting = waiting.get(&probe).map(|bar| timeline.bars[*bar].begin);
        waiting.unwrap_or(timeline.bars[probe].begin)
    };
    let mut by_driver: BTreeMap<Option<&str>, Vec<usize>> = BTreeMap::new();
    for probe in timeline.bars_of(Kind::Probe) {
        let driver = timeline.bars[probe].driver.as_deref();
        by_driver.entry(driver).or_default().push(probe);
    }
    let mut waves = Vec::new();
    for (driver, mut probes) in by_driver {
        probes.sort_by_key(|probe| (timeline.bars[*probe].begin, *probe));
        let mut of_wave: Vec<usize> = Vec::new();
        let mut until = Micros(0);
        for probe in probes {
            if !of_wave.is_empty() && until < asked(probe) {
                waves.push(wave(timeline, driver, std::mem::take(&mut of_wave), asked));
            }
            until = until.max(timeline.end_of(probe));
            of_wave.push(probe);
        }
        if !of_wave.is_empty() {
            waves.push(wave(timeline, driver, of_wave, asked));
        }
    }
    waves.sort_by_key(|wave| (wave.begin, wave.probes.first().copied()));
    waves
}

fn wave(
    timeline: &Timeline,
    driver: Option<&str>,
    probes: Vec<usize>,
    asked: impl Fn(usize) -> Micros,
) -> Wave {
    let first = probes.iter().map(|probe| asked(*probe)).min();
    let first = first.unwrap_or_default();
    let registration = timeline
        .bars_of(Kind::Register)
        .filter(|bar| timeline.bars[*bar].driver.as_deref() == driver)
        .filter(|bar| timeline.bars[*bar].begin <= first && first <= timeline.end_of(*bar))
        .map(|bar| timeline.bars[bar].begin)
        .max();
    let begin = registration.unwrap_or(first);
    let ends: Option<Vec<Micros>> = probes.iter().map(|bar| timeline.bars[*bar].end).collect();
    let last = ends.and_then(|ends| ends.into_iter().max());
    let until_bound = last.map(|last| last - begin);
    let ended = probes
        .iter()
        .filter(|bar| timeline.bars[**bar].end.is_some());
    let slowest = ended
        .map(|bar| timeline.length(*bar))
        .max()
        .unwrap_or_default();
    Wave {
        driver: driver.map(str::to_owned),
        begin,
        total: Total::of(timeline, &probes),
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
