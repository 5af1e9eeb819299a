// SPDX-License-Identifier: GPL-2.0

//! What laws say of a changed recording.

use std::collections::BTreeSet;

use super::{Kind, Mutant};
use crate::laws::{judge, Verdict};
use crate::parse::recording as text;
use crate::parse::refusal::Refusal;
use crate::{Event, Life, Probing};

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
        Kind::Recording(edit) => edit(&Life::new(events.to_vec(), probing)),
        Kind::Live | Kind::Console(_) => None,
    }
}
