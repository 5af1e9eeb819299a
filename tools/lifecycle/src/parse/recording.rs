// SPDX-License-Identifier: GPL-2.0

//! Recordings as text: what tracefs prints, between lines that say whether it is whole.
//!
//! ```text
//! # lifecycle: recording 1 kernel=7.3.4 clock=global
//! # entries-in-buffer/entries-written: 2/2   #P:2
//! insmod-110  [001] .....    16.122233: init: (do_init_module+0x0/0x250) mod="async_probe"
//! insmod-110  [001] .l...    16.122272: init_end: (load_module+0xd6/0x130 <- do_init_module) ret=0
//! # lifecycle: cpu=0 entries=2 overrun=0 commit_overrun=0 dropped=0
//! # lifecycle: event=init hits=1 missed=0
//! # lifecycle: event=init_end hits=1 missed=0
//! # lifecycle: end crc32=1c291ca3
//! ```
//!
//! A recording of a boot has ` points=some` behind the clock: the points without a line about their
//! events were not recorded. Other texts that were collected with it stand before the seal, each
//! behind a line `# lifecycle: part=NAME lines=N`.
//!
//! The middle is the file `trace` of tracefs (`Documentation/trace/ftrace.rst`). printk's lines are
//! in it too, as the events `console` of the kernel's own tracepoint: they come from the same
//! buffer and carry the same clock, so that nothing has to be merged. Trace clock `global` and
//! printk both read `sched_clock_cpu()`.
//!
//! A recording is refused unless the kernel is of a series in which the points have been checked,
//! each CPU's buffer was read to its end with nothing lost, each event is there as often as its
//! kprobe was hit with no hit missed (of one with a filter, not more often), nothing is out of
//! order, what returns has begun, and the checksum at its end is right.
//!
//! No recording that is cut off, or has lines gone, added, changed or moved, is read: the checksum
//! at its end tells. Behind a checksum that has been made again, events are still counted and the
//! times are in order, so that a line that is gone, there once more or in another's place is
//! noticed; only the order of what happened in one microsecond is then not known. A recording of
//! another version, of a kernel whose series is not in `series.rs`, with an event that is not in
//! [`DEFINITIONS`], with a key that the event does not have, or of another function, is refused,
//! and the error names it.

use std::collections::BTreeMap;
use std::fmt;

use super::message::{self, Message};
use super::number::{digits, seconds};
use super::refusal::{Reason, Refusal};
use crate::event::definitions::{all, DEFINITIONS, WATCHES};
use crate::event::point::{Definition, Point, Returns, Value};
use crate::event::{write_fetched, Event, Fetched, Recorded, Side, SmolStr, What};
use crate::micros::Micros;
use crate::probe_type::ProbeType;
use crate::probing::Probing;
use crate::series;

const OURS: &str = "# lifecycle: ";

/// Puts the seal on a recording that is complete but for its last line.
#[must_use]
pub fn seal(mut text: String) -> String {
    let checksum = crc32fast::hash(text.as_bytes());
    text.push_str(&format!("{OURS}end crc32={checksum:08x}\n"));
    text
}

/// What a recording begins with.
pub const FIRST: &str = "# lifecycle: recording ";

/// What its first line ends with if the kernel has `CONFIG_DEBUG_TEST_DRIVER_REMOVE`.
const TWICE: &str = " probing=twice";

/// What stands behind the clock in the first line if some of the points were not recorded.
const SOME: &str = " points=some";

/// The first line of a recording of these points.
pub fn header(kernel: &str, probing: Probing, points: &[Definition]) -> String {
    let is_there = |of: &Definition| points.iter().any(|one| one.point == of.point);
    let some = if !DEFINITIONS.iter().all(is_there) {
        SOME
    } else {
        ""
    };
    let probing = match probing {
        Probing::Once => "",
        Probing::Twice => TWICE,
    };
    format!("{FIRST}1 kernel={kernel} clock=global{some}{probing}\n")
}

/// The release of the kernel of a recording, as its first line says.
pub(super) fn kernel(text: &str) -> Option<&str> {
    let (_, release) = text.strip_prefix(FIRST)?.split_once("kernel=")?;
    release.split_whitespace().next()
}

