// SPDX-License-Identifier: GPL-2.0

//! Registrations of a Rust bus and of its devices: a bus is registered once at a time, names that
//! exist are refused without a leak, devices live as long as somebody holds them, and a bus waits
//! for that.

use std::process::ExitCode;

use selftests::test_modules::BUS_TEST;
use selftests::{ensure, ktap, Bench, Failure, Test};

/// What the scenario is expected to print.
fn scenario(bench: &mut Bench, scenario: &str, expected: &[&str]) -> Result<(), Failure> {
    let said = bench.play(BUS_TEST, scenario)?;
    let said: Vec<_> = said.iter().map(String::as_str).collect();
    ensure("what the module prints", &said, &expected.to_vec())
}

fn main() -> ExitCode {
    let tests: [(&str, &str, &[&str]); 5] = [
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
                "device ret=-17",
                "freed 1",
                "again ret=-16",
                "async ret=0",
                "freed 2",
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
            // Lockdep, where the kernel has it, takes this for no deadlock.
            "a probe adds another device of its bus, and removes it",
            "nested",
            &["freed 10", "freed 9", "unregistered"],
        ),
    ];
    let tests = tests.map(|(name, of, expected)| {
        Test::new(format!("bus_lifetime: {name}"), move |bench| {
            scenario(bench, of, expected)
        })
    });
    ktap::run(tests.into())
}
