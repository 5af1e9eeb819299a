// SPDX-License-Identifier: GPL-2.0

//! Small edits of real logs, after which they tell of something that the kernel never does.

use std::collections::BTreeSet;

use super::{Kind, Mutant};
use crate::laws::{judge, Verdict};
use crate::parse::recording as text;
use crate::parse::refusal::Refusal;
use crate::recording::{async_probes, spans, Fetched, Point, Recorded, Side, Span};
use crate::{Event, Life, ProbeType, Probing, What};

/// An edit; `None` if the recording has no place for it.
pub type Edit = fn(&[Event]) -> Option<Vec<Event>>;

/// A task that is in no recording.
const STRANGER: u32 = 4_000_000;

/// The laws that a recording of a kernel that probes so often breaks. It is written and read again: what
/// the parser does not let through is no recording.
///
/// # Errors
///
/// What the parser finds wrong.
pub fn broken(events: &[Event], probing: Probing) -> Result<BTreeSet<&'static str>, Refusal> {
    let events = text::parse(&text::write("7.3.4", events))?;
    let verdicts = judge(&Life::new(events, probing)).into_iter();
    Ok(verdicts
        .filter_map(|(law, verdict)| matches!(verdict, Verdict::Broken(_)).then_some(law))
        .collect())
}

/// The edit of a mutant, if it is one and the recording has a place for it.
pub fn edit(mutant: &Mutant, events: &[Event], probing: Probing) -> Option<Vec<Event>> {
    match mutant.kind {
        Kind::Recording(edit) => edit(events),
        Kind::Life(edit) => edit(&Life::new(events.to_vec(), probing)),
        Kind::Live | Kind::Console(_) => None,
    }
}

/// A span's end, if it is in the log.
fn end(span: &Span<'_>) -> Option<usize> {
    span.ended
}

fn of<'s, 'a>(spans: &'s [Span<'a>], point: Point) -> impl Iterator<Item = &'s Span<'a>> {
    spans.iter().filter(move |span| span.point == point)
}

/// The span of this point in another one, of the same task.
fn inside<'s, 'a>(spans: &'s [Span<'a>], point: Point, outer: &Span<'_>) -> Option<&'s Span<'a>> {
    of(spans, point).find(|span| span.pid == outer.pid && outer.spans(span.began))
}

/// An edited log: the events change their places, and the times stay where they are.
struct Draft(Vec<Event>);

impl Draft {
    fn of(events: &[Event]) -> Self {
        Self(events.to_vec())
    }

    /// Moves one event to another place.
    fn shift(&mut self, from: usize, to: usize) {
        let times: Vec<_> = self.0.iter().map(|event| event.time).collect();
        let event = self.0.remove(from);
        self.0.insert(to, event);
        for (event, time) in self.0.iter_mut().zip(times) {
            event.time = time;
        }
    }

    fn insert(&mut self, at: usize, pid: u32, point: Point, side: Side) {
        let time = self.0[at].time;
        let what = What::Recorded(Recorded {
            task: "stranger".into(),
            pid,
            cpu: 0,
            point,
            side,
        });
        self.0.insert(at, Event { time, what });
    }

    fn recorded(&mut self, at: usize) -> Option<&mut Recorded> {
        match &mut self.0.get_mut(at)?.what {
            What::Recorded(recorded) => Some(recorded),
            _ => None,
        }
    }

    fn fetched(&mut self, at: usize) -> Option<&mut Fetched> {
        match &mut self.recorded(at)?.side {
            Side::Begins(fetched) => Some(fetched),
            Side::Returns { .. } => None,
        }
    }
}

fn returns(ret: Option<i32>) -> Side {
    Side::Returns {
        caller: "doctored+0x0/0x10".into(),
        ret,
    }
}

/// The registrations that schedule probes, with the probes.
fn registrations<'s, 'a>(spans: &'s [Span<'a>]) -> impl Iterator<Item = &'s Span<'a>> {
    of(spans, Point::Register).filter(|register| {
        async_probes(spans).iter().any(|probe| {
            probe.scheduled.pid == register.pid && register.spans(probe.scheduled.began)
        })
    })
}

