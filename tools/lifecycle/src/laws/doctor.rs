// SPDX-License-Identifier: GPL-2.0

//! Small edits of real logs, after which they tell of something that the kernel never does.

use std::ops::Range;

use crate::event::{Fetched, Point, Recorded, Side};
use crate::life::{Kind, Life, Span};
use crate::{Event, ProbeType, What};

/// A task that is in no recording.
const STRANGER: u32 = 4_000_000;

/// An edited log: the events change their places, and the times stay where they are.
pub(super) struct Draft(Vec<Event>);

impl Draft {
    pub(super) fn of(life: &Life) -> Self {
        Self(life.events.clone())
    }

    /// The edited log.
    pub(super) fn done(self) -> Option<Vec<Event>> {
        Some(self.0)
    }

    /// Makes a change that leaves the times where they are.
    fn keep_times(mut self, change: impl FnOnce(&mut Vec<Event>)) -> Self {
        let times: Vec<_> = self.0.iter().map(|event| event.time).collect();
        change(&mut self.0);
        for (event, time) in self.0.iter_mut().zip(times) {
            event.time = time;
        }
        self
    }

    /// Moves one event to another place.
    pub(super) fn shift(self, from: usize, to: usize) -> Self {
        self.keep_times(|events| {
            let event = events.remove(from);
            events.insert(to, event);
        })
    }

    /// Moves what a task does between two places behind the second.
    pub(super) fn delay(self, pid: Option<u32>, from: usize, to: usize) -> Self {
        let of_task =
            |event: &Event| matches!(&event.what, What::Recorded(of) if Some(of.pid) == pid);
        self.keep_times(|events| {
            let (own, others): (Vec<_>, Vec<_>) = events.drain(from..=to).partition(of_task);
            events.splice(from..from, others.into_iter().chain(own));
        })
    }

    /// Puts a copy of an event at a place.
    pub(super) fn copy(self, from: usize, to: usize) -> Self {
        let what = self.0[from].what.clone();
        self.insert(to, what)
    }

    /// Takes events out.
    pub(super) fn remove(self, places: &[usize]) -> Self {
        let events = self.0.into_iter().enumerate();
        let left = events.filter(|(at, _)| !places.contains(at));
        Self(left.map(|(_, event)| event).collect())
    }

    /// Puts something in, at the time of the event that is there.
    fn insert(mut self, at: usize, what: What) -> Self {
        let time = self.0[at].time;
        self.0.insert(at, Event { time, what });
        self
    }

    /// A task, or else a stranger, calls a function.
    pub(super) fn begin(self, at: usize, pid: Option<u32>, point: Point, fetched: Fetched) -> Self {
        self.insert(at, by(pid, point, Side::Begins(fetched.into())))
    }

    /// The same, and it returns at once.
    pub(super) fn call(
        self,
        at: usize,
        pid: Option<u32>,
        point: Point,
        fetched: Fetched,
        ret: Option<i32>,
    ) -> Self {
        let caller = "doctored+0x0/0x10".into();
        let returns = by(pid, point, Side::Returns { caller, ret });
        self.insert(at, returns).begin(at, pid, point, fetched)
    }

    /// A stranger does what a task has done at these places.
    pub(super) fn by_stranger(mut self, pid: Option<u32>, places: Range<usize>) -> Self {
        for event in &mut self.0[places] {
            match &mut event.what {
                What::Recorded(of) if Some(of.pid) == pid => of.pid = STRANGER,
                _ => {}
            }
        }
        self
    }

    /// Changes the result of the function that returns at a place.
    pub(super) fn set_result(mut self, at: usize, result: i32) -> Option<Self> {
        match &mut self.0[at].what {
            What::Recorded(Recorded {
                side: Side::Returns { ret, .. },
                ..
            }) => *ret = Some(result),
            _ => return None,
        }
        Some(self)
    }
}

/// What a task does, or else a stranger.
fn by(pid: Option<u32>, point: Point, side: Side) -> What {
    What::Recorded(Recorded {
        task: "stranger".into(),
        pid: pid.unwrap_or(STRANGER),
        cpu: 0,
        point,
        side,
    })
}

/// What was fetched where a span begins.
pub(super) fn fetched(life: &Life, span: &Span) -> Option<Fetched> {
    match &life.events[span.began].what {
        What::Recorded(Recorded {
            side: Side::Begins(fetched),
            ..
        }) => Some((**fetched).clone()),
        _ => None,
    }
}

/// The registrations that schedule probes.
pub(super) fn registrations(life: &Life) -> impl Iterator<Item = (usize, &Span)> {
    let probes = life.async_probes();
    life.of(Kind::Register).filter(move |(_, register)| {
        probes.iter().any(|probe| {
            let scheduled = &life.spans[probe.scheduled];
            scheduled.task == register.task && register.spans(scheduled.began)
        })
    })
}

/// A driver that has asynchronous probes says this probe type; if `plain`, one whose insmod waits.
pub(super) fn says(life: &Life, probe_type: ProbeType, plain: bool) -> Option<Vec<Event>> {
    let waits = |register| {
        let init = life.within(register, |outer| outer.kind == Kind::Init);
        init.is_some_and(|init| life.loader_waits(init).is_some())
    };
    let (_, register) = registrations(life).find(|(at, _)| !plain || waits(*at))?;
    let mut events = life.events.clone();
    let What::Recorded(Recorded {
        side: Side::Begins(fetched),
        ..
    }) = &mut events[register.began].what
    else {
        return None;
    };
    fetched.probe_type = Some(probe_type);
    Some(events)
}

/// An insmod that waits for async work: its init, the flush, and of the probes that end while it
/// waits the last.
pub(super) fn wait(life: &Life) -> Option<(&Span, &Span, &Span)> {
    life.of(Kind::Init).find_map(|(at, init)| {
        let flush = life.loader_waits(at)?;
        let own = life.async_probes().into_iter().filter(|probe| {
            let scheduled = &life.spans[probe.scheduled];
            scheduled.task == init.task && init.spans(scheduled.began)
        });
        let last = own
            .filter_map(|probe| Some(&life.spans[probe.run?]))
            .filter(|run| flush.spans(run.end_place()))
            .max_by_key(|run| run.end_place())?;
        Some((init, flush, last))
    })
}
