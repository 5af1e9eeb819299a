// SPDX-License-Identifier: GPL-2.0

//! What the figures must not exceed. They are judged where times are numbers of instructions
//! ([`Benchmark::is_exact`]).

use std::fmt;

use lifecycle::designs::DRIVER_DOMAIN;

use crate::benchmark::Group;
use crate::cost::{pairs, Call, Cost, Twins};
use crate::measured::{Bind, Idle, Row};
use crate::{Benchmark, Design};

/// The time until all are bound over the slowest probe, up to so many devices.
const RATIOS: [(usize, f64); 2] = [(64, 1.02), (512, 1.05)];

const RATIO: &str = "the time until all are bound over the slowest probe";

/// How much longer than on an idle system an unrelated module may wait.
const CONVOY_NS: u64 = 5_000_000;

/// How much more one of many devices may cost than one of few.
const GROWTH: f64 = 1.15;

/// What a call of the driver core may cost in Rust, over C.
const RUST_OVER_C: [(Call, &str, f64); 2] = [
    (Call::Bind, "binding in Rust over C", 1.01),
    (Call::Unbind, "unbinding in Rust over C", 1.01),
];

/// How many functions of all asynchronous domains run at once (`WQ_DFL_ACTIVE`).
const AT_ONCE: usize = 1024;

/// A limit, and what was measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// The row of the table.
    pub row: String,
    /// What is limited.
    pub what: &'static str,
    /// What was measured.
    pub measured: String,
    /// What is demanded.
    pub limit: String,
    /// Whether it holds.
    pub holds: bool,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (row, what, limit) = (&self.row, self.what, &self.limit);
        write!(f, "{row}: {what} is {}, must be {limit}", self.measured)
    }
}

impl Verdict {
    /// A ratio is to be no more than this.
    fn ratio(row: String, what: &'static str, ratio: f64, limit: f64) -> Self {
        Self {
            row,
            what,
            measured: format!("{ratio:.4}"),
            limit: format!("{limit} or less"),
            holds: ratio <= limit,
        }
    }

    /// A number is to be this one.
    fn count(row: &str, what: &'static str, measured: usize, wanted: usize) -> Self {
        Self {
            row: row.to_owned(),
            what,
            measured: measured.to_string(),
            limit: wanted.to_string(),
            holds: measured == wanted,
        }
    }
}

/// Judges all that was measured.
pub fn judge(benchmark: &Benchmark) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for group in &benchmark.groups {
        verdicts.extend(first(group));
        let rows = group.rows.iter();
        verdicts.extend(rows.flat_map(|row| judge_row(group, row)));
    }
    verdicts.extend(growths(&benchmark.bind));
    verdicts.extend(languages(&benchmark.costs));
    verdicts
}

/// Judges Rust against C.
fn languages(costs: &[Cost]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for twins in Twins::ALL {
        for pair in pairs(costs, twins) {
            for (call, what, limit) in RUST_OVER_C {
                let row = format!("{twins} with {} devices", pair.c.devices);
                verdicts.push(Verdict::ratio(row, what, pair.ratio(call), limit));
            }
        }
    }
    verdicts
}

/// Judges the first probes after boot. With many devices, creating the workers takes its time, and
/// that is the workqueue's affair.
fn first(group: &Group) -> Option<Verdict> {
    let cold = group.cold?;
    let (devices, limit) = RATIOS[0];
    let row = format!("first probes of {} devices", cold.devices);
    (cold.devices <= devices).then(|| Verdict::ratio(row, RATIO, cold.ratio(), limit))
}

fn judge_row(group: &Group, row: &Row) -> Vec<Verdict> {
    let name = format!("{} with {} devices", row.design, row.devices);
    let at_once = if row.design.is_parallel() {
        row.devices.min(AT_ONCE)
    } else {
        1
    };
    let mut verdicts = vec![
        Verdict::count(&name, "the number of bound devices", row.bound, row.devices),
        Verdict::count(&name, "the number of probes at once", row.at_once, at_once),
    ];
    let ratio = RATIOS.iter().find(|(devices, _)| row.devices <= *devices);
    if let (true, Some((_, limit))) = (row.design.is_parallel(), ratio) {
        verdicts.push(Verdict::ratio(name.clone(), RATIO, row.ratio(), *limit));
    }
    for (what, waits) in group.idle.into_iter().flat_map(|idle| waits(row, idle)) {
        let ms = |ns: u64| format!("{:.1} ms", ns as f64 / 1e6);
        let (limit, holds) = if row.design.has_convoy() {
            // That is the kernel's promise; a benchmark that misses it has measured nothing.
            let least = u64::from(row.firmware_ms) * 500_000;
            (format!("{} or more", ms(least)), waits >= least)
        } else {
            (format!("{} or less", ms(CONVOY_NS)), waits <= CONVOY_NS)
        };
        verdicts.push(Verdict {
            row: name.clone(),
            what,
            measured: ms(waits),
            limit,
            holds,
        });
    }
    verdicts
}

