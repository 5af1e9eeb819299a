// SPDX-License-Identifier: GPL-2.0

//! How bars look: one name for the style sheet, the legend and the patterns.

use lifecycle::life::{Kind, Span};

/// The looks of bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Look {
    /// A device waits for its probe.
    Waiting,
    /// An asynchronous probe.
    Async,
    /// A synchronous probe.
    Sync,
    /// A probe; the log does not say how.
    Probe,
    /// A request of firmware.
    Firmware,
    /// The second phase of a probe.
    SecondPhase,
    /// The end of a binding.
    Remove,
    /// A call of userspace.
    Call,
    /// Init or exit of a module, or an initcall.
    Init,
    /// The kernel's boot after its initcalls.
    Boot,
    /// Registration or unregistration of a driver.
    Register,
    /// Waiting for async work.
    Flush,
    /// Async work.
    Work,
    /// Another function of the driver core.
    Core,
}

impl Look {
    /// All of them, in the order of the legend.
    pub const ALL: [Self; 14] = [
        Self::Async,
        Self::Sync,
        Self::Probe,
        Self::Firmware,
        Self::SecondPhase,
        Self::Remove,
        Self::Waiting,
        Self::Call,
        Self::Init,
        Self::Boot,
        Self::Register,
        Self::Flush,
        Self::Work,
        Self::Core,
    ];

    /// How this bar looks.
    pub fn of(bar: &Span) -> Self {
        match (bar.kind, bar.asynchronous) {
            (Kind::Waiting, _) => Self::Waiting,
            (Kind::Probe, Some(true)) => Self::Async,
            (Kind::Probe, Some(false)) => Self::Sync,
            (Kind::Probe, None) => Self::Probe,
            (Kind::Firmware, _) => Self::Firmware,
            (Kind::SecondPhase, _) => Self::SecondPhase,
            (Kind::Remove, _) => Self::Remove,
            (Kind::Call(_), _) => Self::Call,
            (Kind::Init | Kind::Initcall | Kind::Rmmod, _) => Self::Init,
            (Kind::Boot, _) => Self::Boot,
            (Kind::Register | Kind::Unregister, _) => Self::Register,
            (Kind::Flush, _) => Self::Flush,
            (Kind::AsyncWork, _) => Self::Work,
            // The rest are functions of the driver core.
            _ => Self::Core,
        }
    }

    /// Its name in the style sheet.
    pub fn class(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Async => "async",
            Self::Sync => "sync",
            Self::Probe => "probe",
            Self::Firmware => "firmware",
            Self::SecondPhase => "second",
            Self::Remove => "remove",
            Self::Call => "call",
            Self::Init => "init",
            Self::Boot => "boot",
            Self::Register => "register",
            Self::Flush => "flush",
            Self::Work => "work",
            Self::Core => "core",
        }
    }

    /// Its name in the legend.
    pub fn legend(self) -> &'static str {
        match self {
            Self::Waiting => "due, not begun",
            Self::Async => "asynchronous probe",
            Self::Sync => "synchronous probe",
            Self::Probe => "probe",
            Self::Firmware => "firmware request",
            Self::SecondPhase => "second phase",
            Self::Remove => "remove",
            Self::Call => "call of userspace",
            Self::Init => "module init, exit",
            Self::Boot => "boot until init",
            Self::Register => "driver registration",
            Self::Flush => "flush of async work",
            Self::Work => "async work",
            Self::Core => "driver core",
        }
    }
}

/// All classes of a bar: its look, whether it failed, whether the log ends before it does.
pub fn classes(bar: &Span) -> String {
    let mut classes = Look::of(bar).class().to_owned();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_look_has_its_own_names() {
        for (at, look) in Look::ALL.iter().enumerate() {
            for other in &Look::ALL[..at] {
                assert_ne!(look.class(), other.class());
                assert_ne!(look.legend(), other.legend());
            }
        }
    }
}