/// How often the kernel of a recording probes, as its first line says.
pub fn probing(text: &str) -> Probing {
    match text.lines().next() {
        Some(first) if first.starts_with(FIRST) && first.ends_with(TWICE) => Probing::Twice,
        _ => Probing::Once,
    }
}

/// What the kernel counted for one CPU's buffer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// Events in it.
    pub entries: u64,
    /// Events overwritten.
    pub overrun: u64,
    /// Events that came while a page was being written.
    pub commit_overrun: u64,
    /// Events for which there was no room.
    pub dropped: u64,
}

/// The line about a CPU's buffer.
pub fn buffer_line(cpu: u32, buffer: Buffer) -> String {
    let Buffer {
        entries,
        overrun,
        commit_overrun,
        dropped,
    } = buffer;
    format!(
        "{OURS}cpu={cpu} entries={entries} overrun={overrun} commit_overrun={commit_overrun} dropped={dropped}\n"
    )
}

/// The line about an event's kprobe.
pub fn kprobe_line(event: &str, hits: u64, missed: u64) -> String {
    format!("{OURS}event={event} hits={hits} missed={missed}\n")
}

/// A part of a recording that is no trace: what else was collected on the machine. It stands before
/// the seal.
pub fn part(name: &str, text: &str) -> String {
    let lines = text.lines().count();
    let end = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{OURS}part={name} lines={lines}\n{text}{end}")
}

/// The parts of a recording that are no trace: name and text.
///
/// # Errors
///
/// That the recording is not sealed, or that a part is cut off.
pub fn parts(text: &str) -> Result<Vec<(&str, &str)>, Refusal> {
    let mut reader = Reader {
        line: 0,
        text,
        rest: text,
    };
    reader.sealed()?;
    let mut parts = vec![];
    while let Some(line) = reader.next() {
        let ours = line.strip_prefix(OURS);
        if let Some(ours) = ours.filter(|ours| ours.starts_with("part=")) {
            let part = reader.part(ours);
            parts.push(part.map_err(|reason| reader.error(reason, line))?);
        }
    }
    Ok(parts)
}

/// The points that were recorded: what is not among them cannot be seen.
pub fn points(text: &str) -> Vec<Point> {
    if !text
        .lines()
        .next()
        .is_some_and(|first| first.contains(SOME))
    {
        return DEFINITIONS.iter().map(|of| of.point).collect();
    }
    let events = text.lines().filter_map(|line| {
        let event = line.strip_prefix(OURS)?.strip_prefix("event=")?;
        definition(event.split(' ').next()?)
    });
    let mut points: Vec<Point> = events.map(|of| of.point).collect();
    points.sort();
    points.dedup();
    points
}

/// Reads a recording.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Vec<Event>, Refusal> {
    let mut reader = Reader {
        line: 0,
        text,
        rest: text,
    };
    reader.sealed()?;
    reader.lost()?;
    let mut trace = Trace::default();
    let mut tally = Tally {
        some: reader.head()?,
        ..Tally::default()
    };
    while let Some(line) = reader.next() {
        let read = match line.strip_prefix(OURS) {
            Some(line) if line.starts_with("part=") => reader.part(line).map(drop),
            Some(line) => tally.line(line),
            None if tally.begun() => Err(Reason::Expected("a line of ours")),
            None => trace.line(line),
        };
        read.map_err(|reason| reader.error(reason, line))?;
    }
    let last = reader.line;
    tally
        .compare(&trace)
        .map_err(|reason| Refusal::of_line(last, reason, ""))?;
    Ok(trace.events)
}

/// The events of a trace that is not sealed. What is not understood is left out.
pub(super) fn cut(lines: impl Iterator<Item = String>) -> Vec<Event> {
    let mut trace = Trace::default();
    for line in lines {
        let _ = trace.line(&line);
    }
    trace.events
}

/// Hands out lines.
struct Reader<'a> {
    line: usize,
    text: &'a str,
    rest: &'a str,
}

impl<'a> Reader<'a> {
    fn error(&self, reason: Reason, text: &str) -> Refusal {
        Refusal::of_line(self.line, reason, text)
    }

