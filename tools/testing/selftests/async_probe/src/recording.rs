// SPDX-License-Identifier: GPL-2.0

//! The questions that a test asks of a recording.

use std::collections::BTreeMap;

use lifecycle::laws::{self, Verdict};
use lifecycle::parse::recording;
use lifecycle::{Event, Life};
use recorder::Recorder;

use crate::kernel::probing;
use crate::{ensure, Failure};

/// Ends the recording and reads it; the test fails if it is not whole.
pub(crate) fn events(recorder: Recorder) -> Result<Vec<Event>, Failure> {
    let log = recorder.stop()?;
    recording::parse(&log).map_err(|error| Failure::assertion("a whole recording", error))
}

/// Holds what is recorded against all laws that are true of every driver.
pub(crate) fn judge(events: Vec<Event>) -> Result<Recording, Failure> {
    let mut cases = BTreeMap::new();
    let life = Life::new(events, probing());
    for (law, verdict) in laws::judge(&life) {
        match verdict {
            Verdict::Kept(kept) => cases.insert(law, kept),
            Verdict::Broken(violation) => return Err(violation.into()),
            Verdict::NoCase | Verdict::CannotBeSeen(_) => cases.insert(law, 0),
        };
    }
    Ok(Recording { life, cases })
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
