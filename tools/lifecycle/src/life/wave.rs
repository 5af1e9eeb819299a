// SPDX-License-Identifier: GPL-2.0

//! Probes of one driver that belong together.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use serde::{Deserialize, Serialize};

use super::model::{Kind, Life, Span};
use crate::event::Call;
use crate::Micros;

/// Probes of one driver, of which each was asked for before all the others had ended: those that a
/// registration sets off, mostly.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Wave {
    /// Name of the driver.
    pub driver: String,
    /// The registration of the driver, if that set the probes off.
    pub registration: Option<usize>,
    /// When the registration was called; without one when the first device began to wait, or its
    /// probe if that is not known.
    pub begin: Micros,
    /// The spans of the probes, in the order in which they began.
    pub probes: Vec<usize>,
    /// Their sums.
    pub total: Total,
    /// From the beginning until the last probe has ended; none while one is under way.
    pub until_bound: Option<Micros>,
    /// From the beginning until the last second phase has ended; none where a probe has none that
    /// has ended.
    pub until_ready: Option<Micros>,
    /// The longest probe that has ended.
    pub slowest: Micros,
    /// The parallel efficiency: the slowest probe over the time until all are bound. 1 is what no
    /// scheduling can beat. To four decimals.
    pub efficiency: Option<f64>,
}

/// Probes together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// How many there were.
    pub probes: usize,
    /// How many of them have bound a device.
    pub bound: usize,
    /// How many of them have failed.
    pub failed: usize,
    /// The time that they took one after the other. The time of a probe within another counts once.
    pub sum: Micros,
    /// The time in which at least one was under way.
    pub covered: Micros,
    /// How many ran at once, at most. A probe within another is no other one.
    pub at_once: usize,
    /// The sum and the number at once may be less: of a probe during another one, the log does not
    /// say whether it is within that.
    #[serde(skip_serializing_if = "std::ops::Not::not", default)]
    pub at_most: bool,
}

impl Total {
    /// Sums probes up.
    pub fn of(life: &Life, probes: &[usize]) -> Self {
        let results = || probes.iter().filter_map(|probe| life.spans[*probe].ret);
        let is_probe = |span: &Span| span.kind == Kind::Probe;
        let outermost = probes.iter().copied();
        let outermost = outermost.filter(|probe| life.within(*probe, is_probe).is_none());
        let outermost: Vec<usize> = outermost.collect();
        let mut times: Vec<(Micros, Micros)> = outermost
            .iter()
            .map(|probe| (life.spans[*probe].begin, life.end_of(*probe)))
            .collect();
        let known = |probe: &usize| life.pid_of(&life.spans[*probe]).is_some();
        let mut order = outermost.clone();
        order.sort_by_key(|probe| (life.spans[*probe].begin, Reverse(life.end_of(*probe))));
        // The latest ends of the probes before, and of those among them whose task is not known.
        let (mut all, mut unknown) = (Micros(0), Micros(0));
        let during = |probe: &usize| {
            let (end, known) = (life.end_of(*probe), known(probe));
            let during = end <= if known { unknown } else { all };
            all = all.max(end);
            unknown = unknown.max(if known { Micros(0) } else { end });
            during && life.spans[*probe].begin < end
        };
        Self {
            at_most: order.iter().any(during),
            probes: probes.len(),
            bound: results().filter(|ret| *ret == 0).count(),
            failed: results().filter(|ret| *ret != 0).count(),
            sum: outermost.iter().map(|probe| life.length(*probe)).sum(),
            at_once: at_once(&times),
            covered: covered(&mut times),
        }
    }
}

/// How many of these are under way at once, at most.
pub(crate) fn at_once(times: &[(Micros, Micros)]) -> usize {
    let mut steps: Vec<(Micros, isize)> = times
        .iter()
        .flat_map(|(begin, end)| [(*begin, 1), (*end, -1)])
        .collect();
    // In the same microsecond, ends come first.
    steps.sort_unstable();
    let mut now = 0_isize;
    let most = steps.into_iter().map(|(_, step)| {
        now += step;
        now
    });
    most.max().unwrap_or(0).unsigned_abs()
}

/// The time in which at least one of these is under way.
pub(crate) fn covered(times: &mut [(Micros, Micros)]) -> Micros {
    times.sort_unstable();
    let mut sum = Micros(0);
    let mut until = Micros(0);
    for (begin, end) in times.iter() {
        sum = sum + (*end - until.max(*begin));
        until = until.max(*end);
    }
    sum
}