    fn next(&mut self) -> Option<&'a str> {
        let (line, rest) = self.rest.split_once('\n')?;
        self.line += 1;
        self.rest = rest;
        Some(line)
    }

    /// Checks the last line and leaves what is before it.
    fn sealed(&mut self) -> Result<(), Refusal> {
        let lines = self.text.lines().count();
        let wrong = |reason, text: &str| Err(Refusal::of_line(lines.max(1), reason, text));
        let Some(body) = self.text.strip_suffix('\n') else {
            return wrong(
                Reason::Unsealed,
                self.text.lines().last().unwrap_or_default(),
            );
        };
        let at = body.rfind('\n').map_or(0, |at| at + 1);
        let (before, last) = body.split_at(at);
        let checksum = last
            .strip_prefix(OURS)
            .and_then(|last| last.strip_prefix("end crc32="))
            .filter(|checksum| checksum.len() == 8)
            .and_then(|checksum| u32::from_str_radix(checksum, 16).ok());
        let Some(checksum) = checksum else {
            return wrong(Reason::Unsealed, last);
        };
        let found = crc32fast::hash(before.as_bytes());
        if found != checksum {
            return wrong(Reason::Altered(found), last);
        }
        self.rest = before;
        Ok(())
    }

    /// Whether a CPU lost events. What was lost shows in the trace first, as a function that
    /// returns and has not begun.
    fn lost(&self) -> Result<(), Refusal> {
        for (at, line) in self.rest.lines().enumerate() {
            let counted = line
                .strip_prefix(OURS)
                .filter(|line| line.starts_with("cpu="))
                .map(|line| Tally::default().line(line));
            if let Some(Err(Reason::Lost)) = counted {
                return Err(Refusal::of_line(at + 1, Reason::Lost, line));
            }
        }
        Ok(())
    }

    /// Checks the first line; returns whether some of the points were not recorded.
    fn head(&mut self) -> Result<bool, Refusal> {
        let line = self.next().unwrap_or_default();
        let rest = line
            .strip_prefix(FIRST)
            .and_then(|line| line.strip_prefix("1 kernel="))
            .map(|line| line.strip_suffix(TWICE).unwrap_or(line));
        let some = rest.is_some_and(|rest| rest.ends_with(SOME));
        let kernel = rest
            .map(|rest| rest.strip_suffix(SOME).unwrap_or(rest))
            .and_then(|rest| rest.strip_suffix(" clock=global"))
            .filter(|kernel| !kernel.contains(' '));
        let Some(kernel) = kernel else {
            return Err(self.error(Reason::NotARecording, line));
        };
        if series::of(kernel).is_some() || some && series::is_recorded_in_part(kernel) {
            Ok(some)
        } else {
            Err(self.error(Reason::UnknownKernel(kernel.to_owned()), line))
        }
    }

    /// Skips a part that is no trace; returns its name and its text.
    fn part(&mut self, line: &'a str) -> Result<(&'a str, &'a str), Reason> {
        let (name, lines) = line
            .strip_prefix("part=")
            .and_then(|line| line.split_once(" lines="))
            .and_then(|(name, lines)| Some((name, digits::<usize>(lines)?)))
            .ok_or(Reason::Expected("a part and the number of its lines"))?;
        let text = self.rest;
        for _ in 0..lines {
            self.next()
                .ok_or(Reason::Expected("as many lines as the part has"))?;
        }
        Ok((name, &text[..text.len() - self.rest.len()]))
    }
}

/// The events, as they are read.
#[derive(Default)]
struct Trace {
    events: Vec<Event>,
    /// How often each event was there; `console` and the CPUs too.
    events_of: BTreeMap<String, u64>,
    cpus: BTreeMap<u32, u64>,
    written: Option<(u64, u64)>,
    time: Micros,
    /// The functions that each task is in, innermost last.
    open: BTreeMap<u32, Vec<Point>>,
    /// The last line was printk's, and may go on.
    console: bool,
}

