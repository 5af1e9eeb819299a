// SPDX-License-Identifier: GPL-2.0

//! The laws on recordings: of any driver, C or Rust, ours or not.
//!
//! Each law looks for every case in the recording that it can judge and returns how many there were.
//! A recording without a case neither keeps nor breaks the law: who provokes a case demands one.

pub mod convoy;
pub mod default_type;
pub mod force_sync;
pub mod insmod_waits;
pub mod manual_bind_sync;
pub mod numa;
pub mod register_returns;
pub mod single_slot;

use super::violation::Court;
use super::Violation;
use crate::recording::{async_probes, span, spans, AsyncProbe, Point, Span};
use crate::{Event, Probing};

/// A law: judges all cases of a recording and returns how many there were.
pub type Law = fn(&[Event]) -> Result<usize, Violation>;

/// All of them, by name. On kernels that probe twice they see each call of `really_probe()` as one
/// probe.
pub const LAWS: &[(&str, Law)] = &[
    ("convoy", convoy::check),
    ("default_type", default_type::check),
    ("force_sync", force_sync::check),
    ("insmod_waits", insmod_waits::check),
    ("manual_bind_sync", manual_bind_sync::check),
    ("register_returns", register_returns::check),
    ("single_slot", single_slot::check),
];

/// Holds a recording of a kernel that probes so often against all laws.
pub fn judge(events: &[Event], probing: Probing) -> Vec<(&'static str, Result<usize, Violation>)> {
    let folded = probing.fold(events);
    LAWS.iter()
        .map(|(name, law)| (*name, law(&folded)))
        .collect()
}

/// A law at work on a recording.
struct Bar<'a> {
    court: Court<'a>,
    spans: Vec<Span<'a>>,
}

impl<'a> Bar<'a> {
    fn new(law: &'static str, events: &'a [Event]) -> Self {
        Self {
            court: Court { law, events },
            spans: spans(events),
        }
    }

    /// The spans of a point, with their places in the list.
    fn of(&self, point: Point) -> impl Iterator<Item = (usize, &Span<'a>)> {
        self.spans
            .iter()
            .enumerate()
            .filter(move |(_, span)| span.point == point)
    }

    /// The spans of a point that concern a device.
    fn of_device(&self, point: Point, at: Option<u64>) -> impl Iterator<Item = (usize, &Span<'a>)> {
        self.of(point).filter(move |(_, span)| span.is_at(at))
    }

    /// The spans of a point within a span, at any depth.
    fn in_span(&self, point: Point, outer: usize) -> impl Iterator<Item = (usize, &Span<'a>)> {
        let began = self.spans[outer].began;
        self.of(point)
            .filter(move |(at, _)| span::within(&self.spans, *at, |of| of.began == began).is_some())
    }

    /// The place of a span in the list.
    fn place(&self, span: &Span<'a>) -> usize {
        self.spans.partition_point(|of| of.began < span.began)
    }

    /// The async probes that have been scheduled.
    fn async_probes(&self) -> Vec<AsyncProbe<'_, 'a>> {
        async_probes(&self.spans)
    }

