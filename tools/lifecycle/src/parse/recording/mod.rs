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
//! printk both read `sched_clock_cpu()`. After hibernation that clock goes back by the time in
//! which the image was made; `global` stands still meanwhile, and `mono` goes back, too.
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

mod tally;
mod trace;
mod write;

use super::number::digits;
use super::refusal::{Reason, Refusal};
use crate::event::definitions::DEFINITIONS;
use crate::event::point::Point;
use crate::event::Event;
use crate::probing::Probing;
use crate::series;
use tally::Tally;
use trace::{definition, Trace};
pub use write::{buffer_line, header, kprobe_line, part, seal, write, write_of, Buffer};

const OURS: &str = "# lifecycle: ";

/// What a recording begins with.
pub const FIRST: &str = "# lifecycle: recording ";

/// What its first line ends with if the kernel has `CONFIG_DEBUG_TEST_DRIVER_REMOVE`.
const TWICE: &str = " probing=twice";

/// What stands behind the clock in the first line if some of the points were not recorded.
const SOME: &str = " points=some";

/// The release of the kernel of a recording, as its first line says.
pub(super) fn kernel(text: &str) -> Option<&str> {
    let (_, release) = text.strip_prefix(FIRST)?.split_once("kernel=")?;
    release.split_whitespace().next()
}

/// How often the kernel of a recording probes, as its first line says.
pub fn probing(text: &str) -> Probing {
    let first = text.lines().next().unwrap_or_default();
    match first.starts_with(FIRST) && first.ends_with(TWICE) {
        true => Probing::Twice,
        false => Probing::Once,
    }
}

/// The parts of a recording that are no trace: name and text.
///
/// # Errors
///
/// That the recording is not sealed, or that a part is cut off.
pub fn parts(text: &str) -> Result<Vec<(&str, &str)>, Refusal> {
    let mut reader = Reader::of_sealed(text)?;
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
    let first = text.lines().next().unwrap_or_default();
    if !first.contains(SOME) {
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
    let mut reader = Reader::of_sealed(text)?;
    reader.lost()?;
    let mut trace = Trace::default();
    let mut tally = Tally::default();
    tally.some = reader.head()?;
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

    /// Checks the last line; what is before it is to be read.
    fn of_sealed(text: &'a str) -> Result<Self, Refusal> {
        let lines = text.lines().count();
        let wrong = |reason, text: &str| Err(Refusal::of_line(lines.max(1), reason, text));
        let Some(body) = text.strip_suffix('\n') else {
            return wrong(Reason::Unsealed, text.lines().last().unwrap_or_default());
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
        Ok(Self {
            line: 0,
            rest: before,
        })
    }

    /// Whether a CPU lost events. What was lost shows in the trace first, as a function that
    /// returns and has not begun.
    fn lost(&self) -> Result<(), Refusal> {
        let is_lost = |line: &str| {
            let counted = line.strip_prefix(OURS);
            let counted = counted.filter(|line| line.starts_with("cpu="));
            counted.is_some_and(|line| Tally::default().line(line) == Err(Reason::Lost))
        };
        let mut lines = (1..).zip(self.rest.lines());
        let lost = lines.find(|(_, line)| is_lost(line));
        lost.map_or(Ok(()), |(at, line)| {
            Err(Refusal::of_line(at, Reason::Lost, line))
        })
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
        if series::is_supported(kernel) || some && series::is_recorded_in_part(kernel) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::What;

    const GOOD: &str = include_str!("../../../tests/recordings/platform_and_bus.txt");

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
        assert_eq!(parse(&write("7.2.12", &events)).unwrap(), events);
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
}
