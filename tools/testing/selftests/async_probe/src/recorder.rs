// SPDX-License-Identifier: GPL-2.0

//! The recorder, with the questions that a test asks of a recording.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use lifecycle::event::definitions::DEFINITIONS;
use lifecycle::event::point::{Definition, Point};
use lifecycle::event::resource::Resource;
use lifecycle::laws::{judge, Verdict};
use lifecycle::parse::recording;
use lifecycle::{Event, Life};
use nix::kmod::{delete_module, DeleteModuleFlags};
pub(crate) use recorder::put_away;

use crate::kernel::probing;
use crate::{ensure, Failure};

/// A recording under way.
#[derive(Debug)]
pub(crate) struct Recorder(recorder::Recorder);

impl From<recorder::Error> for Failure {
    fn from(error: recorder::Error) -> Self {
        match error {
            recorder::Error::Unavailable(why) => Self::Skip(format!("recorder: {why}")),
            recorder::Error::Io { doing, error } => Self::Io { doing, error },
            recorder::Error::Unexpected { expected, seen } => Self::Assertion { expected, seen },
        }
    }
}

impl Recorder {
    /// Begins to record. Skips the test where this kernel cannot be recorded; the reason names the
    /// option that it lacks.
    pub(crate) fn start() -> Result<Self, Failure> {
        Self::start_with(DEFINITIONS)
    }

    /// The same for a list of points that need not be there.
    pub(crate) fn start_with(points: &[Definition]) -> Result<Self, Failure> {
        Ok(Self(recorder::Recorder::start_with(points)?))
    }

    /// Begins to record with the kprobes that the recorder before has left in place, if it has, and
    /// leaves them to the next.
    pub(crate) fn take_over() -> Result<Self, Failure> {
        Ok(Self(recorder::Recorder::take_over(false)?))
    }

    /// The same, and also records what modules start and stop.
    pub(crate) fn watch() -> Result<Self, Failure> {
        Ok(Self(recorder::Recorder::take_over(true)?))
    }

    /// Removes the kprobes that [`take_over()`](Self::take_over) has left in place.
    pub(crate) fn take_back() -> Result<(), Failure> {
        Ok(recorder::Recorder::take_back()?)
    }

    /// What modules start, of those that are watched, without this kernel showing it.
    pub(crate) fn unwatched(&self) -> BTreeSet<Resource> {
        self.0.unwatched()
    }

    /// Ends the recording and returns it, sealed.
    pub(crate) fn stop(self) -> Result<String, Failure> {
        Ok(self.0.stop()?)
    }

    /// What is recorded so far, sealed; the recording goes on.
    pub(crate) fn so_far(&self) -> Result<String, Failure> {
        Ok(self.0.so_far()?)
    }

    /// How often each event has come since the recording began.
    pub(crate) fn hits(&self) -> Result<BTreeMap<String, u64>, Failure> {
        Ok(self.0.hits()?)
    }

    /// Ends the recording and reads it.
    pub(crate) fn events(self) -> Result<Vec<Event>, Failure> {
        let log = self.stop()?;
        recording::parse(&log).map_err(|error| Failure::assertion("a whole recording", error))
    }

    /// Ends the recording and holds it against all laws that are true of every driver.
    pub(crate) fn judge(self) -> Result<Recording, Failure> {
        let events = self.events()?;
        let mut cases = BTreeMap::new();
        let life = Life::new(events, probing());
        for (law, verdict) in judge(&life) {
            match verdict {
                Verdict::Kept(kept) => cases.insert(law, kept),
                Verdict::Broken(violation) => return Err(violation.into()),
                Verdict::NoCase | Verdict::CannotBeSeen(_) => cases.insert(law, 0),
            };
        }
        Ok(Recording { life, cases })
    }
}

/// A recording in which no law is broken.
#[derive(Debug)]
pub(crate) struct Recording {
    /// What it shows.
    pub(crate) life: Life,
    /// How many cases there were of each law.
    pub(crate) cases: BTreeMap<&'static str, usize>,
}

impl Recording {
    /// There were as many cases of this law.
    pub(crate) fn demand(&self, law: &str, cases: usize) -> Result<(), Failure> {
        let found = self.cases.get(law).copied().unwrap_or(0);
        ensure(&format!("cases of {law}"), &found, &cases)
    }
}

/// The cost of one event, in nanoseconds of this machine's clock: with virtual time of one
/// instruction per nanosecond, in instructions.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cost {
    /// A system call without the recorder.
    pub(crate) without: u64,
    /// The same with it.
    pub(crate) with: u64,
    /// The cost of each of its two events.
    pub(crate) per_event: u64,
}

/// Measures the cost on a system call that does nothing else: the unloading of a module that is not
/// there, whose beginning and return are recorded.
pub(crate) fn cost() -> Result<Cost, Failure> {
    const CALLS: u32 = 1000;
    let measure = || {
        let began = Instant::now();
        calls(CALLS);
        u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX) / u64::from(CALLS)
    };
    // Whatever happens the first time only has happened.
    measure();
    let without = measure();
    let recorder = Recorder::start_with(&few())?;
    let with = measure();
    recorder.events()?;
    Ok(Cost {
        without,
        with,
        per_event: with.saturating_sub(without) / 2,
    })
}

/// Two points, as to record each takes 60 ms of guest time: what [`calls()`] passes, and the probe,
/// without which there is no recording.
pub(crate) fn few() -> Vec<Definition> {
    let few = |of: &&Definition| matches!(of.point, Point::Probe | Point::Rmmod);
    DEFINITIONS.iter().filter(few).copied().collect()
}

/// Makes system calls that do nothing but pass two recorded places.
pub(crate) fn calls(calls: u32) {
    for _ in 0..calls {
        // It fails, and that is all that it is for.
        let _ = delete_module(c"lifecycle-no-such-module", DeleteModuleFlags::O_NONBLOCK);
    }
}