    /// The registration of the driver that probes, if it is in the recording.
    fn registration(&self, probe: &Span<'a>) -> Option<&Span<'a>> {
        self.of(Point::Register)
            .map(|(_, register)| register)
            .take_while(|register| register.began < probe.began)
            .filter(|register| register.fetched.by == probe.fetched.by)
            .last()
    }

    /// The first async probe that a registration has scheduled.
    fn scheduled_by(&self, register: &Span<'a>) -> Option<&Span<'a>> {
        self.async_probes()
            .into_iter()
            .map(|probe| probe.scheduled)
            .find(|of| of.pid == register.pid && register.spans(of.began))
    }

    /// `holds`, or the law is broken by the events at these places of the log.
    fn demand(
        &self,
        holds: bool,
        expected: impl Into<String>,
        places: &[usize],
    ) -> Result<(), Violation> {
        if holds {
            return Ok(());
        }
        let events = self.court.events;
        let mut places: Vec<_> = places
            .iter()
            .copied()
            .filter(|place| *place < events.len())
            .collect();
        places.sort_unstable();
        places.dedup();
        let seen: Vec<_> = places.iter().map(|place| self.court.at(*place)).collect();
        // The log around them, for the reader.
        let from = places
            .first()
            .map_or(0, |place| place.saturating_sub(AROUND));
        let to = places
            .last()
            .map_or(events.len(), |place| (place + AROUND + 1).min(events.len()));
        let court = Court {
            law: self.court.law,
            events: &events[from..to],
        };
        let seen = if seen.is_empty() {
            "nothing".to_owned()
        } else {
            seen.join("; ")
        };
        Err(court.broken(expected, seen))
    }
}

/// How many events around those that break the law are quoted.
const AROUND: usize = 5;

#[cfg(test)]
pub(crate) mod tests_support {
    use super::super::tests_support::log;
    use crate::event::point::{Value, DEFINITIONS};
    use crate::event::SmolStr;
    use crate::parse::recording as text;
    use crate::recording::{Fetched, Recorded, Side};
    use crate::{Event, Micros, ProbeType, What};

    /// Makes a recording out of lines without timestamps; each comes 1 ms after the one before.
    ///
    /// `9 probe 0` is the beginning of a probe of `d.0` by driver `d` in pid 9, `9 probe_end -2` its
    /// return; modules, files and actions of uevents are words; a flush has its domain. What does
    /// not begin with a pid is a line of the dmesg interface, as for the other laws.
    ///
    /// Words with a `=` say what is not as usual: `drv=e` another driver, `bus=2` another bus,
    /// `type=`, `mod=` and `asked=` of a registration, `from=` another caller.
    pub(crate) fn recording(lines: &str) -> Vec<Event> {
        let mut events = Vec::new();
        for line in lines.lines().filter(|line| !line.trim().is_empty()) {
            let time = Micros(1_000_000 + 1000 * events.len() as u64);
            let words: Vec<_> = line.split_whitespace().collect();
            let what = match words[0].parse() {
                Ok(pid) => recorded(pid, words[1], &words[2..]),
                Err(_) => log(line).remove(0).what,
            };
            events.push(Event { time, what });
        }
        let text = text::write("7.3.4", &events);
        assert_eq!(text::parse(&text).unwrap(), events, "not plausible");
        events
    }

    fn recorded(pid: u32, event: &str, words: &[&str]) -> What {
        let definition = DEFINITIONS
            .iter()
            .find(|one| one.events().any(|name| name == event))
            .unwrap_or_else(|| panic!("what is `{event}`?"));
        let (unusual, words): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.contains('='));
        let unusual = |key: &str| {
            let value = |word: &&str| word.strip_prefix(key)?.strip_prefix('=').map(SmolStr::from);
            unusual.iter().find_map(value)
        };
        let side = if event == definition.event {
            let mut fetched = Fetched::default();
            let mut words = words.iter().copied();
            for (_, _, value) in definition.fetch {
                match value {
                    Value::Device => fetched.device = words.next().map(|n| format!("d.{n}").into()),
                    Value::At => {
                        let number = match &fetched.device {
                            Some(device) => device[2..].parse::<u64>(),
                            None => words.next().unwrap().parse(),
                        };
                        fetched.at = Some(0xd00 + number.unwrap());
                    }
                    Value::Driver => fetched.driver = unusual("drv").or(Some("d".into())),
                    Value::By => {
                        let of = |name: SmolStr| u64::from(name.as_bytes()[0]);
                        fetched.by = Some(unusual("drv").map_or(0xb, of));
                    }
                    Value::Bus => {
                        let bus = unusual("bus").map_or(1, |bus| bus.parse().unwrap());
                        fetched.bus = Some(0xb00 + bus);
                    }
                    Value::ProbeType => {
                        let name = unusual("type").unwrap_or("prefer".into());
                        let named = |of: &ProbeType| of.name().starts_with(name.as_str());
                        fetched.probe_type = ProbeType::ALL.into_iter().find(named);
                    }
                    Value::Asked => fetched.asked = unusual("asked").or(Some("".into())),
                    Value::Name if definition.event == "register" => {
                        fetched.name = unusual("mod");
                    }
                    Value::Name => {
                        let name = words.next().unwrap();
                        fetched.name = Some(match definition.event {
                            "uevent" => format!("ACTION={name}").into(),
                            _ => (*name).into(),
                        });
                    }
                    Value::Function => {
                        let helper = match definition.event {
                            "schedule" => "__driver_attach_async_helper+0x0/0xf0",
                            _ => "__device_attach_async_helper+0x0/0x110",
                        };
                        fetched.function = Some(helper.into());
                    }
                    Value::Domain => {
                        fetched.domain = Some(words.next().map_or(0, |n| n.parse().unwrap()));
                    }
                    Value::Caller => {
                        let from = unusual("from").unwrap_or("someone".into());
                        fetched.caller = Some(format!("{from}+0x1/0x10").into());
                    }
                    Value::Node => fetched.node = words.next().map(|n| n.parse().unwrap()),
                }
            }
            Side::Begins(fetched.into())
        } else {
            Side::Returns {
                caller: "someone+0x1/0x10".into(),
                ret: words.first().map(|ret| ret.parse().unwrap()),
            }
        };
        What::Recorded(Recorded {
            task: "task".into(),
            pid,
            cpu: 0,
            point: definition.point,
            side,
        })
    }

    /// The recording with the only line `from` replaced by `to`.
    pub(super) fn doctored(lines: &str, from: &str, to: &str) -> Vec<Event> {
        recording(&altered(lines, from, to))
    }

    /// The lines of it.
    pub(crate) fn altered(lines: &str, from: &str, to: &str) -> String {
        let matching = lines.lines().filter(|line| line.trim() == from).count();
        assert_eq!(matching, 1, "`{from}` occurs {matching} times");
        let lines: Vec<_> = lines
            .lines()
            .map(|line| if line.trim() == from { to } else { line })
            .collect();
        lines.join("\n")
    }
}
