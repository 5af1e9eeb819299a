// SPDX-License-Identifier: GPL-2.0

//! Small edits of real logs, after which they tell of something that the kernel never does.

use crate::event::{Fetched, Point, Recorded, Side};
use crate::life::{Kind, Life, Span};
use crate::{Event, ProbeType, What};

/// A task that is in no recording.
pub(super) const STRANGER: u32 = 4_000_000;

/// An edited log: the events change their places, and the times stay where they are.
pub(super) struct Draft(Vec<Event>);

impl Draft {
    pub(super) fn of(life: &Life) -> Self {
        Self(life.events.clone())
    }

    /// The edited log.
    pub(super) fn done(self) -> Vec<Event> {
        self.0
    }

    /// Makes a change that leaves the times where they are.
    fn keep_times(&mut self, change: impl FnOnce(&mut Vec<Event>)) {
        let times: Vec<_> = self.0.iter().map(|event| event.time).collect();
        change(&mut self.0);
        for (event, time) in self.0.iter_mut().zip(times) {
            event.time = time;
        }
    }

    /// Moves one event to another place.
    pub(super) fn shift(&mut self, from: usize, to: usize) {
        self.keep_times(|events| {
            let event = events.remove(from);
            events.insert(to, event);
        });
    }

    /// Moves what a task does between two places behind the second.
    pub(super) fn delay(&mut self, pid: Option<u32>, from: usize, to: usize) {
        let of_task =
            |event: &Event| matches!(&event.what, What::Recorded(of) if Some(of.pid) == pid);
        self.keep_times(|events| {
            let (own, others): (Vec<_>, Vec<_>) = events.drain(from..=to).partition(of_task);
            events.splice(from..from, others.into_iter().chain(own));
        });
    }

    /// Has an event twice.
    pub(super) fn repeat(&mut self, at: usize) {
        self.0.insert(at, self.0[at].clone());
    }

    /// Puts a copy of an event at another place.
    pub(super) fn copy(&mut self, from: usize, to: usize) {
        let copy = Event {
            time: self.0[to].time,
            what: self.0[from].what.clone(),
        };
        self.0.insert(to, copy);
    }

    /// Takes an event out.
    pub(super) fn remove(&mut self, at: usize) {
        self.0.remove(at);
    }

    /// Puts an event of a task in, at the time of the one that is there.
    pub(super) fn insert(&mut self, at: usize, pid: Option<u32>, point: Point, side: Side) {
        let time = self.0[at].time;
        let what = What::Recorded(Recorded {
            task: "stranger".into(),
            pid: pid.unwrap_or(STRANGER),
            cpu: 0,
            point,
            side,
        });
        self.0.insert(at, Event { time, what });
    }

    /// What was recorded at a place.
    pub(super) fn recorded(&mut self, at: usize) -> Option<&mut Recorded> {
        match &mut self.0.get_mut(at)?.what {
            What::Recorded(recorded) => Some(recorded),
            _ => None,
        }
    }

    /// Changes the result of the function that returns at a place.
    pub(super) fn set_result(&mut self, at: usize, result: i32) -> Option<()> {
        match &mut self.recorded(at)?.side {
            Side::Returns { ret, .. } => *ret = Some(result),
            Side::Begins(_) => return None,
        }
        Some(())
    }

    /// What was fetched by the function that begins at a place.
    pub(super) fn fetched(&mut self, at: usize) -> Option<&mut Fetched> {
        match &mut self.recorded(at)?.side {
            Side::Begins(fetched) => Some(fetched),
            Side::Returns { .. } => None,
        }
    }
}

/// The return of a function.
pub(super) fn returns(ret: Option<i32>) -> Side {
    Side::Returns {
        caller: "doctored+0x0/0x10".into(),
        ret,
    }
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
    let mut draft = Draft::of(life);
    draft.fetched(register.began)?.probe_type = Some(probe_type);
    Some(draft.done())
}

/// An insmod that waits for async work: its init, the flush, and of the probes that end while it
/// waits the last.
pub(super) fn wait(life: &Life) -> Option<(&Span, &Span, &Span)> {
    life.of(Kind::Init).find_map(|(at, init)| {
        let flush = life.loader_waits(at)?;
        let last = life
            .async_probes()
            .into_iter()
            .filter(|probe| {
                let scheduled = &life.spans[probe.scheduled];
                scheduled.task == init.task && init.spans(scheduled.began)
            })
            .filter_map(|probe| Some(&life.spans[probe.run?]))
            .filter(|run| flush.spans(run.end_place()))
            .max_by_key(|run| run.end_place())?;
        Some((init, flush, last))
    })
}