/// How much longer than on an idle system an unrelated module waits beside the probes.
fn waits(row: &Row, idle: Idle) -> [(&'static str, u64); 2] {
    [
        (
            "the wait of an unrelated insmod",
            row.other_insmod_ns.saturating_sub(idle.insmod_ns),
        ),
        (
            "the wait of an unrelated rmmod",
            row.other_rmmod_ns.saturating_sub(idle.rmmod_ns),
        ),
    ]
}

/// Judges the cost of each device, of many against few.
fn growths(bind: &[Bind]) -> Vec<Verdict> {
    let mut verdicts = Vec::new();
    for design in Design::of(DRIVER_DOMAIN) {
        let mut counts: Vec<&Bind> = bind.iter().filter(|bind| bind.design == design).collect();
        counts.sort_by_key(|bind| bind.devices);
        let [few, .., many] = counts.as_slice() else {
            continue;
        };
        let growth = many.each() / few.each();
        let row = format!("add and bind, {design}");
        let what = "the cost of a device among many over one among few";
        verdicts.push(Verdict {
            measured: format!("{growth:.3} ({} and {} devices)", many.devices, few.devices),
            ..Verdict::ratio(row, what, growth, GROWTH)
        });
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::Language;
    use crate::identity::tests::identity;
    use crate::measured::OwnRmmod;
    use crate::Bus;

    fn row(design: Design, devices: usize) -> Row {
        let ms = 1_000_000;
        Row {
            design,
            devices,
            firmware_ms: 2000,
            insmod_ns: 5 * ms,
            arrival_ns: None,
            bound_ns: 2012 * ms,
            bound: devices,
            slowest_ns: 2006 * ms,
            at_once: devices.min(1024),
            other_insmod_ns: ms,
            other_rmmod_ns: 8 * ms,
            own_rmmod: OwnRmmod::Ns(1500 * ms),
        }
    }

    fn broken(rows: Vec<Row>, bind: Vec<Bind>) -> Vec<String> {
        let benchmark = Benchmark {
            groups: vec![Group {
                devices: 16,
                idle: Some(Idle {
                    insmod_ns: 900_000,
                    rmmod_ns: 8_000_000,
                }),
                cold: None,
                rows,
            }],
            bind,
            ..Benchmark::new(identity())
        };
        judge(&benchmark)
            .into_iter()
            .filter(|verdict| !verdict.holds)
            .map(|verdict| verdict.to_string())
            .collect()
    }

    #[test]
    fn all_hold() {
        let rows = vec![
            row(Design::Bus(Bus::ExclusiveAttach), 16),
            row(Design::Bus(Bus::DeviceRegister), 512),
            row(Design::Bus(Bus::ExclusiveAttach), 4096),
        ];
        assert!(broken(rows, vec![]).is_empty());
    }

    #[test]
    fn a_convoy_under_another_name() {
        let mut row = row(Design::Bus(Bus::ExclusiveAttach), 64);
        row.other_insmod_ns = 1_520_000_000;
        row.other_rmmod_ns = 13_100_000;
        assert_eq!(
            broken(vec![row], vec![]),
            [
                "exclusive_attach with 64 devices: the wait of an unrelated insmod is 1519.1 ms, must be 5.0 ms or less",
                "exclusive_attach with 64 devices: the wait of an unrelated rmmod is 5.1 ms, must be 5.0 ms or less",
            ]
        );
    }

    #[test]
    fn no_convoy_where_the_kernel_promises_one() {
        assert_eq!(
            broken(vec![row(Design::Bus(Bus::PreferAsync), 16)], vec![]).len(),
            2
        );
    }

    #[test]
    fn too_slow() {
        let mut late = row(Design::Bus(Bus::DeviceRegister), 64);
        late.bound_ns = 2_047_000_000;
        let mut lost = row(Design::Bus(Bus::ExclusiveAttach), 512);
        lost.bound = 511;
        lost.at_once = 511;
        assert_eq!(
            broken(vec![late, lost], vec![]),
            [
                "device_register with 64 devices: the time until all are bound over the slowest probe is 1.0204, must be 1.02 or less",
                "exclusive_attach with 512 devices: the number of bound devices is 511, must be 512",
                "exclusive_attach with 512 devices: the number of probes at once is 511, must be 512",
            ]
        );
    }

    #[test]
    fn slower_than_c() {
        let cost = |language, bind_ns| Cost {
            twins: Twins::Bus,
            language,
            devices: 10,
            add_ns: 0,
            match_ns: 0,
            bind_ns,
            unbind_ns: 10_000,
            remove_ns: 0,
            device_bytes: 0,
            bound_bytes: 0,
        };
        let judged = |bind_ns| -> Vec<String> {
            let benchmark = Benchmark {
                costs: vec![cost(Language::C, 10_000), cost(Language::Rust, bind_ns)],
                ..Benchmark::new(identity())
            };
            let verdicts = judge(&benchmark);
            assert_eq!(verdicts.len(), 2);
            let broken = verdicts.iter().filter(|verdict| !verdict.holds);
            broken.map(ToString::to_string).collect()
        };
        assert!(judged(10_100).is_empty());
        assert_eq!(
            judged(10_101),
            ["own bus with 10 devices: binding in Rust over C is 1.0101, must be 1.01 or less"]
        );
    }

    #[test]
    fn growth() {
        let bind = |devices, each: u64| Bind {
            design: Design::Bus(Bus::Sync),
            devices,
            ns: each * devices as u64,
        };
        assert!(broken(vec![], vec![bind(10, 1000), bind(10_000, 1150)]).is_empty());
        assert_eq!(
            broken(vec![], vec![bind(10_000, 1151), bind(100, 2000), bind(10, 1000)]),
            ["add and bind, sync: the cost of a device among many over one among few is 1.151 (10000 and 10 devices), must be 1.15 or less"]
        );
    }
}
