// SPDX-License-Identifier: GPL-2.0

//! How bars look: one name for the style sheet, the legend and the patterns.

use lifecycle::life::{Kind, Span};

/// The looks of bars, by their names in the style sheet, and what each means, in the order of the
/// legend.
pub const LOOKS: [(&str, &str); 14] = [
    ("async", "asynchronous probe"),
    ("sync", "synchronous probe"),
    ("probe", "probe"),
    ("firmware", "firmware request"),
    ("second", "second phase"),
    ("remove", "remove"),
    ("waiting", "due, not begun"),
    ("call", "call of userspace"),
    ("init", "module init, exit"),
    ("boot", "boot until init"),
    ("register", "driver registration"),
    ("flush", "flush of async work"),
    ("work", "async work"),
    ("core", "driver core"),
];

/// How this bar looks: one of [`LOOKS`].
pub fn look(bar: &Span) -> &'static str {
    match (bar.kind, bar.asynchronous) {
        (Kind::Waiting, _) => "waiting",
        (Kind::Probe, Some(true)) => "async",
        (Kind::Probe, Some(false)) => "sync",
        // The log does not say how.
        (Kind::Probe, None) => "probe",
        (Kind::Firmware, _) => "firmware",
        (Kind::SecondPhase, _) => "second",
        (Kind::Remove, _) => "remove",
        (Kind::Call(_), _) => "call",
        (Kind::Init | Kind::Initcall | Kind::Rmmod, _) => "init",
        (Kind::Boot, _) => "boot",
        (Kind::Register | Kind::Unregister, _) => "register",
        (Kind::Flush, _) => "flush",
        (Kind::AsyncWork, _) => "work",
        // The rest are functions of the driver core.
        _ => "core",
    }
}

/// All classes of a bar: its look, whether it failed, whether the log ends before it does.
pub fn classes(bar: &Span) -> String {
    let mut classes = look(bar).to_owned();
    if failed(bar) {
        classes.push_str(" failed");
    }
    if bar.end.is_none() {
        classes.push_str(" open");
    }
    classes
}

/// `ENODEV` and `ENXIO`: the driver declines the device. The driver core does not report these as
/// errors (`call_driver_probe()` in drivers/base/dd.c).
const NOT_MINE: [i32; 2] = [-19, -6];

/// Whether it failed. A deferred probe counts as failed.
pub fn failed(bar: &Span) -> bool {
    let may_decline = matches!(bar.kind, Kind::Probe | Kind::Initcall);
    bar.ret
        .is_some_and(|ret| ret < 0 && !(may_decline && NOT_MINE.contains(&ret)))
}
