// SPDX-License-Identifier: GPL-2.0

//! One model of what a log shows: spans of devices and tasks, marks, and who waited for whom.
//!
//! [`Life::new`] makes it of the events of any log: lines of the dmesg interface, a recording, or
//! what `initcall_debug` prints. A log that has more to tell makes a finer life; nothing in it is
//! guessed but the waits that say so ([`Wait::inferred`]). Laws, sums, pictures and reports read
//! the life and never the events.

mod build;
mod initcall;
mod model;
mod probe;
mod recorded;
mod sight;
mod timing;
mod trial;
mod waits;
pub(crate) mod wave;

use crate::parse::log::Source;
use crate::probing::Probing;
use crate::{Event, Micros};
use build::Builder;
pub use model::{function, Device, Facts, Kind, Life, Span, Task, Through, Wait, VERSION};
pub use probe::{How, Probe};
pub use sight::Sight;
pub use trial::fold;
pub use waits::AsyncProbe;
pub use wave::{Total, Wave};

impl Life {
    /// The life that these events show, on a kernel that probes so often.
    pub fn new(events: Vec<Event>, probing: Probing) -> Self {
        let mut builder = Builder::new(&events, probing);
        recorded::spans(&mut builder);
        timing::spans(&mut builder);
        initcall::spans(&mut builder);
        timing::tasks(&mut builder);
        builder.sort();
        recorded::callers(&mut builder);
        recorded::causes(&mut builder);
        timing::causes(&mut builder);
        waiting(&mut builder);
        builder.sort();
        for span in &mut builder.life.spans {
            // The clocks of two CPUs may differ, and lines may be out of order.
            span.end = span.end.map(|end| end.max(span.begin));
        }
        builder.lanes();
        let mut life = builder.life;
        // The first line of a log may tell of something that began before it.
        let began = life.spans.iter().map(|span| span.begin);
        life.begin = began.fold(life.begin, Micros::min);
        life.sources = Source::all_of(&events);
        life.events = events;
        life.waits = waits::waits(&life);
        life
    }
}

/// Makes a span of how long each probe was waited for.
fn waiting(builder: &mut Builder<'_>) {
    for at in 0..builder.life.spans.len() {
        let span = &builder.life.spans[at];
        let (Kind::Probe, Some(cause), Some(device)) = (span.kind, span.cause, span.device) else {
            continue;
        };
        let (began, ended) = (builder.life.spans[cause].began, span.began);
        let (begin, shown) = {
            let cause = &builder.life.spans[cause];
            (cause.begin, cause.events[0])
        };
        let (on, driver) = (span.on.clone(), span.driver.clone());
        let waiting = builder.span(Kind::Waiting, on, began, Some(ended));
        let of = &mut builder.life.spans[waiting];
        of.begin = begin;
        of.events = vec![shown.min(ended), shown.max(ended)];
        of.events.dedup();
        of.device = Some(device);
        of.driver = driver;
    }
}
