// SPDX-License-Identifier: GPL-2.0

//! The lines of a recording that are not tracefs's, and whole recordings for tests.

use std::collections::BTreeMap;
use std::fmt;

use super::{FIRST, OURS, SOME, TWICE};
use crate::event::definitions::{all, DEFINITIONS};
use crate::event::point::Definition;
use crate::event::{write_fetched, Event, Recorded, Side, What};
use crate::probing::Probing;

/// Puts the seal on a recording that is complete but for its last line.
#[must_use]
pub fn seal(mut text: String) -> String {
    let checksum = crc32fast::hash(text.as_bytes());
    text.push_str(&format!("{OURS}end crc32={checksum:08x}\n"));
    text
}

/// The first line of a recording of these points.
pub fn header(kernel: &str, probing: Probing, points: &[Definition]) -> String {
    let is_there = |of: &Definition| points.iter().any(|one| one.point == of.point);
    let some = match DEFINITIONS.iter().all(is_there) {
        true => "",
        false => SOME,
    };
    let probing = match probing {
        Probing::Once => "",
        Probing::Twice => TWICE,
    };
    format!("{FIRST}1 kernel={kernel} clock=global{some}{probing}\n")
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
    format!(
        "{OURS}cpu={cpu} entries={} overrun={} commit_overrun={} dropped={}\n",
        buffer.entries, buffer.overrun, buffer.commit_overrun, buffer.dropped
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
    let end = match text.is_empty() || text.ends_with('\n') {
        true => "",
        false => "\n",
    };
    format!("{OURS}part={name} lines={lines}\n{text}{end}")
}

/// An event as tracefs prints it.
struct Line<'a>(&'a Event);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event { time, what } = self.0;
        let time = time.printk();
        let What::Recorded(recorded) = what else {
            return writeln!(
                f,
                "{:>16}-{:<7} [000] ..... {time:>12}: console: {what}",
                "sh", 1
            );
        };
        let Recorded {
            pid, cpu, point, ..
        } = recorded;
        let task = &recorded.task;
        let definition = point.definition();
        let function = definition.function;
        write!(
            f,
            "{task:>16}-{pid:<7} [{cpu:03}] ..... {time:>12}: {point}"
        )?;
        match &recorded.side {
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

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;
    use crate::event::definitions::WATCHES;
    use crate::event::point::Point;
    use crate::event::resource::{Resource, Step};
    use crate::event::{Recorded, Side};
    use crate::{Micros, What};

    #[test]
    fn points_of_another_table_do_not_count() {
        let mut points = [DEFINITIONS, WATCHES].concat();
        let head = |points: &[Definition]| header("7.3.4", Probing::Once, points);
        assert!(!head(&points).contains(SOME));
        points.remove(0);
        assert!(head(&points).contains(SOME));
    }

    /// The filter of a kprobe leaves the beginning out, and that of the return has none.
    #[test]
    fn the_return_of_what_was_left_out_does_not_count() {
        let returns = |point| {
            let recorded = Recorded {
                task: "task".into(),
                pid: 7,
                cpu: 0,
                point,
                side: Side::Returns {
                    caller: "f+0x1/0x2".into(),
                    ret: Some(0),
                },
            };
            let event = Event {
                time: Micros(1),
                what: What::Recorded(recorded),
            };
            parse(&write("7.3.4", &[event]))
        };
        assert_eq!(
            returns(Point::Of(Resource::SysrqKey, Step::Starts)),
            Ok(vec![])
        );
        assert!(returns(Point::Of(Resource::Queue, Step::Starts)).is_err());
    }
}
