// SPDX-License-Identifier: GPL-2.0

//! The parser of what `dmesg` and the console print, with the lines of the dmesg interface v1
//! (`Documentation/dmesg-timing.rst`) and of `initcall_debug`.
//!
//! It reads `[   12.345678] text`, with the caller's column of `CONFIG_PRINTK_CALLER` or without,
//! after whatever a terminal, a syslog daemon or a test lab has put before it, and the records of
//! `/dev/kmsg`, `6,339,12345678,-;text`. Without printk's own time a log is refused: a daemon's
//! clock says when the daemon has read the line.
//!
//! Lines of others are ignored. A line of ours that it does not understand is an error, never
//! skipped: a log is either understood or refused. So is a log of which something is known to be
//! missing: half a last line, a gap in the sequence numbers of `/dev/kmsg`, or a console that says
//! that it dropped lines. And one that has been put together wrongly: a line that is there twice,
//! time that runs backwards by more than [`SKEW`], a task that returns from another call than it is
//! in. Times of others' lines do not count: a CPU that is being brought up prints with a clock of
//! its own (`kernel/sched/clock.c`).
//!
//! Lines bear no number and no checksum, except the number in `/dev/kmsg`. So what is cut off after
//! the end of a line reads as a shorter log, which is true as far as it goes, and what is missing
//! in the middle of a console's log may not be noticed here. It is for the laws to see: each
//! demands the end of what it judges. Lines of different devices and tasks less than [`SKEW`] apart
//! may change places, as they do when two CPUs print them. Where that is not enough, take a
//! [recording](super::recording).

use std::borrow::Cow;

use super::initcall_debug;
use super::kmsg::{Record, Records};
use super::message::{self, Message};
use super::note::Note;
use super::number::digits;
use super::order::Order;
use super::prefix;
use super::refusal::{Clock, Reason, Refusal};
use super::scan::{Given, Scan, Stamp};
use crate::event::{Event, What, KERNEL_PREFIX, USER_PREFIX};

pub use super::order::SKEW;
pub use super::prefix::message;

/// Reads the log of one boot line by line, as it is printed.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    line: usize,
    records: Records,
    order: Order,
}

impl Parser {
    /// Reads the next line, given without its line feed, and returns its event if it is of ours.
    ///
    /// # Errors
    ///
    /// [`Refusal`] if it is of ours and not understood, or contradicts the lines before it.
    pub fn line(&mut self, line: &str) -> Result<Option<Event>, Refusal> {
        self.line += 1;
        self.read(line)
            .map_err(|reason| Refusal::of_line(self.line, reason, line))
    }

    fn read(&mut self, line: &str) -> Result<Option<Event>, Reason> {
        let line = cleaned(line);
        let what = |message| match message {
            Message::Dropped => Err(Reason::Dropped),
            Message::Event(what) => Ok(Some(what)),
            _ => Ok(None),
        };
        let event = match Line::read(&line, &mut self.records, &mut String::new())? {
            Line::Message { stamp, message, .. } => match (what(message)?, stamp) {
                (Some(_), Stamp::Calendar(_)) => return Err(Reason::NoTime(Clock::Wall)),
                (what, stamp) => what.map(|what| Event {
                    time: stamp.time(),
                    what,
                }),
            },
            Line::Untimed(clock) => return Err(Reason::NoTime(clock)),
            Line::Lost => return Err(Reason::Dropped),
            Line::Behind(_) | Line::Other(_) | Line::Again | Line::Nothing => None,
        };
        if let Some(event) = &event {
            self.order.take(event)?;
        }
        Ok(event)
    }
}

/// Reads a log of one boot or of several, and returns the events of the last.
///
/// # Errors
///
/// [`Refusal`] for the first line that is wrong.
pub fn parse(log: &str) -> Result<Vec<Event>, Refusal> {
    let mut scan = Scan::new();
    read(log, &mut scan);
    let mut boots = scan.boots();
    let Some(mut boot) = boots.pop() else {
        return Ok(Vec::new());
    };
    boot.finish().map_err(|refusal| refusal.quoting(log))?;
    Ok(boot.events)
}