/// A wait for async work, with the probe that ends last while it waits.
fn wait<'s, 'a>(spans: &'s [Span<'a>]) -> Option<(&'s Span<'a>, &'s Span<'a>, &'s Span<'a>)> {
    of(spans, Point::Init).find_map(|init| {
        let flush = of(spans, Point::Flush).find(|flush| {
            flush.pid == init.pid && init.spans(flush.began) && flush.fetched.domain == Some(0)
        })?;
        let last = async_probes(spans)
            .into_iter()
            .filter(|probe| probe.scheduled.pid == init.pid && init.spans(probe.scheduled.began))
            .filter_map(|probe| probe.run)
            .filter(|run| flush.spans(run.end()))
            .max_by_key(|run| run.end())?;
        Some((init, flush, last))
    })
}

/// The registration waits for all async work before it returns.
pub fn registration_waits(events: &[Event]) -> Option<Vec<Event>> {
    let spans = spans(events);
    let register = registrations(&spans).next()?;
    let at = end(register)?;
    let mut draft = Draft::of(events);
    let flush = Fetched {
        domain: Some(0),
        caller: Some("doctored+0x0/0x10".into()),
        ..Fetched::default()
    };
    draft.insert(at, register.pid, Point::Flush, returns(None));
    draft.insert(at, register.pid, Point::Flush, Side::Begins(flush.into()));
    Some(draft.0)
}

/// insmod returns before the last of the probes that it has set off.
pub fn insmod_returns_early(events: &[Event]) -> Option<Vec<Event>> {
    let spans = spans(events);
    let (init, flush, last) = wait(&spans)?;
    let mut draft = Draft::of(events);
    draft.shift(end(flush)?, end(last)?);
    // It has moved on by one.
    draft.shift(end(init)?, end(last)? + 1);
    Some(draft.0)
}

/// The wait in insmod returns before the last probe; insmod does not.
pub fn flush_returns_early(events: &[Event]) -> Option<Vec<Event>> {
    let spans = spans(events);
    let (_, flush, last) = wait(&spans)?;
    let mut draft = Draft::of(events);
    draft.shift(end(flush)?, end(last)?);
    Some(draft.0)
}

/// A driver that has asynchronous probes says FORCE.
pub fn says_force(events: &[Event]) -> Option<Vec<Event>> {
    says(events, ProbeType::ForceSynchronous, false)
}

/// A driver that has asynchronous probes says DEFAULT, and nobody asks.
pub fn says_default(events: &[Event]) -> Option<Vec<Event>> {
    says(events, ProbeType::DefaultStrategy, true)
}

fn says(events: &[Event], probe_type: ProbeType, plain: bool) -> Option<Vec<Event>> {
    let spans = spans(events);
    let register = registrations(&spans).find(|register| {
        let init = of(&spans, Point::Init)
            .find(|init| init.pid == register.pid && init.spans(register.began));
        !plain || init.is_some_and(|init| inside(&spans, Point::Flush, init).is_some())
    })?;
    let mut draft = Draft::of(events);
    draft.fetched(register.began)?.probe_type = Some(probe_type);
    Some(draft.0)
}

/// What a write to `bind` did, another task did.
pub fn bind_in_a_worker(events: &[Event]) -> Option<Vec<Event>> {
    let spans = spans(events);
    let bind = of(&spans, Point::Bind)
        .find(|bind| bind.ret == Some(0) && inside(&spans, Point::Probe, bind).is_some())?;
    let mut draft = Draft::of(events);
    for at in bind.began + 1..end(bind)? {
        if let Some(of) = draft.recorded(at).filter(|of| of.pid == bind.pid) {
            of.pid = STRANGER;
        }
    }
    Some(draft.0)
}

/// The probe of a device is scheduled once more while it is pending.
pub fn scheduled_twice(events: &[Event]) -> Option<Vec<Event>> {
    let spans = spans(events);
    let scheduled = async_probes(&spans)
        .into_iter()
        .find(|probe| probe.scheduled.point == Point::Schedule)?
        .scheduled;
    let mut draft = Draft::of(events);
    let again = events[scheduled.began].clone();
    draft.0.insert(scheduled.began, again);
    Some(draft.0)
}
