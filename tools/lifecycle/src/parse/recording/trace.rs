// SPDX-License-Identifier: GPL-2.0

//! The middle of a recording: the lines of tracefs.

use std::collections::BTreeMap;

use crate::event::definitions::all;
use crate::event::point::{Definition, Point, Returns, Value};
use crate::event::{Event, Fetched, Recorded, Side, SmolStr, What};
use crate::micros::Micros;
use crate::parse::message::{self, Message};
use crate::parse::number::{digits, seconds};
use crate::parse::refusal::Reason;
use crate::probe_type::ProbeType;

/// The events, as they are read.
#[derive(Default)]
pub(super) struct Trace {
    pub(super) events: Vec<Event>,
    /// How often each event was there; `console` and the CPUs too.
    pub(super) events_of: BTreeMap<String, u64>,
    pub(super) cpus: BTreeMap<u32, u64>,
    pub(super) written: Option<(u64, u64)>,
    time: Micros,
    /// The functions that each task is in, innermost last.
    open: BTreeMap<u32, Vec<Point>>,
    /// The last line was printk's, and may go on.
    console: bool,
}

impl Trace {
    pub(super) fn line(&mut self, line: &str) -> Result<(), Reason> {
        if line.starts_with('#') {
            return self.comment(line);
        }
        if line.contains("LOST") && line.ends_with("EVENTS]") {
            return Err(Reason::Lost);
        }
        let Some(head) = Head::split(line) else {
            // printk's own lines may contain line feeds.
            return match self.console {
                true => Ok(()),
                false => Err(Reason::Expected("an event")),
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
        if self.nest(&recorded)? {
            self.events.push(Event {
                time: head.time,
                what: What::Recorded(recorded),
            });
        }
        Ok(())
    }

    /// `# entries-in-buffer/entries-written: 176/176   #P:2` is the only comment that counts.
    fn comment(&mut self, line: &str) -> Result<(), Reason> {
        let Some(numbers) = line.strip_prefix("# entries-in-buffer/entries-written: ") else {
            return Ok(());
        };
        let numbers = numbers.split_once(' ').and_then(|(numbers, _)| {
            let (there, written) = numbers.split_once('/')?;
            Some((there.parse().ok()?, written.parse().ok()?))
        });
        if self.written.is_some() || !self.cpus.is_empty() {
            return Err(Reason::Expected("one head of the trace"));
        }
        self.written = Some(numbers.ok_or(Reason::Expected("the numbers of entries"))?);
        Ok(())
    }

    /// What returns is what the task is in; whether it counts.
    fn nest(&mut self, recorded: &Recorded) -> Result<bool, Reason> {
        let point = recorded.point;
        let open = self.open.entry(recorded.pid).or_default();
        match recorded.side {
            Side::Begins(_) => {
                if point.definition().returns != Returns::Unseen {
                    open.push(point);
                }
                Ok(true)
            }
            // A filter has left the beginning out.
            Side::Returns { .. }
                if open.last() != Some(&point) && point.definition().is_filtered() =>
            {
                Ok(false)
            }
            Side::Returns { .. } => match open.pop() {
                Some(innermost) if innermost == point => Ok(true),
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
        let place = self.rest.strip_prefix('(');
        let place = place.and_then(|rest| rest.split_once(')'));
        let (place, rest) = place.ok_or(Reason::Expected("a place"))?;
        let same_function = |function: &str| match definition.is_in(function) {
            true => Ok(()),
            false => Err(Reason::UnknownFunction {
                expected: definition.function,
                found: function.to_owned(),
            }),
        };
        let side = if self.event == definition.event {
            let (function, _offset) = place
                .split_once('+')
                .ok_or(Reason::Expected("a place in a function"))?;
            same_function(function)?;
            Side::Begins(Box::new(fetched(definition, rest)?))
        } else {
            let (caller, function) = place
                .split_once(" <- ")
                .ok_or(Reason::Expected("a caller"))?;
            same_function(function)?;
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
pub(super) fn definition(event: &str) -> Option<&'static Definition> {
    all().find(|definition| {
        event == definition.event
            || (definition.returns != Returns::Unseen
                && event.strip_suffix("_end") == Some(definition.event))
    })
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
    let is_digit = |byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let digits = text.strip_prefix("0x");
    digits
        .filter(|digits| digits.bytes().all(is_digit))
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

#[cfg(test)]
mod tests {
    use super::*;

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
}