/// `Panic#2 Part1`, the head of a part of a log in pstore (`fs/pstore/platform.c`): what it is of,
/// and its number, which is 1 for the end of the log.
fn part(line: &str) -> Option<(&str, u32)> {
    let (of, number) = line.trim_end().split_once(" Part")?;
    let (reason, _) = of.split_once('#')?;
    let is_word = !reason.is_empty() && reason.bytes().all(|byte| byte.is_ascii_alphabetic());
    is_word.then_some((of, digits(number)?))
}

/// Reads all lines.
pub(super) fn read(log: &str, scan: &mut Scan) {
    let mut records = Records::default();
    let mut last = None;
    let mut previous = "";
    for (number, whole) in (1..).zip(log.split_inclusive('\n')) {
        let line = whole.strip_suffix('\n').unwrap_or(whole);
        let part = part(line);
        if let (Some((before, one)), Some((after, two))) = (last, part) {
            if before == after && one < two {
                return scan.refuse(number, Reason::Parts, line);
            }
        }
        last = part.or(last);
        if line.len() == whole.len() {
            if line.trim().is_empty() {
                return;
            }
            if is_cut(line, &records) {
                return scan.refuse(number, Reason::CutOff, line);
            }
            scan.note(Note::OpenEnd);
        }
        if is_of_another_boot(line) {
            scan.another();
        } else if let Some((times, again)) = repeated(line, previous) {
            for _ in 0..times {
                take(number, again, &mut records, scan);
            }
        } else {
            take(number, line, &mut records, scan);
            previous = line;
        }
    }
}

/// Whether journalctl says so: `-- Boot 0123456789abcdef0123456789abcdef --`, before systemd 242
/// `-- Reboot --`.
fn is_of_another_boot(line: &str) -> bool {
    let is_id = |id: &str| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    let words = line.trim_end().strip_prefix("-- ");
    let words = words.and_then(|words| words.strip_suffix(" --"));
    words.is_some_and(|words| words == "Reboot" || words.strip_prefix("Boot ").is_some_and(is_id))
}

/// What a syslog daemon has left out, and how often: `message repeated 2 times: [ text]` of
/// rsyslog, `last message repeated 2 times` of others. No boot repeats a line more often.
fn repeated<'a>(line: &'a str, previous: &'a str) -> Option<(usize, &'a str)> {
    const MOST: usize = 1000;
    let (before, rest) = line.split_once("message repeated ")?;
    let (times, rest) = rest.split_once(" times")?;
    let times = digits::<usize>(times)?.min(MOST);
    if before.ends_with("last ") {
        return Some((times, previous));
    }
    Some((
        times,
        rest.strip_prefix(": [")?.trim_end().strip_suffix(']')?,
    ))
}

/// Where a line of the console ends that lost its line feed, behind a text of ours that is whole,
/// and where the time of the next one is.
fn glued(line: &str) -> Option<(usize, usize)> {
    let mut lines = prefix::lines(line);
    let (first, second) = (lines.next()?, lines.next()?);
    let at = second.before.len();
    let from = line.len() - first.text.len();
    let text = line.get(from..at)?;
    // The level of the next one may be before its time.
    let text = match text
        .strip_suffix('>')
        .and_then(|text| text.rsplit_once('<'))
    {
        Some((text, level)) if digits::<u32>(level).is_some() => text,
        _ => text,
    };
    initcall_debug::parse(text.trim_end(), None).map(|_| (from + text.len(), at))
}

/// Reads one line.
pub(super) fn take(number: usize, line: &str, records: &mut Records, scan: &mut Scan) {
    let clean = cleaned(line);
    let mut rest: &str = &clean;
    while let Some((end, at)) = glued(rest) {
        take_one(number, &rest[..end], records, scan);
        rest = &rest[at..];
    }
    take_one(number, rest, records, scan);
}

