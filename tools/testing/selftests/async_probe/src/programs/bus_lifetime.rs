// SPDX-License-Identifier: GPL-2.0

//! Registrations of a Rust bus and of its devices: a bus is registered once at a time, names that
//! exist are refused without a leak, devices live as long as there is a reference to them, and a
//! bus waits for that.

use lifecycle::Probing;

use crate::kernel::probing;
use crate::test_modules::BUS_TEST;
use crate::{ensure, Bench, Failure, Test};

/// The line with which a bus is gone, and with it all its devices.
const GONE: &str = "unregistered";

/// The line of a device's data that is dropped.
const FREED: &str = "freed ";

/// The scenario prints these lines.
///
/// A worker frees memory, beside the task that prints, and later still with
/// `CONFIG_DEBUG_KOBJECT_RELEASE`: a line that says so stands in `expected` where it may come at
/// the earliest. It must come before the bus is gone.
fn scenario(bench: &mut Bench, scenario: &str, expected: &[&str]) -> Result<(), Failure> {
    let said = bench.play(BUS_TEST, scenario)?;
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    let (lives, wanted) = (lives(&said), lives(expected));
    let in_time = |(life, wanted): (&Life<'_>, &Life<'_>)| {
        let mut freed = life.freed.iter().zip(&wanted.freed);
        life.steps == wanted.steps
            && life.freed.len() == wanted.freed.len()
            && freed.all(|((line, at), (wanted, earliest))| line == wanted && at >= earliest)
    };
    if lives.len() == wanted.len() && lives.iter().zip(&wanted).all(in_time) {
        return Ok(());
    }
    ensure("what the module prints", &said, &expected.to_vec())
}

/// The lines until a bus is gone, or to the end.
#[derive(Debug)]
struct Life<'a> {
    steps: Vec<&'a str>,
    /// The lines that say that memory is freed, each after so many steps.
    freed: Vec<(&'a str, usize)>,
}

fn lives<'a>(lines: &[&'a str]) -> Vec<Life<'a>> {
    let life = |lines: &[&'a str]| {
        let mut life = Life {
            steps: Vec::new(),
            freed: Vec::new(),
        };
        for line in lines {
            if line.starts_with(FREED) {
                life.freed.push((line, life.steps.len()));
            } else {
                life.steps.push(line);
            }
        }
        life.freed.sort_unstable();
        life
    };
    lines
        .split_inclusive(|line| *line == GONE)
        .map(life)
        .collect()
}

pub(crate) fn tests() -> Vec<Test> {
    // The driver adds a device in each of its lives.
    let nested: &[&str] = match probing() {
        Probing::Once => &["freed 10", "freed 9", "unregistered"],
        Probing::Twice => &["freed 10", "freed 10", "freed 9", "unregistered"],
    };
    let tests: [(&str, &str, &[&str]); 6] = [
        (
            "a bus that is registered is EBUSY",
            "twice",
            &[
                "second ret=-16",
                // The first one is as it was.
                "device ret=0",
                "freed 0",
                "unregistered",
                // Without a bus the data of a device is dropped at once.
                "freed 1",
                "device ret=-19",
                "again ret=0",
            ],
        ),
        (
            "names that exist are refused and nothing leaks",
            "exists",
            &[
                "freed 1",
                "device ret=-17",
                "again ret=-16",
                "freed 2",
                "async ret=0",
                "driver ret=-16",
                "freed 0",
                "unregistered",
            ],
        ),
        (
            "a device that is held outlives its registration and is freed once",
            "held",
            &["held 7", "freed 7", "unregistered"],
        ),
        (
            "a bus waits for a device that is held, and takes no new ones",
            "waits",
            &[
                "freed 8",
                "new device ret=-19",
                "held 7",
                "freed 7",
                "unregistered",
            ],
        ),
        (
            "empty names are refused without a warning",
            "empty",
            &[
                "freed 1",
                "device ret=-22",
                "driver ret=-22",
                "platform ret=-22",
                "unregistered",
            ],
        ),
        (
            // Lockdep, where the kernel has it, takes this for no deadlock.
            "a probe adds another device of its bus, and removes it",
            "nested",
            nested,
        ),
    ];
    let tests = tests.map(|(name, of, expected)| {
        Test::new(format!("bus_lifetime: {name}"), move |bench| {
            scenario(bench, of, expected)
        })
    });
    tests.into()
}
