// SPDX-License-Identifier: GPL-2.0

//! Why a log is refused.

use super::prefix;
use crate::event::Point;
use crate::micros::Micros;

/// Why a log was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}{}", self.place(), printable(&reason.to_string(), usize::MAX), self.quoted())]
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

    /// What to type next.
    pub fn next(&self) -> String {
        match (&self.reason, self.line) {
            (Reason::Between(prefix), _) => format!(
                r"take it off: `sed 's/\(\[ *[0-9]*\.[0-9]*[^]]*\]{} *\){}/\1/' LOG >FILE`",
                columns(&self.text),
                pattern(prefix)
            ),
            (Reason::Behind(suffix), _) => {
                format!("take it off: `sed 's/{}$//' LOG >FILE`", pattern(suffix))
            }
            // Each of these programs has these options.
            (Reason::Compressed(name, _), _) => {
                format!("decompress it, and name what comes out: `{name} -dc FILE >LOG`")
            }
            (Reason::OutOfOrder(_), Some(line)) => format!(
                "if the machine has booted again there, cut off what is before: `sed -n '{line},$p' \
                 LOG >FILE`; else take the log again, whole: `dmesg >FILE`"
            ),
            (reason, _) => reason.next().to_owned(),
        }
    }

    /// With the text of the line.
    pub(super) fn quoting(mut self, log: &str) -> Self {
        if let (Some(line), true) = (self.line, self.text.is_empty()) {
            self.text = log.lines().nth(line - 1).unwrap_or_default().to_owned();
        }
        self
    }

    fn place(&self) -> String {
        self.line
            .map_or(String::new(), |line| format!("line {line}: "))
    }

    fn quoted(&self) -> String {
        match self.line {
            Some(_) if !self.text.is_empty() => format!(": `{}`", printable(&self.text, MOST)),
            _ => String::new(),
        }
    }
}

/// A text as a pattern of sed's, between quotation marks of the shell's.
fn pattern(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        match c {
            // The time, the task or the CPU, which each line has others of.
            '0'..='9' if pattern.ends_with("[0-9]*") => {}
            '0'..='9' => pattern.push_str("[0-9]*"),
            '.' | '[' | ']' | '*' | '^' | '$' | '/' | '\\' => pattern.extend(['\\', c]),
            '\'' => pattern.push('.'),
            c if c.is_control() => pattern.push('.'),
            c => pattern.push(c),
        }
    }
    pattern
}

/// The columns between the time and the text of a line, as such a pattern: in brackets may be the
/// name of a task, which other lines have others of.
fn columns(line: &str) -> String {
    let line = prefix::lines(line).next();
    let columns = line.map_or("", |line| &line.rest[..line.rest.len() - line.text.len()]);
    let mut of = String::new();
    for part in columns.split_inclusive(']') {
        let (before, bracket) = match part.split_once('[') {
            Some((before, _)) => (before, r" *\[[^]]*\]"),
            None => (part, ""),
        };
        for word in before.split_whitespace() {
            of.extend([" *", &pattern(word)]);
        }
        of.push_str(bracket);
    }
    of
}

/// How much of a line is quoted.
const MOST: usize = 200;

/// A text for a terminal: nothing that the terminal would act upon, and no more than so many
/// characters.
fn printable(line: &str, most: usize) -> String {
    let escaped = line.chars().map(|c| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    });
    let mut text: String = escaped.take(most).collect();
    if line.chars().nth(most).is_some() {
        text.push_str("...");
    }
    text
}

