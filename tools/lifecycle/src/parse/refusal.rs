// SPDX-License-Identifier: GPL-2.0

//! Why a log is refused.

use crate::event::Point;
use crate::micros::Micros;

/// Why a log was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}{}", self.place(), self.quoted())]
pub struct Refusal {
    /// Number of the line, from 1; none if the reason is no single line's.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: Reason,
    /// The line.
    pub text: String,
}

impl Refusal {
    /// Of the log as a whole.
    pub(super) fn of_all(reason: Reason) -> Self {
        Self {
            line: None,
            reason,
            text: String::new(),
        }
    }

    /// Of a line, numbered from 1.
    pub(super) fn of_line(line: usize, reason: Reason, text: &str) -> Self {
        Self {
            line: Some(line),
            reason,
            text: text.to_owned(),
        }
    }

    fn place(&self) -> String {
        self.line
            .map_or(String::new(), |line| format!("line {line}: "))
    }

    fn quoted(&self) -> String {
        match self.line {
            Some(_) => format!(": `{}`", self.text),
            None => String::new(),
        }
    }
}

/// What can be wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// There is nothing in it.
    #[error(
        "none of its {0} lines is of a driver that prints its timing (`async_probe: timing: ...`), \
         of a recording (`# lifecycle: recording ...`) or of a kernel with initcall_debug \
         (`probe of ... returned ...`)"
    )]
    Nothing(usize),
    /// The log ends in the middle of a line.
    #[error("the line is cut off")]
    CutOff,
    /// A line of ours carries no timestamp (`printk.time=0`), or that of another clock
    /// (`dmesg --ctime`).
    #[error("the line has no timestamp of printk's, `[   12.345678]` (take the log with `dmesg`, without options)")]
    NoTime,
    /// A word names no event.
    #[error("unknown event `{0}`")]
    UnknownEvent(String),
    /// A key is missing, unknown, or not where it belongs.
    #[error("expected `{0}=` here")]
    Key(&'static str),
    /// A value is not what its key calls for.
    #[error("`{key}={value}` is not {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What the value should have been.
        expected: &'static str,
    },
    /// The line goes on after its last key.
    #[error("`{0}` follows the last key")]
    Trailing(String),
    /// A line is not as the kernel prints it.
    #[error("expected {0}")]
    Expected(&'static str),
    /// Records of `/dev/kmsg` are missing.
    #[error("records are missing: expected number {expected}, found {found}")]
    Gap {
        /// The sequence number that should have come.
        expected: u64,
        /// The sequence number that came.
        found: u64,
    },
    /// The console dropped lines.
    #[error("the console dropped lines")]
    Dropped,
    /// Amid records of `/dev/kmsg`, a line that is none.
    #[error("not a record of /dev/kmsg")]
    NotARecord,
    /// Time runs backwards: lines have changed places, or the machine has booted again.
    #[error("out of order, or of another boot: {0} came before")]
    OutOfOrder(Micros),
    /// The same event at the same time.
    #[error("the line is there twice")]
    Twice,
    /// A task begins a call within a call.
    #[error("task {0} begins a call and has not returned from another")]
    InACall(u32),
    /// A task returns from what it has not called.
    #[error("task {0} returns from a call that it has not begun")]
    NotCalled(u32),
    /// A recording does not end with the line that seals it.
    #[error("the recording is cut off")]
    Unsealed,
    /// The checksum is wrong: something has been changed, moved, added or taken away.
    #[error("the recording has been altered: expected checksum {0:08x}")]
    Altered(u32),
    /// It does not begin as a recording does.
    #[error("not a recording that this version reads")]
    NotARecording,
    /// The points have not been checked in this kernel.
    #[error("unknown kernel `{0}`")]
    UnknownKernel(String),
    /// Events were lost.
    #[error("events were lost")]
    Lost,
    /// A kprobe missed hits.
    #[error("{missed} hits of `{event}` were missed")]
    Missed {
        /// The event.
        event: String,
        /// How many.
        missed: u64,
    },
    /// The number of events is not what the kernel counted.
    #[error("{found} of `{what}`, expected {expected}")]
    Count {
        /// Of what.
        what: String,
        /// How many the kernel counted.
        expected: u64,
        /// How many there are.
        found: u64,
    },
    /// An event that is of another function than the one that is recorded under its name.
    #[error("`{found}` in the place of `{expected}`")]
    UnknownFunction {
        /// The function of that event.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A function returns that has not begun.
    #[error("`{0}` returns and has not begun")]
    NotBegun(Point),
}

impl Reason {
    /// What to type next.
    pub fn next(&self) -> &'static str {
        match self {
            Self::Nothing(_) => {
                "take the log of such a driver, a recording, or boot with initcall_debug on the \
                 command line (Documentation/report.rst)"
            }
            Self::Unsealed
            | Self::Altered(_)
            | Self::NotARecording
            | Self::UnknownKernel(_)
            | Self::Lost
            | Self::Missed { .. }
            | Self::Count { .. }
            | Self::UnknownFunction { .. }
            | Self::NotBegun(_) => {
                "record again: a recording is sealed, and refused if anything is missing or altered"
            }
            _ => {
                "take the log again, whole: `dmesg >file`, or `cat /dev/kmsg >file` beside the run"
            }
        }
    }
}
