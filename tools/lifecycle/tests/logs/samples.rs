// SPDX-License-Identifier: GPL-2.0

//! The logs. Beside each is what made it.

use std::fmt::Write;

use lifecycle::parse::log::{self, Log};
use lifecycle::summary::Summary;
use lifecycle::Micros;

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

/// A name for which no table has room.
pub(crate) const LONG: &str =
    "a_device_with_a_name_that_is_as_long_as_a_line_of_the_terminal_is_wide_or_longer_even.";

/// The characters in the longest line.
pub(crate) fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap()
}

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
        writeln!(log, "[{:>12}] {text}", Micros(micros as u64).printk()).unwrap();
    };
    let timing = "async_probe: timing:";
    let call = format!("call=insmod on={driver} pid=9");
    line(1_000_000, &format!("lifecycle: call_began {call}"));
    let registered = format!("{timing} registered driver={driver}");
    line(
        1_000_020,
        &format!("{registered} probe_type=prefer_asynchronous ret=0 ms=0.010"),
    );
    for at in 0..devices {
        let began = format!("{timing} probe_began dev={device}{at} driver={driver}");
        let task = format!("async=1 cpu=0 pid={} task=kworker/u8:{at}", 100 + at);
        line(1_000_100 + at * 10, &format!("{began} {task}"));
    }
    for at in 0..devices {
        let took = 500_000 + at;
        let ended = format!("{timing} probe_ended dev={device}{at} driver={driver}");
        let ms = Micros(took as u64);
        line(
            1_000_100 + at * 10 + took,
            &format!("{ended} ret=0 ms={ms}"),
        );
    }
    line(
        1_501_000 + devices * 11,
        &format!("lifecycle: call_returned {call} ret=0"),
    );
    log
}
