// SPDX-License-Identifier: GPL-2.0

//! A probe, with what belongs to it.

use std::collections::HashMap;

use serde::Serialize;

use super::model::{Kind, Life};
use crate::{errno, Micros};

/// Which task runs a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// An async worker.
    Async,
    /// The task that registers the driver or adds the device.
    Sync,
    /// The writer to `bind` or `drivers_probe`.
    Manual,
    /// The log does not tell.
    Unknown,
}

impl How {
    /// In one word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Async => "async",
            Self::Sync => "sync",
            Self::Manual => "manual",
            Self::Unknown => "?",
        }
    }
}

/// One probe of one device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Probe {
    /// Its span.
    #[serde(skip)]
    pub span: usize,
    /// The device.
    pub device: String,
    /// The driver, if the log names it.
    pub driver: Option<String>,
    /// Where the driver is in memory.
    #[serde(skip)]
    pub by: Option<u64>,
    /// Which task ran it.
    pub how: How,
    /// When the device was added, if that is in the log.
    pub added: Option<Micros>,
    /// For how long the device waited for it, if something but a person had set it off.
    pub waited: Option<Micros>,
    /// When it began.
    pub began: Micros,
    /// How long it took, if it has ended.
    pub took: Option<Micros>,
    /// How much of that went by in requests for firmware, if there were any.
    pub firmware: Option<Micros>,
    /// The last request for firmware.
    #[serde(skip)]
    pub request: Option<usize>,
    /// How long its second phase took, if it has one that has ended.
    pub second_phase: Option<Micros>,
    /// Its result, if it has ended: 0 or a negative errno.
    pub ret: Option<i32>,
    /// How long the remove took that followed, if one did and has ended.
    pub remove: Option<Micros>,
}

impl Probe {
    /// What came of it, in a word: `?` if it has ended and the log does not say how.
    pub fn result(&self) -> String {
        match (self.ret, self.took) {
            (Some(ret), _) => errno::name(ret),
            (None, None) => "running".to_owned(),
            (None, Some(_)) => "?".to_owned(),
        }
    }

    /// When it ended.
    pub fn ended(&self) -> Option<Micros> {
        Some(self.began + self.took?)
    }

    /// The same with times that count from this one.
    pub fn since(mut self, time: Micros) -> Self {
        self.added = self
            .added
            .filter(|added| time <= *added)
            .map(|added| added - time);
        self.began = self.began - time;
        self
    }

    /// Whether it has bound its device.
    pub fn has_bound(&self) -> bool {
        self.ret == Some(0)
    }
}

impl Life {
    /// All probes, in the order in which they began.
    pub fn probes(&self) -> Vec<Probe> {
        let mut probes: Vec<Probe> = Vec::new();
        // Of each device: its last addition, the wait that is to end, and its last probe.
        let mut added: HashMap<usize, Micros> = HashMap::new();
        let mut waits: HashMap<(usize, Option<Micros>), Micros> = HashMap::new();
        let mut last: HashMap<usize, usize> = HashMap::new();
        for (at, span) in self.spans.iter().enumerate() {
            let Some(device) = span.device else { continue };
            let length = span.end.map(|_| self.length(at));
            // A probe that ends when it began leaves what comes at once to the one before.
            let probe = last.get(&device).map(|probe| &mut probes[*probe]);
            match (span.kind, probe) {
                (Kind::Add, _) => {
                    added.insert(device, span.begin);
                }
                (Kind::Waiting, _) => {
                    waits.insert((device, span.end), self.length(at));
                }
                (Kind::Probe, _) => {
                    last.insert(device, probes.len());
                    probes.push(Probe {
                        span: at,
                        device: span.on.clone(),
                        driver: span.driver.clone(),
                        by: span.facts.by,
                        how: self.how(at),
                        added: added.get(&device).copied(),
                        waited: waits.get(&(device, Some(span.begin))).copied(),
                        began: span.begin,
                        took: length,
                        firmware: None,
                        request: None,
                        second_phase: None,
                        ret: span.ret,
                        remove: None,
                    });
                }
                (Kind::Firmware, Some(probe)) => {
                    let inside = span.begin <= self.end_of(probe.span);
                    if let Some(took) = length.filter(|_| inside) {
                        probe.firmware = Some(probe.firmware.unwrap_or_default() + took);
                    }
                    probe.request = Some(at);
                }
                (Kind::SecondPhase, Some(probe)) => probe.second_phase = length,
                (Kind::Remove, Some(probe)) if probe.remove.is_none() => {
                    let after = self.end_of(probe.span) <= span.begin;
                    probe.remove = length.filter(|_| after);
                }
                _ => {}
            }
        }
        probes
    }

    /// Which task has run a probe.
    fn how(&self, probe: usize) -> How {
        match self.spans[probe].asynchronous {
            Some(true) => return How::Async,
            Some(false) => {}
            None => return How::Unknown,
        }
        let around = |kinds: &[Kind]| self.within(probe, |span| kinds.contains(&span.kind));
        let loads = around(&[Kind::Init]).is_some();
        match around(&[Kind::Bind, Kind::Attach]) {
            Some(_) if !loads => How::Manual,
            _ => How::Sync,
        }
    }
}
