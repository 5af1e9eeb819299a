// SPDX-License-Identifier: GPL-2.0

//! Logs to draw.

use std::fmt::Write;

use lifecycle::parse::{dmesg, recording};
use lifecycle::{Event, Micros};

/// Stock 7.3.4: insmod of an unrelated module while 8 devices are probed asynchronously.
pub(crate) const CONVOY: &str = include_str!("../logs/convoy.txt");

/// Stock 7.3.4: 5 devices, of which two do not get their firmware; then the same in two phases. The
/// log ends while the driver is loaded.
pub(crate) const FAILURES: &str = include_str!("../logs/failures.txt");

/// See the tests of `lifecycle`: there is a convoy in it, too.
pub(crate) const RECORDED: &str =
    include_str!("../../../lifecycle/tests/recordings/platform_and_bus.txt");

/// As above: a driver in C, recorded.
const DRIVER_IN_C: &str = include_str!("../../../lifecycle/tests/logs/c_driver_convoy.txt");

/// As above: with `initcall_debug`, from boot on.
const INITCALL_DEBUG: &str = include_str!("../../../lifecycle/tests/logs/initcall_debug.txt");

/// As above: dmesg with the calls of userspace.
const WITH_CALLS: &str = include_str!("../../../lifecycle/tests/logs/convoy_with_calls.txt");

/// Everything that there is, by name.
pub(crate) fn all() -> Vec<(&'static str, Vec<Event>)> {
    let mut all = vec![
        ("empty", Vec::new()),
        ("convoy", dmesg::parse(CONVOY).unwrap()),
        ("failures", dmesg::parse(FAILURES).unwrap()),
        ("recorded", recording::parse(RECORDED).unwrap()),
        ("driver in C", recording::parse(DRIVER_IN_C).unwrap()),
        ("initcall_debug", dmesg::parse(INITCALL_DEBUG).unwrap()),
        ("with calls", dmesg::parse(WITH_CALLS).unwrap()),
    ];
    for devices in [1, 8, 64, 512] {
        all.push(("many", dmesg::parse(&many(devices)).unwrap()));
    }
    all
}

/// So many devices in one insmod; each hundredth fails, and the last one has not ended.
pub(crate) fn many(devices: usize) -> String {
    let mut log =
        "[    1.000000] lifecycle: call_began call=insmod on=driver pid=9\n\
         [    1.000020] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=0.010\n"
            .to_owned();
    let prefix = "async_probe: timing:";
    for device in 0..devices {
        writeln!(
            log,
            "[    1.{:06}] {prefix} probe_began dev=d.{device} driver=d async=1 cpu=0 pid={} task=kworker/u8:{device}",
            100 + device * 10,
            100 + device
        )
        .unwrap();
    }
    for device in 0..devices.saturating_sub(1) {
        let ret = if device % 100 == 99 { -2 } else { 0 };
        let took = 500_000 + device * 13 % 1000;
        writeln!(
            log,
            "[    1.{:06}] {prefix} probe_ended dev=d.{device} driver=d ret={ret} ms={}",
            100 + device * 10 + took,
            Micros(took as u64),
        )
        .unwrap();
    }
    log
}
