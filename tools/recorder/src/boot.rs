// SPDX-License-Identifier: GPL-2.0

//! What the kernel has recorded of its boot by itself, with `kprobe_event=` on its command line.

use std::path::Path;

use lifecycle::event::definitions::all;
use lifecycle::event::point::{Definition, Point};

use crate::config::probing;
use crate::tracefs::{self, events_of, read, tracefs, Hits};
use crate::Error;

/// The group of the events that `kprobe_event=` makes without naming one.
const GROUP: &str = "kprobes";

/// Reads what has been recorded since the boot; the recording goes on.
///
/// # Errors
///
/// [`Error::Unavailable`] if the kernel was not booted to record itself, [`Error::Io`] if tracefs
/// does not give it, [`Error::Unexpected`] if it never stands still while it is read.
pub fn recording() -> Result<String, Error> {
    let tracefs = tracefs()?;
    let points = points();
    if !points.iter().any(|of| of.point == Point::Probe) {
        return Err(Error::Unavailable(
            "this kernel was not booted to record itself: there is no event kprobes/probe"
                .to_owned(),
        ));
    }
    // `local [global] counter …`
    let clock = read(&tracefs.join("trace_clock"))?;
    if !clock.contains("[global]") {
        return Err(Error::Unavailable(format!(
            "the trace has a clock of its own on each CPU: {}: trace_clock=global was not on the \
             command line",
            clock.trim()
        )));
    }
    tracefs::recording(Path::new(&tracefs), &points, &Hits::new(), probing())
}

/// The points all of whose events are there.
pub(crate) fn points() -> Vec<Definition> {
    among(&events_of(GROUP))
}

/// All of `kprobe_event=` are counted: the parser refuses an event that has no count.
fn among(there: &[String]) -> Vec<Definition> {
    let is_there = |event: String| there.contains(&format!("{GROUP}/{event}"));
    all()
        .filter(|point| point.events().all(is_there))
        .copied()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_command_line_made() {
        let of = |events: &[&str]| -> Vec<Point> {
            let there: Vec<_> = events.iter().map(|of| format!("{GROUP}/{of}")).collect();
            among(&there).iter().map(|of| of.point).collect()
        };
        assert_eq!(of(&["probe", "probe_end"]), [Point::Probe]);
        assert_eq!(of(&["probe"]), []);
        assert_eq!(of(&["request_module"]), [Point::RequestModule]);
    }
}