impl Trace {
    fn line(&mut self, line: &str) -> Result<(), Reason> {
        if line.starts_with('#') {
            return self.comment(line);
        }
        if line.contains("LOST") && line.ends_with("EVENTS]") {
            return Err(Reason::Lost);
        }
        let Some(head) = Head::split(line) else {
            // printk's own lines may contain line feeds.
            return if self.console {
                Ok(())
            } else {
                Err(Reason::Expected("an event"))
            };
        };
        if head.time < self.time {
            return Err(Reason::OutOfOrder(self.time));
        }
        self.time = head.time;
        *self.cpus.entry(head.cpu).or_default() += 1;
        self.console = head.event == "console";
        if self.console {
            let message = message::read(head.rest, Some(head.pid))?;
            if let Message::Event(what) = message {
                self.events.push(Event {
                    time: head.time,
                    what,
                });
            }
            return Ok(());
        }
        let recorded = head.recorded()?;
        *self.events_of.entry(head.event.to_owned()).or_default() += 1;
        self.nest(&recorded)?;
        self.events.push(Event {
            time: head.time,
            what: What::Recorded(recorded),
        });
        Ok(())
    }

    /// `# entries-in-buffer/entries-written: 176/176   #P:2` is the only comment that counts.
    fn comment(&mut self, line: &str) -> Result<(), Reason> {
        let Some(numbers) = line.strip_prefix("# entries-in-buffer/entries-written: ") else {
            return Ok(());
        };
        let numbers = numbers
            .split_once(' ')
            .and_then(|(numbers, _)| numbers.split_once('/'))
            .and_then(|(there, written)| {
                Some((there.parse::<u64>().ok()?, written.parse::<u64>().ok()?))
            });
        if self.written.is_some() || !self.cpus.is_empty() {
            return Err(Reason::Expected("one head of the trace"));
        }
        self.written = Some(numbers.ok_or(Reason::Expected("the numbers of entries"))?);
        Ok(())
    }

    /// What returns is what the task is in.
    fn nest(&mut self, recorded: &Recorded) -> Result<(), Reason> {
        let point = recorded.point;
        let open = self.open.entry(recorded.pid).or_default();
        match recorded.side {
            Side::Begins(_) => {
                if point.definition().returns != Returns::Unseen {
                    open.push(point);
                }
                Ok(())
            }
            Side::Returns { .. } => match open.pop() {
                Some(innermost) if innermost == point => Ok(()),
                _ => Err(Reason::NotBegun(point)),
            },
        }
    }
}

/// The columns before an event's own text.
struct Head<'a> {
    task: &'a str,
    pid: u32,
    cpu: u32,
    time: Micros,
    event: &'a str,
    rest: &'a str,
}

impl<'a> Head<'a> {
    /// `  task-pid  [cpu] flags  seconds.micros: event: rest`; the task may contain anything.
    fn split(line: &'a str) -> Option<Self> {
        line.match_indices('-')
            .take_while(|(at, _)| *at <= TASK_COLUMNS)
            .find_map(|(at, _)| Self::split_at(line, at))
    }

    fn split_at(line: &'a str, at: usize) -> Option<Self> {
        let task = line[..at].trim_start_matches(' ');
        let (pid, rest) = line[at + 1..].split_once(' ')?;
        let rest = rest.trim_start_matches(' ').strip_prefix('[')?;
        let (cpu, rest) = rest.split_once("] ")?;
        let (flags, rest) = rest.split_once(' ')?;
        if flags.len() != 5 || cpu.len() < 3 {
            return None;
        }
        let (time, rest) = rest.trim_start_matches(' ').split_once(": ")?;
        let (event, rest) = rest.split_once(':')?;
        Some(Self {
            task,
            pid: digits(pid)?,
            cpu: digits(cpu)?,
            time: seconds(time)?,
            event,
            rest: rest.strip_prefix(' ').unwrap_or(rest),
        })
    }