impl Life {
    /// How long each probe was waited for, by the probe.
    pub fn waiting(&self) -> HashMap<usize, usize> {
        let ends: HashMap<_, _> = self
            .of(Kind::Waiting)
            .map(|(at, span)| ((span.device, span.end), at))
            .collect();
        self.of(Kind::Probe)
            .filter_map(|(at, probe)| Some((at, *ends.get(&(probe.device, Some(probe.begin)))?)))
            .collect()
    }

    /// The waves of all drivers whose names are known, in the order in which they began.
    pub fn waves(&self) -> Vec<Wave> {
        let waiting = self.waiting();
        let asked = |probe: usize| {
            let since = waiting.get(&probe).copied().unwrap_or(probe);
            self.spans[since].begin
        };
        let mut registrations: HashMap<&str, Vec<usize>> = HashMap::new();
        for (at, span) in self.of(Kind::Register) {
            registrations.entry(&span.on).or_default().push(at);
        }
        let ready: HashMap<usize, Micros> = self
            .of(Kind::SecondPhase)
            .filter_map(|(_, span)| Some((span.cause?, span.end?)))
            .collect();
        let mut by_driver: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
        for (at, probe) in self.of(Kind::Probe) {
            if let Some(driver) = probe.driver.as_deref() {
                by_driver.entry(driver).or_default().push(at);
            }
        }
        let mut waves = Vec::new();
        for (driver, mut probes) in by_driver {
            probes.sort_by_key(|probe| (self.spans[*probe].begin, *probe));
            let registered = registrations.get(driver).map_or(&[][..], Vec::as_slice);
            let mut of_wave: Vec<usize> = Vec::new();
            let mut until = Micros(0);
            let mut done = |of_wave: Vec<usize>| {
                waves.push(self.wave(driver, of_wave, registered, &ready, asked));
            };
            for probe in probes {
                if !of_wave.is_empty() && until < asked(probe) {
                    done(std::mem::take(&mut of_wave));
                }
                until = until.max(self.end_of(probe));
                of_wave.push(probe);
            }
            if !of_wave.is_empty() {
                done(of_wave);
            }
        }
        waves.sort_by_key(|wave| (wave.begin, wave.probes.first().copied()));
        waves
    }

    fn wave(
        &self,
        driver: &str,
        probes: Vec<usize>,
        registered: &[usize],
        ready: &HashMap<usize, Micros>,
        asked: impl Fn(usize) -> Micros,
    ) -> Wave {
        let first = probes.iter().map(|probe| asked(*probe)).min();
        let first = first.unwrap_or_default();
        let registration = registered
            .iter()
            .copied()
            .filter(|at| self.spans[*at].begin <= first && first <= self.end_of(*at))
            .max_by_key(|at| self.spans[*at].begin);
        let begin = registration.map_or(first, |at| self.spans[at].begin);
        // None where one is missing.
        let last = |ends: Option<Vec<Micros>>| {
            let last = ends.and_then(|ends| ends.into_iter().max());
            last.map(|last| last - begin)
        };
        let all = probes.iter();
        let until_bound = last(all.clone().map(|probe| self.spans[*probe].end).collect());
        let until_ready = last(all.clone().map(|probe| ready.get(probe).copied()).collect());
        let ended = all.filter(|probe| self.spans[**probe].end.is_some());
        let slowest = ended.map(|probe| self.length(*probe)).max();
        let slowest = slowest.unwrap_or_default();
        Wave {
            driver: driver.to_owned(),
            registration,
            begin,
            total: Total::of(self, &probes),
            until_bound,
            until_ready,
            slowest,
            efficiency: until_bound
                .filter(|until| *until > Micros(0))
                .map(|until| four_decimals(slowest.as_f64() / until.as_f64())),
            probes,
        }
    }

    /// How long the insmod took in which the driver of a wave was registered, if the log tells.
    pub fn insmod(&self, wave: &Wave) -> Option<Micros> {
        let registration = wave.registration?;
        let end = self.spans[registration].end_place();
        let called = self
            .of(Kind::Call(Call::Insmod))
            .filter(|(_, call)| call.spans(end))
            .max_by_key(|(_, call)| call.began)
            .map(|(at, _)| at);
        let insmod = called.or(self.within(registration, |span| span.kind == Kind::Init))?;
        Some(self.spans[insmod].end? - self.spans[insmod].begin)
    }
}

/// What microseconds are good for.
fn four_decimals(ratio: f64) -> f64 {
    (ratio * 10_000.0).round() / 10_000.0
}
