// SPDX-License-Identifier: GPL-2.0

//! Async probes, from where they are scheduled.

use std::collections::HashMap;

use super::span::Span;
use crate::event::Point;

/// An async probe.
#[derive(Clone, Copy, Debug)]
pub struct AsyncProbe<'s, 'a> {
    /// Where it was scheduled.
    pub scheduled: &'s Span<'a>,
    /// What has come of it, if it has begun.
    pub run: Option<&'s Span<'a>>,
}

/// The helpers that the driver core schedules, and where they are recorded.
const HELPERS: [(&str, Point); 2] = [
    ("__driver_attach_async_helper+", Point::DriverAttach),
    ("__device_attach_async_helper+", Point::DeviceAttach),
];

/// The async probes that the driver core has scheduled, in this order.
pub fn async_probes<'s, 'a>(spans: &'s [Span<'a>]) -> Vec<AsyncProbe<'s, 'a>> {
    let mut runs: HashMap<(Point, Option<u64>), Vec<&Span<'_>>> = HashMap::new();
    for span in spans {
        if HELPERS.iter().any(|(_, point)| *point == span.point) {
            runs.entry((span.point, span.fetched.at))
                .or_default()
                .push(span);
        }
    }
    spans
        .iter()
        .filter(|span| matches!(span.point, Point::Schedule | Point::ScheduleDevice))
        .filter_map(|scheduled| {
            let function = scheduled.fetched.function.as_deref()?;
            let (_, point) = HELPERS
                .iter()
                .find(|(helper, _)| function.starts_with(helper))?;
            let at = scheduled.fetched.at;
            let run = runs.get(&(*point, at)).filter(|_| at.is_some());
            let run = run
                .and_then(|runs| runs.get(runs.partition_point(|run| run.began < scheduled.began)));
            Some(AsyncProbe {
                scheduled,
                run: run.copied(),
            })
        })
        .collect()
}