    fn recorded(&self) -> Result<Recorded, Reason> {
        let definition =
            definition(self.event).ok_or_else(|| Reason::UnknownEvent(self.event.to_owned()))?;
        let rest = self
            .rest
            .strip_prefix('(')
            .ok_or(Reason::Expected("a place"))?;
        let (place, rest) = rest.split_once(')').ok_or(Reason::Expected("a place"))?;
        let side = if self.event == definition.event {
            let (function, _offset) = place
                .split_once('+')
                .ok_or(Reason::Expected("a place in a function"))?;
            same_function(definition, function)?;
            Side::Begins(Box::new(fetched(definition, rest)?))
        } else {
            let (caller, function) = place
                .split_once(" <- ")
                .ok_or(Reason::Expected("a caller"))?;
            same_function(definition, function)?;
            Side::Returns {
                caller: caller.into(),
                ret: result(definition, rest)?,
            }
        };
        Ok(Recorded {
            task: self.task.into(),
            pid: self.pid,
            cpu: self.cpu,
            point: definition.point,
            side,
        })
    }
}

/// tracefs gives the task 16 columns, or as many as it needs; its name has 15 bytes.
const TASK_COLUMNS: usize = 16;

/// The definition that has this event.
fn definition(event: &str) -> Option<&'static Definition> {
    all().find(|definition| {
        event == definition.event
            || (definition.returns != Returns::Unseen
                && event.strip_suffix("_end") == Some(definition.event))
    })
}

/// What the event is of is what it should be.
fn same_function(definition: &Definition, function: &str) -> Result<(), Reason> {
    if definition.is_in(function) {
        Ok(())
    } else {
        Err(Reason::UnknownFunction {
            expected: definition.function,
            found: function.to_owned(),
        })
    }
}

fn result(definition: &Definition, rest: &str) -> Result<Option<i32>, Reason> {
    let ret = rest.strip_prefix(" ret=");
    match (definition.returns, ret) {
        (Returns::Result, Some(ret)) => ret
            .parse()
            .map(Some)
            .map_err(|_| Reason::Expected("a result")),
        (Returns::Nothing, None) if rest.is_empty() => Ok(None),
        _ => Err(Reason::Expected("a result where there is one")),
    }
}

/// Reads ` key=value key=value`, all of the definition's keys in its order.
fn fetched(definition: &Definition, mut rest: &str) -> Result<Fetched, Reason> {
    let mut fetched = Fetched::default();
    for (at, (key, expression, value)) in definition.fetch.iter().enumerate() {
        rest = rest
            .strip_prefix(' ')
            .and_then(|rest| rest.strip_prefix(key))
            .and_then(|rest| rest.strip_prefix('='))
            .ok_or(Reason::Key(key))?;
        let next = definition.fetch.get(at + 1).map(|(key, ..)| *key);
        let text;
        (text, rest) = split_value(rest, next, expression.ends_with("string"))
            .ok_or(Reason::Key(next.unwrap_or(key)))?;
        put(&mut fetched, *value, text)?;
    }
    if rest.is_empty() {
        Ok(fetched)
    } else {
        Err(Reason::Expected("the end of the line"))
    }
}

/// Splits the value off. Only symbols and strings contain spaces; a string ends where the next key
/// begins, as names may contain quotation marks.
fn split_value<'a>(rest: &'a str, next: Option<&str>, string: bool) -> Option<(&'a str, &'a str)> {
    match next {
        None => Some((rest, "")),
        Some(next) if string && rest.starts_with('"') => {
            let at = rest.find(&format!("\" {next}="))? + 1;
            Some(rest.split_at(at))
        }
        Some(next) => Some(rest.split_at(rest.find(&format!(" {next}="))?)),
    }
}

fn put(fetched: &mut Fetched, value: Value, text: &str) -> Result<(), Reason> {
    match value {
        Value::Device => fetched.device = string(text)?,
        Value::Driver => fetched.driver = string(text)?,
        Value::Name => fetched.name = string(text)?,
        Value::At => fetched.at = Some(pointer(text)?),
        Value::By => fetched.by = Some(pointer(text)?),
        Value::Bus => fetched.bus = Some(pointer(text)?),
        Value::ProbeType => fetched.probe_type = Some(probe_type(text)?),
        Value::Asked => fetched.asked = string(text)?,
        Value::Domain => fetched.domain = Some(pointer(text)?),
        Value::Function => fetched.function = Some(symbol(text)?),
        Value::Caller => fetched.caller = Some(symbol(text)?),
        Value::Node => {
            let node = text.parse().map_err(|_| Reason::Expected("a node"))?;
            fetched.node = Some(node);
        }
    }
    Ok(())
}

