// SPDX-License-Identifier: GPL-2.0

//! Folds lanes that are alike: one strip for all of them, if there are more than [`LANES`].

use std::collections::{BTreeMap, BTreeSet};

use lifecycle::life::Life;
use lifecycle::Micros;

use crate::lane::{Lane, Of};
use crate::look;

/// Up to this number of lanes of a kind, each is shown by itself.
const LANES: usize = 24;

/// The number of lanes that are shown by themselves among those that are alike: the slowest, or
/// the first that failed.
const SHOWN: usize = 3;

/// A strip of the picture: one lane, or many lanes that are alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Shown {
    /// A lane.
    One(Lane),
    /// Lanes that are alike, and their number with those that are shown by themselves.
    Many(Vec<Lane>, usize),
}

impl Shown {
    /// The kind of the lanes.
    pub(crate) fn of(&self) -> Of {
        match self {
            Self::One(lane) => lane.of,
            Self::Many(lanes, _) => lanes[0].of,
        }
    }
}

/// Folds the lanes of each kind of which there are more than [`LANES`].
///
/// Devices are alike if they have the same drivers and their bars have the same looks and results.
/// Tasks are alike if they have the same name, and the same bars of them failed.
pub(crate) fn fold(timeline: &Life, lanes: Vec<Lane>) -> Vec<Shown> {
    let mut shown = Vec::new();
    for of in [Of::Caller, Of::Device, Of::Worker] {
        let of_kind: Vec<Lane> = lanes.iter().filter(|lane| lane.of == of).cloned().collect();
        if of_kind.len() <= LANES {
            shown.extend(of_kind.into_iter().map(Shown::One));
        } else {
            shown.extend(fold_kind(timeline, of_kind));
        }
    }
    shown
}

fn fold_kind(timeline: &Life, lanes: Vec<Lane>) -> Vec<Shown> {
    let mut alike: BTreeMap<Signature, Vec<usize>> = BTreeMap::new();
    for (at, lane) in lanes.iter().enumerate() {
        let signature = Signature::of(timeline, lane);
        alike.entry(signature).or_default().push(at);
    }
    // A group stands where its first lane does.
    let mut groups: Vec<Vec<usize>> = alike.into_values().collect();
    groups.sort();
    let mut shown = Vec::new();
    for group in groups {
        let all = group.len();
        let one_by_one = one_by_one(timeline, &lanes, &group);
        let (single, many): (Vec<usize>, Vec<usize>) =
            group.into_iter().partition(|at| one_by_one.contains(at));
        shown.extend(single.into_iter().map(|at| Shown::One(lanes[at].clone())));
        if !many.is_empty() {
            let many = many.into_iter().map(|at| lanes[at].clone()).collect();
            shown.push(Shown::Many(many, all));
        }
    }
    shown
}

/// The lanes of a group that are shown by themselves.
fn one_by_one(timeline: &Life, lanes: &[Lane], group: &[usize]) -> BTreeSet<usize> {
    if group.len() <= SHOWN + 1 {
        return group.iter().copied().collect();
    }
    let mut order = group.to_vec();
    if !lanes[group[0]].stands_out(timeline) {
        order.sort_by_key(|at| std::cmp::Reverse(lanes[*at].longest(timeline)));
    }
    order.into_iter().take(SHOWN).collect()
}

/// The features that are equal in lanes that are alike.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Signature {
    /// The drivers of a device; the first word of a task's name.
    names: Vec<String>,
    /// The bars: look, result, and whether they have no end. Of tasks, only those that stand out.
    bars: BTreeSet<(&'static str, Option<i32>, bool)>,
}

impl Signature {
    fn of(timeline: &Life, lane: &Lane) -> Self {
        let names = match lane.of {
            Of::Device => timeline.devices[lane.index].drivers.clone(),
            Of::Caller | Of::Worker => {
                let name = lane.name.split([' ', '/']).next();
                vec![name.unwrap_or_default().to_owned()]
            }
        };
        let bars = lane.bars.iter().map(|placed| &timeline.spans[placed.bar]);
        let bars = bars
            .filter(|bar| lane.of == Of::Device || look::failed(bar) || bar.end.is_none())
            .map(|bar| (look::look(bar), bar.ret, bar.end.is_none()));
        Self {
            names,
            bars: bars.collect(),
        }
    }
}

/// The longest bar of each lane: the shortest, the median and the longest of these.
pub(crate) fn spread(timeline: &Life, lanes: &[Lane]) -> Option<[Micros; 3]> {
    let mut longest: Vec<Micros> = lanes
        .iter()
        .filter_map(|lane| lane.longest(timeline))
        .collect();
    longest.sort_unstable();
    let median = *longest.get(longest.len() / 2)?;
    Some([*longest.first()?, median, *longest.last()?])
}