/// Takes a line that is one.
fn take_one(number: usize, line: &str, records: &mut Records, scan: &mut Scan) {
    let given = |stamp, console| Given {
        number,
        line,
        stamp,
        console,
    };
    match Line::read(line, records, &mut String::new()) {
        Err(reason) => scan.refuse(number, reason, line),
        Ok(Line::Message {
            stamp,
            console,
            message,
            rest,
            garbled,
        }) => {
            if garbled {
                scan.garbled(number);
            }
            scan.message(given(stamp, console), message, rest);
        }
        Ok(Line::Other(of)) => scan.other(of.time, of.rest, !of.journal),
        Ok(Line::Behind(prefix)) => scan.behind(number, prefix, line),
        Ok(Line::Untimed(clock)) => scan.without_time(number, clock, line),
        Ok(Line::Again) => scan.again(),
        Ok(Line::Lost) => scan.refuse(number, Reason::Dropped, line),
        Ok(Line::Nothing) if is_left_out(line) => scan.left_out(number),
        Ok(Line::Nothing) => {}
    }
}

/// Whether the line says that others have been left out: `[...]`, `<snip>`, `8<---`,
/// `[truncated 20 lines]`.
fn is_left_out(line: &str) -> bool {
    const SAYS: &[&str] = &[
        "cut",
        "deleted",
        "elided",
        "lines",
        "omitted",
        "omitting",
        "removed",
        "snip",
        "snipped",
        "stripped",
        "trimmed",
        "truncated",
    ];
    let text = line
        .trim_start_matches(['>', '|', '#', '/', ' '])
        .trim_end();
    let inner = text.trim_matches(|c: char| "[](){}<> ".contains(c));
    let dots = if inner.len() < text.len() {
        ".."
    } else {
        "..."
    };
    if inner.starts_with(dots) && inner.chars().all(|c| c == '.') || inner == "…" {
        return true;
    }
    if text
        .replace(' ', "")
        .trim_start_matches('-')
        .starts_with("8<-")
    {
        return true;
    }
    // `[  OK  ] Removed slice` is no such line.
    let is_closed = match text.find([']', ')', '}', '>']) {
        Some(first) => !text.starts_with(['[', '(', '{', '<']) || !text[first..].contains(' '),
        None => true,
    };
    let is_set_apart = is_closed
        && text.starts_with(['[', '(', '{', '<', '*', '-', '#', '=', '~'])
        && line
            .trim_end()
            .ends_with([']', ')', '}', '>', '*', '-', '#', '=', '~']);
    let text = line.trim().to_lowercase();
    let words = || {
        text.split(|c: char| !c.is_alphanumeric())
            .filter(|word| !word.is_empty())
    };
    let has = |of: &[&str]| words().any(|word| of.contains(&word));
    let is_skipped = has(&["skipped", "skipping"]);
    let says = has(SAYS)
        || text.contains("left out")
        || words().next_back() == Some("more") && words().count() < 3
        || is_skipped && has(&["bytes", "characters", "output"]);
    says && is_set_apart
        || (says || is_skipped) && text.starts_with("...")
        || text.ends_with(" snip")
        || text.contains("output truncated")
}

/// A line without what a terminal has in it: a carriage return, and colours.
fn cleaned(line: &str) -> Cow<'_, str> {
    let line = line
        .trim_end_matches(['\r', '\0'])
        .trim_start_matches(['\r', '\0']);
    if !line.contains(['\u{1b}', '\u{9b}']) {
        return Cow::Borrowed(line);
    }
    let mut plain = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find(['\u{1b}', '\u{9b}']) {
        plain += &rest[..at];
        rest = behind(&rest[at..]);
    }
    plain += rest;
    Cow::Owned(plain)
}

/// What is behind an escape sequence (ECMA-48).
fn behind(sequence: &str) -> &str {
    let mut characters = sequence.chars();
    let first = match characters.next() {
        Some('\u{9b}') => Some('['),
        _ => characters.next(),
    };
    let rest = characters.as_str();
    // How much of the rest belongs to it.
    let length = match first {
        // A control sequence ends with a letter, the choice of a character set one later.
        Some('[') => rest
            .find(|c: char| c.is_ascii_alphabetic())
            .map(|at| at + 1),
        Some('(' | ')' | '*' | '+') => rest.chars().next().map(char::len_utf8),
        // A command for the terminal's own ends with a bell or another sequence.
        Some(']' | '_' | 'P' | '^') => rest
            .find(['\u{7}', '\u{1b}'])
            .map(|at| at + usize::from(rest[at..].starts_with('\u{7}'))),
        _ => Some(0),
    };
    length.map_or("", |length| &rest[length..])
}