fn string(text: &str) -> Result<Option<SmolStr>, Reason> {
    if text == "(fault)" {
        return Ok(None);
    }
    text.strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .map(|text| Some(text.into()))
        .ok_or(Reason::Expected("a string"))
}

/// In the kernel's order.
fn probe_type(text: &str) -> Result<ProbeType, Reason> {
    digits::<usize>(text)
        .and_then(|number| ProbeType::ALL.get(number).copied())
        .ok_or(Reason::Expected("a probe type"))
}

fn pointer(text: &str) -> Result<u64, Reason> {
    text.strip_prefix("0x")
        .filter(|digits| {
            digits
                .bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        })
        .and_then(|digits| u64::from_str_radix(digits, 16).ok())
        .ok_or(Reason::Expected("a pointer"))
}

fn symbol(text: &str) -> Result<SmolStr, Reason> {
    if text.is_empty() || text.contains('=') {
        Err(Reason::Expected("a symbol"))
    } else {
        Ok(text.into())
    }
}

/// An event as tracefs prints it.
struct Line<'a>(&'a Event);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { time, what } = self.0;
        let time = format!("{:5}.{:06}", time.seconds(), time.subsec_micros());
        let What::Recorded(recorded) = what else {
            return writeln!(
                f,
                "{:>16}-{:<7} [000] ..... {time}: console: {what}",
                "sh", 1
            );
        };
        let Recorded {
            task,
            pid,
            cpu,
            point,
            side,
        } = recorded;
        let definition = point.definition();
        let function = definition.function;
        write!(f, "{task:>16}-{pid:<7} [{cpu:03}] ..... {time}: {point}")?;
        match side {
            Side::Begins(fetched) => {
                write!(f, ": ({function}+0x0/0x10)")?;
                write_fetched(f, definition, fetched)?;
            }
            Side::Returns { caller, ret } => {
                write!(f, "_end: ({caller} <- {function})")?;
                ret.map_or(Ok(()), |ret| write!(f, " ret={ret}"))?;
            }
        }
        writeln!(f)
    }
}

/// Writes events as a recording of a kernel that probes once, sealed. For tests, and for recordings
/// that are to be doctored.
pub fn write(kernel: &str, events: &[Event]) -> String {
    write_of(kernel, Probing::Once, events)
}

/// Writes events as a recording of a kernel that probes so often, sealed.
pub fn write_of(kernel: &str, probing: Probing, events: &[Event]) -> String {
    let entries = events.len();
    let mut text = header(kernel, probing, DEFINITIONS);
    text += &format!(
        "# tracer: nop\n#\n# entries-in-buffer/entries-written: {entries}/{entries}   #P:1\n#\n"
    );
    let mut buffers = BTreeMap::from([(0, Buffer::default())]);
    let mut hits: BTreeMap<String, u64> = BTreeMap::new();
    for event in events {
        text += &Line(event).to_string();
        let cpu = match &event.what {
            What::Recorded(recorded) => {
                let name = match recorded.side {
                    Side::Begins(_) => recorded.point.definition().event.to_owned(),
                    Side::Returns { .. } => recorded.point.definition().end(),
                };
                *hits.entry(name).or_default() += 1;
                recorded.cpu
            }
            _ => 0,
        };
        buffers.entry(cpu).or_default().entries += 1;
    }
    for (cpu, buffer) in buffers {
        text += &buffer_line(cpu, buffer);
    }
    for event in all().flat_map(Definition::events) {
        text += &kprobe_line(&event, hits.get(&event).copied().unwrap_or(0), 0);
    }
    seal(text)
}

/// What the kernel counted.
#[derive(Default)]
struct Tally {
    /// Some of the points were not recorded.
    some: bool,
    cpus: BTreeMap<u32, u64>,
    hits: BTreeMap<String, u64>,
}

impl Tally {
    fn begun(&self) -> bool {
        !self.cpus.is_empty()
    }