/// What can be wrong with a log.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The text of each says what it is.
pub enum Reason {
    #[error(
        "none of its {0} lines is of a driver that prints its timing (`async_probe: timing: ...`), \
         of a recording (`# lifecycle: recording ...`) or of a kernel with initcall_debug \
         (`probe of ... returned ...`)"
    )]
    Nothing(usize),
    #[error("the log has no boot {wanted}: it has {has}")]
    NoSuchBoot { wanted: usize, has: usize },
    #[error("the file is not text: {0}")]
    NotText(&'static str),
    #[error("the file is compressed with {0} and cannot be decompressed: {1}")]
    Compressed(&'static str, String),
    /// The log is in JSON, or in YAML that has JSON in it, and damaged.
    #[error("the JSON is damaged: {0}")]
    Json(String),
    #[error("the line is cut off")]
    CutOff,
    #[error("the line has no timestamp of printk's, `[   12.345678]`: {0}")]
    NoTime(Clock),
    #[error("`{0}` stands between the time and the kernel's message, and is not known")]
    Between(String),
    #[error("`{0}` stands behind the kernel's message, and is not known")]
    Behind(String),
    #[error(
        "the parts of the log are in the wrong order: pstore numbers them from the last one on"
    )]
    Parts,
    #[error("the time is in milliseconds, as very old kernels print it: too coarse")]
    Milliseconds,
    #[error("the log contradicts itself: {0}")]
    Contradiction(String),
    #[error("unknown event `{0}`")]
    UnknownEvent(String),
    /// A key is missing, unknown, or not where it belongs.
    #[error("expected `{0}=` here")]
    Key(&'static str),
    #[error("`{key}={value}` is not {expected}")]
    BadValue {
        key: &'static str,
        value: String,
        expected: &'static str,
    },
    #[error("`{0}` follows the last key")]
    Trailing(String),
    #[error("expected {0}")]
    Expected(&'static str),
    #[error("records are missing: expected number {expected}, found {found}")]
    Gap { expected: u64, found: u64 },
    #[error("a fragment of the record is missing")]
    Fragment,
    /// The console dropped lines, or a daemon that reads them did.
    #[error("messages are missing, as it says")]
    Dropped,
    #[error("not a record of /dev/kmsg")]
    NotARecord,
    /// Time runs backwards: lines have changed places, or the machine has booted again.
    #[error("out of order, or of another boot: {} s came before", .0.printk())]
    OutOfOrder(Micros),
    /// The last line comes first, as where the journal or a web page lists the newest first.
    #[error("the last line comes first")]
    Backwards,
    #[error("the line is there twice")]
    Twice,
    #[error("task {0} begins a call and has not returned from another")]
    InACall(u32),
    #[error("task {0} returns from a call that it has not begun")]
    NotCalled(u32),
    #[error("the recording is cut off")]
    Unsealed,
    #[error("the recording has been altered: expected checksum {0:08x}")]
    Altered(u32),
    /// It does not begin as a recording does.
    #[error("not a recording that this version reads")]
    NotARecording,
    /// The points have not been checked in this kernel.
    #[error("unknown kernel `{0}`")]
    UnknownKernel(String),
    #[error("events were lost")]
    Lost,
    /// A kprobe missed hits.
    #[error("{missed} hits of `{event}` were missed")]
    Missed { event: String, missed: u64 },
    #[error("{found} of `{what}`, expected {expected}")]
    Count {
        what: String,
        expected: u64,
        found: u64,
    },
    /// An event that is of another function than the one that is recorded under its name.
    #[error("`{found}` in the place of `{expected}`")]
    UnknownFunction {
        expected: &'static str,
        found: String,
    },
    #[error("`{0}` returns and has not begun")]
    NotBegun(Point),
}

/// The clock of a line that has no time of printk's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)] // The text of each says what it is.
pub enum Clock {
    #[error("it has no time")]
    None,
    /// A calendar's, in whole seconds.
    #[error("the time is that of a calendar, to the second")]
    Wall,
    #[error("it has the time since the line before, which is lost where lines are left out")]
    Delta,
    /// That of a daemon, when it has read the line.
    #[error("the time is when the journal or a syslog daemon read the line")]
    Journal,
    /// The same, in the form of printk's.
    #[error(
        "the times are when journald read the lines, as the boot does not begin at 0 (systemd 256 \
         and newer prints these for `-o short-monotonic`)"
    )]
    Monotonic,
    #[error("the time in brackets is not printk's")]
    Other,
    #[error("the time is Android's log daemon's, to the millisecond")]
    Logcat,
}

impl Clock {
    /// What stands before the text, told by its form.
    pub(super) fn of(before: &str) -> Self {
        let before = before.trim_end();
        let ends_in_bracket = before.ends_with(']');
        let bracket = before.rsplit_once('[').map_or("", |(_, bracket)| bracket);
        if before.ends_with("kernel:") || before.ends_with("kernel[n/a]:")
            // RFC 5424.
            || before.contains(" kernel - ")
        {
            Self::Journal
        } else if ends_in_bracket && bracket.trim_start().starts_with(['+', '<']) {
            Self::Delta
        } else if ends_in_bracket && bracket.contains(':') {
            Self::Wall
        } else if before.ends_with(':') && is_logcat(before) {
            Self::Logcat
        } else if ends_in_bracket
            && bracket
                .trim_start()
                .starts_with(|c: char| c.is_ascii_digit())
        {
            Self::Other
        } else {
            Self::None
        }
    }

    fn next(self) -> &'static str {
        match self {
            Self::None => {
                "take the log with `dmesg >FILE`; where that has no times either, boot with \
                 printk.time=1 on the kernel's command line"
            }
            Self::Wall | Self::Delta | Self::Other => {
                "take the log with `dmesg >FILE`, without options for the time"
            }
            Self::Journal | Self::Monotonic => {
                "take the log with `journalctl -k -b -o json >FILE`, which has printk's times (-b -1 \
                 is the boot before), or with `dmesg >FILE`"
            }
            Self::Logcat => "take the log with `adb shell dmesg >FILE`",
        }
    }
}

/// `11-22 06:43:01.123     0     0 I         :`, `1.000     0     0 I :` and `I/        (    0):`.
fn is_logcat(before: &str) -> bool {
    let level = |word: &str| matches!(word, "V" | "D" | "I" | "W" | "E" | "F");
    let brief = |text: &str| text.split_once('/').is_some_and(|(first, _)| level(first));
    brief(before) && before.contains('(')
        || before
            .trim_start()
            .starts_with(|c: char| c.is_ascii_digit())
            && before.split_whitespace().any(level)
}

impl Reason {
    /// What to type next, where no more of the refusal is needed.
    fn next(&self) -> &'static str {
        match self {
            Self::Nothing(_) => {
                "take the log of such a driver, a recording, or boot with initcall_debug on the \
                 command line (Documentation/report.rst)"
            }
            Self::NoSuchBoot { .. } => "give `--boot` a number from 1 to that",
            Self::NotText(_) => "name a file of text: `dmesg >FILE`",
            Self::Json(_) => {
                "take the log again, whole: `dmesg --json >FILE`, or `journalctl -k -b -o json >FILE`"
            }
            Self::NoTime(clock) => clock.next(),
            Self::Parts => "put them together the other way round: `cat $(ls -r dmesg-*) >FILE`",
            Self::Backwards => "turn it round: `tac LOG >FILE`",
            Self::Milliseconds => "take the log of a kernel that prints `usecs`",
            Self::Dropped => {
                "take the log with `dmesg >FILE` after the boot: the kernel's buffer has the lines \
                 that a slow console drops, if log_buf_len=16M on the command line made it large \
                 enough"
            }
            Self::CutOff => {
                "take the log again, whole, without a mailer or an editor that wraps lines: \
                 `dmesg >FILE`"
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
            _ => "take the log again, whole: `dmesg >FILE`, or `cat /dev/kmsg >FILE` from the start",
        }
    }
}
