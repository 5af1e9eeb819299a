// SPDX-License-Identifier: GPL-2.0

//! An async probe is queued for the node of its device.
//!
//! `include/linux/async.h`, `async_schedule_dev()`, and `kernel/async.c`,
//! `async_schedule_dev_nocall()`, pass `dev_to_node()` on to `queue_work_node()`. Where the probe
//! then runs is not promised: `kernel/workqueue.c` says "best effort", and the scheduler may move the
//! worker. Where memory is short the probe runs in the caller, and is queued nowhere.

use std::collections::BTreeMap;

use super::{AsyncProbe, Bar};
use crate::laws::Violation;
use crate::recording::Point;
use crate::Event;

/// Judges every async probe of these devices, given with their nodes, -1 for none; those are the
/// cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], nodes: &BTreeMap<String, i32>) -> Result<usize, Violation> {
    let bar = Bar::new("numa", events);
    let mut cases = 0;
    for AsyncProbe { scheduled, run } in bar.async_probes() {
        let Some(run) = run.filter(|run| run.pid != scheduled.pid) else {
            continue;
        };
        let Some(node) = nodes.get(run.device()) else {
            continue;
        };
        cases += 1;
        let next = bar
            .spans
            .iter()
            .filter(|span| span.pid == scheduled.pid && scheduled.began < span.began)
            .find(|span| {
                matches!(
                    span.point,
                    Point::Queue | Point::Schedule | Point::ScheduleDevice
                )
            });
        let queued = next.filter(|next| next.point == Point::Queue);
        bar.demand(
            queued.is_some_and(|queued| queued.fetched.node == Some(*node)),
            format!(
                "the async probe of {} to be queued for node {node}",
                run.device()
            ),
            &[
                scheduled.began,
                queued.map_or(usize::MAX, |queued| queued.began),
            ],
        )?;
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{doctored, recording};
    use super::*;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 schedule 0
        9 queue 0
        9 schedule_device 1
        30 driver_attach 0
        9 queue 1
        9 schedule 2
        9 queue -1
        31 device_attach 1
        32 driver_attach 2
        9 schedule 3
        9 queue 7
        33 driver_attach 3
        9 schedule 4
        9 driver_attach 4
    ";

    /// `d.3` is somebody else's, and for `d.4` there was no memory.
    fn check(events: &[Event]) -> Result<usize, Violation> {
        let nodes = [(0, 0), (1, 1), (2, -1), (4, 0)];
        let nodes = nodes.map(|(device, node)| (format!("d.{device}"), node));
        super::check(events, &nodes.into())
    }

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(3));
    }

    #[test]
    fn the_wrong_node() {
        for (from, to) in [(0, 1), (1, 0), (1, -1), (-1, 0)] {
            let events = doctored(GOOD, &format!("9 queue {from}"), &format!("9 queue {to}"));
            assert_broken(check(&events), &format!("queue node={to}"));
        }
    }

    #[test]
    fn not_queued() {
        for queue in ["9 queue 0", "9 queue 1", "9 queue -1"] {
            assert_broken(check(&doctored(GOOD, queue, "")), "schedule");
        }
        // By another task, this is not its own.
        assert_broken(check(&doctored(GOOD, "9 queue 1", "8 queue 1")), "schedule");
    }
}