    fn line(&mut self, line: &str) -> Result<(), Reason> {
        let mut words = line.split(' ');
        let mut value = |key: &str| {
            words
                .next()
                .and_then(|word| word.strip_prefix(key)?.strip_prefix('='))
        };
        if line.starts_with("cpu=") {
            let mut number = |key| value(key).and_then(digits::<u64>);
            let numbers = (|| {
                let cpu = u32::try_from(number("cpu")?).ok()?;
                let entries = number("entries")?;
                let lost = [
                    number("overrun")?,
                    number("commit_overrun")?,
                    number("dropped")?,
                ];
                Some((cpu, entries, lost))
            })();
            let (cpu, entries, lost) = numbers.ok_or(Reason::Expected("what a CPU counted"))?;
            if lost != [0; 3] {
                return Err(Reason::Lost);
            }
            if !self.hits.is_empty() || self.cpus.insert(cpu, entries).is_some() {
                return Err(Reason::Expected("each CPU once"));
            }
        } else {
            let event = value("event").map(str::to_owned);
            let mut number = |key| value(key).and_then(digits::<u64>);
            let (hits, missed) = (number("hits"), number("missed"));
            let (Some(event), Some(hits), Some(missed)) = (event, hits, missed) else {
                return Err(Reason::Expected("what a kprobe counted"));
            };
            // What is filtered is a timer of the kernel's own most of the time.
            if missed != 0 && !definition(&event).is_some_and(Definition::is_filtered) {
                return Err(Reason::Missed { event, missed });
            }
            if !self.begun() || self.hits.insert(event, hits).is_some() {
                return Err(Reason::Expected("each event once"));
            }
        }
        if words.next().is_some() {
            return Err(Reason::Expected("the end of the line"));
        }
        Ok(())
    }

