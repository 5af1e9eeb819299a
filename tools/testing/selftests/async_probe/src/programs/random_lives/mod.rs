// SPDX-License-Identifier: GPL-2.0

//! No false alarm: whatever happens to the sample drivers, in any order and by several threads at
//! once, no law of recordings is broken.
//!
//! Each seed is a life from an empty machine to an empty machine, recorded as a whole. Some seeds
//! are a part of all tests; with `ASYNC_PROBE_FULL` in the environment there are 100. The first is
//! `ASYNC_PROBE_SEED`, or 1.

//@ records: each of its lives is a recording of its own

mod operation;

use std::collections::BTreeMap;
use std::env;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use nix::errno::Errno;
use recorder::Recorder;

use operation::{Operation, MODULES};

use crate::firmware_dir::FirmwareDir;
use crate::random::Random;
use crate::recording::{events, judge};
use crate::samples::Bus;
use crate::{modules, unmet, Bench, Failure, Test};

/// A part of a run of all tests, and the whole.
const SEEDS: u64 = 4;
const FULL: u64 = 100;

/// So many threads do so many operations each.
const THREADS: u64 = 3;
const OPERATIONS: usize = 30;

/// Whatever is under way when the threads are done is over after that.
const PATIENCE: Duration = Duration::from_secs(20);

/// The sums over all lives.
#[derive(Default)]
struct Tally {
    operations: usize,
    done: usize,
    events: usize,
    cases: BTreeMap<&'static str, usize>,
}

fn seeds() -> Result<Range<u64>, Failure> {
    let first = match env::var("ASYNC_PROBE_SEED") {
        Ok(seed) => seed
            .parse()
            .map_err(|_| Failure::assertion("a number in ASYNC_PROBE_SEED", seed))?,
        Err(_) => 1_u64,
    };
    let full = env::var_os("ASYNC_PROBE_FULL").is_some();
    Ok(first..first.saturating_add(if full { FULL } else { SEEDS }))
}

/// One thread's part of a life; returns how many operations succeeded.
fn live(seed: u64, place: u64, directory: &Path, firmware: &FirmwareDir) -> Result<usize, Failure> {
    let mut random = Random::new(seed, &[place]);
    let mut done = 0;
    for _ in 0..OPERATIONS {
        let operation = Operation::draw(&mut random);
        done += usize::from(operation.carry_out(directory, firmware)?.is_ok());
    }
    Ok(done)
}

fn leave() -> Result<(), Failure> {
    for module in MODULES {
        let mut waited = Duration::ZERO;
        while modules::is_loaded(module) {
            match modules::rmmod(module)? {
                Ok(()) | Err(Errno::ENOENT) => {}
                // Its asynchronous work is not over.
                Err(_) if waited < PATIENCE => {
                    let pause = Duration::from_millis(100);
                    thread::sleep(pause);
                    waited += pause;
                }
                Err(errno) => {
                    return unmet(format!("rmmod {module}"), errno);
                }
            }
        }
    }
    Ok(())
}

/// The life of a seed, recorded and judged.
fn life(
    bench: &mut Bench,
    seed: u64,
    firmware: &FirmwareDir,
    directory: &Path,
    tally: &mut Tally,
) -> Result<(), Failure> {
    for bus in Bus::BOTH {
        firmware.put_good(bus.driver)?;
    }
    let recorder = Recorder::take_over(false)?;
    let lived = thread::scope(|scope| {
        let threads: Vec<_> = (0..THREADS)
            .map(|place| scope.spawn(move || live(seed, place, directory, firmware)))
            .collect();
        let mut done = 0;
        for thread in threads {
            let thread = thread.join();
            done += thread.map_err(|_| Failure::assertion("no panic", "a panic"))??;
        }
        Ok::<_, Failure>(done)
    });
    let left = leave();
    // The kernel's log is short: each life makes room for the next.
    bench.events()?;
    let events = events(recorder)?;
    tally.done += lived?;
    left?;
    tally.operations += OPERATIONS * usize::try_from(THREADS).unwrap_or(0);
    tally.events += events.len();
    for (law, cases) in judge(events)?.cases {
        *tally.cases.entry(law).or_default() += cases;
    }
    Ok(())
}

fn random_lives(bench: &mut Bench) -> Result<(), Failure> {
    let firmware = FirmwareDir::new()?;
    let directory = bench.module("async_probe");
    let directory = directory.parent().map_or_else(PathBuf::new, PathBuf::from);
    let seeds = seeds()?;
    let mut tally = Tally::default();
    for seed in seeds.clone() {
        if let Err(failure) = life(bench, seed, &firmware, &directory, &mut tally) {
            bench.comment(format!(
                "seed {seed}; once more: make check TESTS=random_lives SEED={seed}"
            ));
            return Err(failure);
        }
    }
    bench.comment(format!(
        "{} seeds, {} operations, {} of them possible, {} events",
        seeds.end - seeds.start,
        tally.operations,
        tally.done,
        tally.events
    ));
    let cases = tally.cases.iter();
    let cases: Vec<_> = cases.map(|(law, cases)| format!("{law} {cases}")).collect();
    bench.comment(format!("cases: {}", cases.join(", ")));
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    vec![Test::new("random_lives: no law is broken", random_lives)]
}