/// What a line is.
enum Line<'a> {
    /// A message that counts, right behind its time, or in a record of `/dev/kmsg`.
    Message {
        stamp: Stamp,
        /// Two consoles may have printed it.
        console: bool,
        message: Message<'a>,
        /// All that is behind the time.
        rest: &'a str,
        /// Before it in the same line is the head of another.
        garbled: bool,
    },
    /// A line with a time, of others.
    Other(prefix::Line<'a>),
    /// A text of ours behind something that is behind the time.
    Behind(&'a str),
    /// A text of ours, without printk's time.
    Untimed(Clock),
    /// Lines are missing.
    Lost,
    /// The next line is the last one once more.
    Again,
    /// Something without a time.
    Nothing,
}

impl<'a> Line<'a> {
    fn timed(line: &prefix::Line<'a>, message: Message<'a>, garbled: bool) -> Self {
        Self::Message {
            stamp: match line.journal {
                true => Stamp::Journal(line.time),
                false => Stamp::Printk(line.time),
            },
            console: !line.journal && !line.before.contains("kernel:"),
            message,
            rest: line.rest,
            garbled,
        }
    }

    /// Reads a line; `text` is to have the text of a record.
    fn read(line: &'a str, records: &mut Records, text: &'a mut String) -> Result<Self, Reason> {
        if let Some(record) = Record::split(line) {
            let Some(whole) = records.take(&record)? else {
                return Ok(Self::Nothing);
            };
            *text = whole.text;
            return Ok(Self::Message {
                stamp: Stamp::Printk(whole.time),
                console: false,
                message: message::read(text, whole.caller)?,
                rest: text,
                garbled: false,
            });
        }
        if records.begun() {
            // The properties of a record follow it, each on a line that starts with a space.
            return match line.starts_with(' ') {
                true => Ok(Self::Nothing),
                false => Err(Reason::NotARecord),
            };
        }
        let mut first = None;
        let mut garbled = false;
        for line in prefix::lines(line) {
            if !message::counts(prefix::is_kernel(line.before), line.text) {
                return Ok(Self::Other(line));
            }
            if first.is_none() && !line.before.is_empty() && message::is_loss(line.before) {
                return Ok(Self::Lost);
            }
            match message::read(line.text, line.caller)? {
                Message::Other => first = first.or(Some(line)),
                // No name of the kernel's has a time in it.
                message
                    if matches!(message, Message::Garbled)
                        || matches!(message, Message::Event(What::Initcall(_)))
                            && prefix::lines(line.text).next().is_some() =>
                {
                    garbled = true;
                    first = first.or(Some(line));
                }
                message => return Ok(Self::timed(&line, message, garbled)),
            }
        }
        if let Some(first) = first {
            if garbled {
                return Ok(Self::timed(&first, Message::Other, garbled));
            }
            let behind = message::find(first.text).map(|at| &first.text[..at]);
            return Ok(
                match behind.filter(|before| !before.is_empty() && !is_of_pci(before)) {
                    Some(before) => Self::Behind(before),
                    None => Self::Other(first),
                },
            );
        }
        if let Some(line) = prefix::iso(line) {
            if !message::counts(prefix::is_kernel(line.before), line.text) {
                return Ok(Self::Nothing);
            }
            return Ok(Self::Message {
                stamp: Stamp::Calendar(line.time),
                console: false,
                message: message::read(line.text, line.caller)?,
                rest: line.text,
                garbled: false,
            });
        }
        Ok(match message::find(line) {
            Some(at) if is_of_pci(&line[..at]) => Self::Nothing,
            Some(at) => Self::Untimed(Clock::of(&line[..at])),
            None if message::is_in_milliseconds(line) => return Err(Reason::Milliseconds),
            None if message::is_loss(line) || message::is_loss_of_daemon(line) => Self::Lost,
            None if message::is_replay(line) => Self::Again,
            None => Self::Nothing,
        })
    }
}

/// Whether it is what `initcall_debug` prints of a quirk (`drivers/pci/quirks.c`,
/// fixup_debug_start()): `pci 0000:00:1f.0: calling  quirk_f+0x0/0x10 @ 1`.
fn is_of_pci(before: &str) -> bool {
    let device = before
        .strip_suffix(": ")
        .and_then(|of| of.rsplit(' ').next());
    let (address, function) = device
        .and_then(|of| of.rsplit_once('.'))
        .unwrap_or_default();
    digits::<u8>(function).is_some() && address.split(':').count() == 3
}

/// Whether the last line, which has no end, may have been one of ours that says something else.
fn is_cut(line: &str, records: &Records) -> bool {
    // A record, or its head.
    let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if records.begun()
        || Record::split(line).is_some()
        || line.split(',').next().is_some_and(is_number)
    {
        return true;
    }
    let line = cleaned(line);
    let text = match prefix::lines(&line).last() {
        Some(line) => line.text,
        None => match prefix::iso(&line) {
            Some(line) => line.text,
            // Perhaps a time that is cut.
            None => {
                let time = line.rsplit_once('[').map_or("", |(_, time)| time);
                let is_time = |c: char| c.is_ascii_digit() || matches!(c, ' ' | '.' | ']');
                return line.contains('[') && time.chars().all(is_time)
                    || message::find(&line).is_some();
            }
        },
    };
    let ours = |prefix: &str| prefix.starts_with(text) || text.starts_with(prefix);
    ours(KERNEL_PREFIX) || ours(USER_PREFIX) || initcall_debug::may_become(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Micros;

    #[test]
    fn left_out() {
        for line in [
            "[...]",
            "> [ ... ]",
            "....",
            "# ...",
            "[..]",
            "<snip>",
            "// snip",
            "*snip*",
            "8<--------",
            "---8<---",
            "8< - - -",
            "--More--",
            "-- Lines 20-50 omitted --",
            "(many more)",
            "[deleted]",
            "[left out]",
            "(omitting USB stuff)",
            "...skipping...",
            "... (1234 lines omitted) ...",
            "*** WARNING: skipped 123456 bytes of output ***",
            "#### OUTPUT TRUNCATED ####",
            "[[truncated 12345 lines]]",
            "Full output truncated (23 lines hidden), use '-vv' to show",
        ] {
            assert!(is_left_out(line), "{line}");
        }
        for line in [
            "",
            "```",
            "~~~",
            "---",
            "cut",
            "# cut",
            "$ more",
            "file removed",
            "-- Reboot --",
            "8",
            "$ dmesg",
            "[  OK  ] Removed slice Slice /system/modprobe.",
            "|      ..         |",
            "[  OK  ] Removed slice a[1]",
            ". ..",
            "....+++++",
            "* Skipping /dev/sda1: mounted.",
            "fsck.ext4: skipping journal replay ...",
            "mdadm: more than one array found ...",
            "Filesystem truncated",
            "-- more info at http://x --",
            "** Skipping **",
            "[skipped]",
            "systemd-fsck[322]: /dev/sda1: log truncated",
            "Starting Cleanup of removed files...",
            "(initramfs) more /proc/modules;",
        ] {
            assert!(!is_left_out(line), "{line}");
        }
    }

    /// `tests/forms.txt` has all that a whole log may be made of.
    #[test]
    fn line_by_line() {
        // The name of a task may end with a blank.
        const BEGAN: &str =
            "async_probe: timing: probe_began dev=d driver=d async=0 cpu=0 pid=1 task=c ";
        let mut parser = Parser::default();
        assert_eq!(parser.line("[   12.345678] x"), Ok(None));
        let event = parser.line(&format!("[   12.345678] {BEGAN}\r")).unwrap();
        let event = event.unwrap();
        assert_eq!(event.time, Micros(12_345_678));
        assert_eq!(event.what.to_string(), BEGAN);
        let refusal = parser.line(BEGAN).unwrap_err();
        assert_eq!(refusal.line, Some(3));
        assert_eq!(refusal.reason, Reason::NoTime(Clock::None));
        assert_eq!(parser.line(""), Ok(None));
    }
}