    /// What is there is what was counted.
    fn compare(&self, trace: &Trace) -> Result<(), Reason> {
        let count = |what: &str, expected, found| {
            if expected == found {
                Ok(())
            } else {
                Err(Reason::Count {
                    what: what.to_owned(),
                    expected,
                    found,
                })
            }
        };
        let all = trace.cpus.values().sum();
        let (there, written) = trace
            .written
            .ok_or(Reason::Expected("the numbers of entries"))?;
        count("entries", there, all)?;
        if there != written {
            return Err(Reason::Lost);
        }
        for cpu in self.cpus.keys().chain(trace.cpus.keys()) {
            let of = |cpus: &BTreeMap<u32, u64>| cpus.get(cpu).copied().unwrap_or(0);
            count(&format!("CPU {cpu}"), of(&self.cpus), of(&trace.cpus))?;
        }
        for event in DEFINITIONS.iter().flat_map(Definition::events) {
            let found = trace.events_of.get(&event).copied().unwrap_or(0);
            let hits = self.hits.get(&event).copied();
            // Without probes there is nothing to be told.
            if hits.is_none() && (!self.some || event == Point::Probe.definition().event) {
                return Err(Reason::Count {
                    what: event,
                    expected: 0,
                    found,
                });
            }
            count(&event, hits.unwrap_or(0), found)?;
        }
        // A recording of a checked driver has these too. A filter leaves some of the hits out.
        for (watch, event) in WATCHES
            .iter()
            .flat_map(|of| of.events().map(move |event| (of, event)))
        {
            let found = trace.events_of.get(&event).copied().unwrap_or(0);
            match self.hits.get(&event).copied() {
                Some(hits) if watch.is_filtered() && found < hits => {}
                hits => count(&event, hits.unwrap_or(0), found)?,
            }
        }
        let unknown = self.hits.keys().find(|event| definition(event).is_none());
        unknown.map_or(Ok(()), |event| Err(Reason::UnknownEvent(event.clone())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = include_str!("../../tests/recordings/platform_and_bus.txt");

    /// The recording without its seal.
    fn body() -> &'static str {
        &GOOD[..GOOD.rfind("# lifecycle: end").unwrap()]
    }

    fn reason(body: &str) -> Reason {
        parse(&seal(body.to_owned())).unwrap_err().reason
    }

    #[test]
    fn a_recording_of_a_real_kernel() {
        let events = parse(GOOD).unwrap();
        let at = events
            .iter()
            .position(|event| matches!(&event.what, What::Recorded(of) if of.point == Point::Probe))
            .unwrap();
        assert_eq!(
            events[at].to_string(),
            "[    7.699095] kworker/u8:0-12 [001] probe dev=\"slow_platform.0\" at=0xff11000008093c10 drv=\"slow_platform\" by=0xffffffffc02270d8"
        );
        // printk's line follows in its place.
        assert_eq!(
            events[at + 1].what.to_string(),
            "async_probe: timing: probe_began dev=slow_platform.0 driver=slow_platform async=1 cpu=1 pid=12 task=kworker/u8:0"
        );
    }

    #[test]
    fn points_of_another_table_do_not_count() {
        let mut points = [DEFINITIONS, WATCHES].concat();
        let head = |points: &[Definition]| header("7.3.4", Probing::Once, points);
        assert!(!head(&points).contains(SOME));
        points.remove(0);
        assert!(head(&points).contains(SOME));
    }

    #[test]
    fn some_points_and_parts() {
        let whole = body().replacen(" clock=global", " clock=global points=some", 1);
        let whole = whole + &part("modules", "a 1 0\n# lifecycle: cpu=0\nb 2 0") + &part("no", "");
        let sealed = seal(whole.clone());
        assert_eq!(parse(&sealed), parse(GOOD));
        assert_eq!(
            parts(&sealed),
            Ok(vec![
                ("modules", "a 1 0\n# lifecycle: cpu=0\nb 2 0\n"),
                ("no", "")
            ])
        );
        assert_eq!(points(&sealed).len(), DEFINITIONS.len());
        let fewer = whole.replace("# lifecycle: event=run", "# lifecycle: event=ran");
        assert!(!points(&seal(fewer)).contains(&Point::Run));
        // A kernel that is known in part is known for nothing else.
        let older = |text: &str| text.replacen("kernel=7.3.4+deb13", "kernel=6.11.1+deb13", 1);
        assert!(parse(&seal(older(&whole))).is_ok());
        assert!(matches!(
            reason(&older(body())),
            Reason::UnknownKernel(kernel) if kernel.starts_with("6.11.1")
        ));
        // Probes are always among the points, and nothing that was recorded is without its count.
        let without = |event: &str| {
            let lines = whole.split_inclusive('\n');
            let rest: String = lines.filter(|line| !line.contains(event)).collect();
            reason(&rest)
        };
        for event in ["event=probe hits", "event=bound hits"] {
            assert!(matches!(without(event), Reason::Count { .. }), "{event}");
        }
        assert_eq!(
            reason(&(whole.clone() + "# lifecycle: part=x lines=3\na\n")),
            Reason::Expected("as many lines as the part has")
        );
        assert_eq!(
            reason(&(whole + "# lifecycle: part=x\n")),
            Reason::Expected("a part and the number of its lines")
        );
    }

    #[test]
    fn columns() {
        let line = "      a-1 [2] b-42      [013] d.h1. 1234567.000001: freed: (device_release+0x4/0x90) dev=\"x\" y\" at=0xd0";
        let head = Head::split(line).unwrap();
        assert_eq!((head.task, head.pid, head.cpu), ("a-1 [2] b", 42, 13));
        assert_eq!(head.time, Micros(1_234_567_000_001));
        let Side::Begins(fetched) = head.recorded().unwrap().side else {
            panic!();
        };
        assert_eq!(fetched.device.as_deref(), Some("x\" y"));
        assert_eq!(fetched.at, Some(0xd0));

        for line in [
            "",
            "-",
            "a-1",
            "a-1 [000] ..... 1.5: x:",
            "a-1 [000] .. 1.000005: x:",
        ] {
            assert!(Head::split(line).is_none(), "{line}");
        }
    }

    #[test]
    fn written_and_read() {
        let events = parse(GOOD).unwrap();
        assert_eq!(parse(&write("7.2.12", &events)).unwrap(), events);
        assert_eq!(parse(&write("7.2.12", &[])).unwrap(), []);
    }
}
