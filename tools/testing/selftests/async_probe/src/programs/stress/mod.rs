// SPDX-License-Identifier: GPL-2.0

//! Devices are added and removed, bound and unbound, modules loaded and unloaded, at random and by
//! several threads at once, while probes run. No device is lost, and nothing is left.
//!
//! ```sh
//! stress [operations [seed [threads]]]
//! ```
//!
//! Without arguments it does 400 operations, as a part of all tests, or 10 000 operations if
//! `ASYNC_PROBE_FULL` is in the environment. The seed is that of the machine then, which the lab
//! puts into `ASYNC_PROBE_SEED`, and 1 elsewhere. In virtual time the same seed gives the same run,
//! to the microsecond: the digests of the logs tell.
//!
//! The operations are spread over rounds. Each begins and ends with nothing loaded; the objects in
//! the slabs of the kernel are compared between the ends of rounds, as only there they can be the
//! same.

//@ plain: it counts what the kernel has left in memory
//@ boots: two_nodes

mod machine;
mod operation;
mod round;
mod shared;
mod watchdog;

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use machine::Objects;
use round::{Findings, Round, Statistics};

use crate::firmware_dir::FirmwareDir;
use crate::ktap::{FAIL, PASS, SKIP};
use crate::modules::Modules;
use crate::samples::Bus;
use crate::{kernel, last, Failure};

/// A part of a run of all tests.
const OPERATIONS: u32 = 400;
/// The whole.
const FULL: u32 = 10_000;
const SEED: u64 = 1;
const THREADS: u32 = 4;

/// As many operations a round has at most, and as many rounds there are at least.
const ROUND: u32 = 1000;
const ROUNDS: u32 = 8;

/// One property each.
const TESTS: [&str; 5] = [
    "stress: operations do as they should",
    "stress: no device is lost",
    "stress: nothing is left",
    "stress: one at a time",
    "stress: slabs do not grow",
];

/// So many objects more may be there whatever the operations: some slabs come and go by a hundred,
/// most of all when processors run in parallel. A leak with every thirtieth operation shows in a
/// full run.
const SLACK: i64 = 100;

/// So many objects more may be there for each task more: the kernel's workers come and go.
const PER_TASK: i64 = 4;

/// Where tasks are counted.
const TASKS: &str = "task_struct";

/// The slabs that devices, drivers, modules and asynchronous functions live in.
fn is_judged(slab: &str) -> bool {
    slab.starts_with("kmalloc-") || slab == "kernfs_node_cache"
}

/// The level of messages that the kernel prints on the console, until it is dropped. The rest is
/// read from the log.
struct ConsoleLevel(String);

const PRINTK: &str = "/proc/sys/kernel/printk";

impl ConsoleLevel {
    fn quiet() -> Self {
        let before = machine::read(PRINTK).unwrap_or_default();
        // Warnings and worse. If it cannot be set, the console is slow, and that is all.
        let _ = machine::write(PRINTK, "5");
        Self(before)
    }
}

impl Drop for ConsoleLevel {
    fn drop(&mut self) {
        let _ = machine::write(PRINTK, self.0.trim());
    }
}

/// The plan of a run.
struct Plan {
    operations: u32,
    seed: u64,
    threads: u32,
}

impl Plan {
    /// As the arguments and the environment say; none if they want something else.
    fn read() -> Option<Self> {
        let mut plan = Self {
            operations: std::env::var_os("ASYNC_PROBE_FULL").map_or(OPERATIONS, |_| FULL),
            seed: std::env::var("ASYNC_PROBE_SEED")
                .ok()
                .and_then(|seed| seed.parse().ok())
                .unwrap_or(SEED),
            threads: THREADS,
        };
        let arguments: Vec<_> = std::env::args().skip(1).collect();
        // The lab gives all programs a part of the names of the tests that it wants.
        let first = arguments.first();
        if let Some(part) = first.filter(|text| text.parse::<u32>().is_err()) {
            let has_it = TESTS.iter().any(|test| test.contains(part.as_str()));
            return has_it.then_some(plan);
        }
        let mut numbers = arguments.iter().filter_map(|text| text.parse::<u64>().ok());
        if let Some(operations) = numbers.next() {
            plan.operations = u32::try_from(operations).unwrap_or(u32::MAX);
        }
        if let Some(seed) = numbers.next() {
            plan.seed = seed;
        }
        if let Some(threads) = numbers.next() {
            plan.threads = u32::try_from(threads).unwrap_or(THREADS).clamp(1, 64);
        }
        Some(plan)
    }
}

/// How the slabs have grown from the first rounds to the last, as far as that is too much.
///
/// The first third does not count: the kernel keeps the objects that it has made for the most that
/// went on at once. Of the rest, the least of the first half is compared with the least of the
/// second: of what is leaked, no round has less.
fn growth(objects: &[Objects], operations: u32, judged: bool) -> Vec<String> {
    let rounds = objects.get(objects.len() / 3..).unwrap_or_default();
    let (before, after) = rounds.split_at(rounds.len() / 2);
    let least = |list: &[Objects], name: &str| -> Option<i64> {
        list.iter()
            .filter_map(|round| round.get(name))
            .min()
            .copied()
    };
    let grown = |name: &str| Some(least(after, name)? - least(before, name)?);
    let tasks = grown(TASKS).unwrap_or(0).max(0);
    let names: BTreeSet<_> = rounds.iter().flat_map(Objects::keys).collect();
    let mut found = Vec::new();
    for name in names.into_iter().filter(|name| is_judged(name) == judged) {
        let Some(more) = grown(name).filter(|more| *more > SLACK + PER_TASK * tasks) else {
            continue;
        };
        let each: Vec<_> = objects
            .iter()
            .map(|round| round.get(name).copied().unwrap_or(0).to_string())
            .collect();
        found.push(format!(
            "{name}: {more} more objects of {operations} operations; after each round: {}",
            each.join(" ")
        ));
    }
    found
}

