// SPDX-License-Identifier: GPL-2.0

//! What a reader of a report has to know of the log.

use std::fmt;

/// One fact about a log that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// Of several boots in the log, this one has been read, from 1.
    Boot {
        /// The number of the boot.
        number: usize,
        /// How many there are.
        of: usize,
        /// How many of those after it have no line of ours.
        empty: usize,
    },
    /// Whether so many devices were bound is not known.
    UnknownOutcomes(usize),
    /// So many lines are those of a second console.
    Copies(usize),
    /// From this line on a second console has printed the boot once more.
    Replayed(usize),
    /// The log begins within this line.
    HeadCut(usize),
    /// The last line has no end.
    OpenEnd,
    /// Times count from the first line, and not from the start of the kernel.
    FromFirstLine,
    /// Lines have something between time and text, and are not read.
    Behind {
        /// How many.
        lines: usize,
        /// The number of the first.
        first: usize,
    },
    /// Init functions took much less by the kernel's own measure than by the times of their lines.
    Jumps {
        /// How many.
        calls: usize,
        /// The number of the line at which the first returned.
        first: usize,
    },
    /// Lines begin as those of `initcall_debug` do, and another text is in them.
    Garbled {
        /// How many.
        lines: usize,
        /// The number of the first.
        first: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boot { number, of, empty } => {
                write!(f, "boot {number} of the {of} in the log")?;
                match empty {
                    0 => Ok(()),
                    1 => f.write_str(": the one after it has no line about probes"),
                    more => write!(f, ": the {more} after it have no line about probes"),
                }
            }
            Self::UnknownOutcomes(probes) => write!(
                f,
                "whether {probes} of the probes bound their devices is not known: a result of 0 is \
                 success since Linux 5.14 and failure before it, and the log does not say which \
                 kernel printed it"
            ),
            Self::Copies(lines) => write!(
                f,
                "{lines} lines are not counted: two consoles have printed each line"
            ),
            Self::Replayed(line) => write!(
                f,
                "from line {line} on a second console prints the boot once more: this is not counted"
            ),
            Self::HeadCut(line) => write!(f, "the log begins within line {line}, which is not read"),
            Self::OpenEnd => f.write_str("the last line has no end and may be cut off"),
            Self::FromFirstLine => f.write_str(
                "times count from the first line of the log, not from the start of the kernel",
            ),
            Self::Behind { lines, first } => write!(
                f,
                "{lines} lines are not read, line {first} first: another text stands between the \
                 time and the kernel's message"
            ),
            Self::Jumps { calls, first } => write!(
                f,
                "how long {calls} init functions took is not certain, that of line {first} first: \
                 much less by the kernel's own measure than by the times of their lines, as where \
                 one of the two clocks is set or stands still meanwhile"
            ),
            Self::Garbled { lines, first } => write!(
                f,
                "{lines} lines are not read, line {first} first: they begin as a line of \
                 initcall_debug and do not end as one, so that a probe or an initcall is missing"
            ),
        }
    }
}
