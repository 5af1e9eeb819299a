// SPDX-License-Identifier: GPL-2.0

//! The logs. Beside each is what made it.

use std::fmt::Write;

use lifecycle::parse::log::{self, Log};
use lifecycle::summary::Summary;

/// See `recordings.rs`.
pub(crate) const PLATFORM_AND_BUS: &str = include_str!("../recordings/platform_and_bus.txt");

/// A recording of a driver in C, and of an insmod that has nothing to do with it.
pub(crate) const C_DRIVER_CONVOY: &str = include_str!("c_driver_convoy.txt");

/// A dmesg of a driver that prints its timing, with the calls of userspace.
pub(crate) const CONVOY_WITH_CALLS: &str = include_str!("convoy_with_calls.txt");

/// A dmesg of a stock kernel with `initcall_debug`, and of the same as `C_DRIVER_CONVOY`.
pub(crate) const INITCALL_DEBUG: &str = include_str!("initcall_debug.txt");

/// All of them, by name.
pub(crate) const ALL: &[(&str, &str)] = &[
    ("platform_and_bus", PLATFORM_AND_BUS),
    ("c_driver_convoy", C_DRIVER_CONVOY),
    ("convoy_with_calls", CONVOY_WITH_CALLS),
    ("initcall_debug", INITCALL_DEBUG),
];

/// Reads a log.
pub(crate) fn read(text: &str) -> Log {
    log::parse(text, None).unwrap()
}

/// Sums a log up.
pub(crate) fn summary(name: &str, text: &str) -> Summary {
    Summary::of(name, read(text))
}

/// A dmesg of so many devices in one insmod, each of which takes half a second, with names as
/// given.
pub(crate) fn many(devices: usize, device: &str, driver: &str) -> String {
    let mut log = String::new();
    let mut line = |micros: usize, text: &str| {
        writeln!(
            log,
            "[{:5}.{:06}] {text}",
            micros / 1_000_000,
            micros % 1_000_000
        )
        .unwrap();
    };
    let timing = "async_probe: timing:";
    line(
        1_000_000,
        &format!("lifecycle: call_began call=insmod on={driver} pid=9"),
    );
    line(
        1_000_020,
        &format!(
            "{timing} registered driver={driver} probe_type=prefer_asynchronous ret=0 ms=0.010"
        ),
    );
    for at in 0..devices {
        line(
            1_000_100 + at * 10,
            &format!("{timing} probe_began dev={device}{at} driver={driver} async=1 cpu=0 pid={} task=kworker/u8:{at}", 100 + at),
        );
    }
    for at in 0..devices {
        let took = 500_000 + at;
        line(
            1_000_100 + at * 10 + took,
            &format!(
                "{timing} probe_ended dev={device}{at} driver={driver} ret=0 ms={}.{:03}",
                took / 1000,
                took % 1000
            ),
        );
    }
    line(
        1_501_000 + devices * 11,
        &format!("lifecycle: call_returned call=insmod on={driver} pid=9 ret=0"),
    );
    log
}