/// All findings of the run, as the tests have them.
#[derive(Default)]
struct Verdict {
    findings: [Vec<String>; TESTS.len()],
    statistics: Statistics,
    objects: Vec<Objects>,
    comments: Vec<String>,
}

impl Verdict {
    fn add(&mut self, mut round: Findings) {
        for (of_test, list) in self.findings.iter_mut().zip(round.lists()) {
            of_test.append(list);
        }
        for (key, times) in round.statistics {
            *self.statistics.entry(key).or_default() += times;
        }
    }

    fn has_any(&self) -> bool {
        self.findings.iter().any(|list| !list.is_empty())
    }
}

/// Does the rounds; those after one that has found something would only find the same.
fn rounds(plan: &Plan, modules: &Modules, verdict: &mut Verdict) -> Result<(), Failure> {
    let firmware = FirmwareDir::new()?;
    for bus in Bus::BOTH {
        firmware.put_good(bus.driver)?;
    }
    let directory: PathBuf = modules
        .path(machine::MODULES[0])
        .parent()
        .map_or_else(PathBuf::new, PathBuf::from);

    let rounds = plan.operations.div_ceil(ROUND).max(ROUNDS);
    for number in 0..rounds {
        let began = Instant::now();
        let round = Round {
            number,
            seed: plan.seed,
            operations: plan.operations / rounds + u32::from(number < plan.operations % rounds),
            threads: plan.threads,
            directory: &directory,
        };
        let findings = round.run()?;
        let (events, digest) = findings.digest;
        let (probes, chased) = findings.probes;
        verdict.add(findings);
        verdict.objects.push(machine::objects());
        println!(
            "# round {number}: {} operations, {probes} probes, {chased} of them with a remove that \
             waited, {events} events, {:.1} s, log {digest:016x}",
            round.operations,
            began.elapsed().as_secs_f64()
        );
        if verdict.has_any() {
            return Ok(());
        }
    }
    // KASAN keeps freed objects for a while. Such a kernel has kmemleak, too.
    if !kernel::has("KASAN") {
        verdict.findings[4] = growth(&verdict.objects, plan.operations, true);
    }
    verdict.comments = growth(&verdict.objects, plan.operations, false);
    Ok(())
}

/// The results of the operations, one line for each.
fn table(statistics: &Statistics) -> Vec<String> {
    let mut lines: Vec<(&str, String)> = Vec::new();
    for ((name, result), times) in statistics {
        match lines.last_mut().filter(|(last, _)| last == name) {
            Some((_, line)) => line.push_str(&format!(", {result} {times}")),
            None => lines.push((name, format!("{name}: {result} {times}"))),
        }
    }
    lines.into_iter().map(|(_, line)| line).collect()
}

pub(crate) fn main() -> ExitCode {
    println!("KTAP version 1");
    let list = std::env::var_os("ASYNC_PROBE_LIST").is_some();
    let Some(plan) = Plan::read().filter(|_| !list) else {
        for test in TESTS {
            println!("# test: {test}");
        }
        println!("1..0 # SKIP no test has such a name");
        return SKIP.into();
    };
    let modules = match Modules::find() {
        Ok(modules) => modules,
        Err(failure) => {
            println!("1..0 # SKIP {}", failure.to_string().replace('\n', "; "));
            return SKIP.into();
        }
    };
    let missing = machine::MODULES
        .iter()
        .find(|module| fs::metadata(modules.path(module)).is_err());
    if let Some(missing) = missing {
        println!("1..0 # SKIP no {missing}.ko beside the other modules");
        return SKIP.into();
    }
    // Each round begins without it.
    let released = modules.release();
    let before = machine::leftovers();
    if released.is_err() || !before.is_empty() {
        println!("1..0 # SKIP loaded already: {}", before.join(", "));
        return SKIP.into();
    }

    let last = last::begin();
    println!("1..{}", TESTS.len() + last.len());
    println!(
        "# {} operations, seed {}, {} threads",
        plan.operations, plan.seed, plan.threads
    );
    watchdog::start();
    let level = ConsoleLevel::quiet();
    let mut verdict = Verdict::default();
    if let Err(failure) = rounds(&plan, &modules, &mut verdict) {
        verdict.findings[0].push(failure.to_string());
    }
    drop(level);

    for line in table(&verdict.statistics).iter().chain(&verdict.comments) {
        println!("# {line}");
    }
    let mut results: Vec<_> = TESTS.into_iter().zip(verdict.findings).collect();
    for last in last {
        let name = last.name;
        let finding = last.verdict().err().map(|failure| failure.to_string());
        results.push((name, finding.into_iter().collect()));
    }
    let all = results.len();
    let mut failed = 0;
    for (number, (test, findings)) in (1..).zip(results) {
        for line in findings.iter().flat_map(|text| text.lines()) {
            println!("# {line}");
        }
        if findings.is_empty() {
            println!("ok {number} {test}");
        } else {
            failed += 1;
            println!("not ok {number} {test}");
        }
    }
    println!(
        "# Totals: pass:{} fail:{failed} xfail:0 xpass:0 skip:0 error:0",
        all - failed
    );
    if failed == 0 { PASS } else { FAIL }.into()
}
