// SPDX-License-Identifier: GPL-2.0

//! A probe in which a kernel thread cannot be created because its task was killed fails; that can
//! only be a probe in the task of a loader, as an async worker is never killed.
//!
//! `kernel/kthread.c`, `__kthread_create_on_node()` waits for the new thread unless the caller is
//! killed, and returns `EINTR` then. Kernel threads, the async workers among them, ignore signals.

use super::Bar;
use crate::laws::Violation;
use crate::recording::{span, Point};
use crate::Event;

const EINTR: i32 = -4;

/// Judges every probe in which a kernel thread could not be created for that; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("killed_loader", events);
    let mut cases = 0;
    for (at, thread) in bar.of(Point::Thread) {
        if thread.ret != Some(EINTR) {
            continue;
        }
        let Some(probe) = span::within(&bar.spans, at, |of| of.point == Point::Probe) else {
            continue;
        };
        cases += 1;
        let worker = span::within(&bar.spans, at, |of| of.point == Point::Run);
        bar.demand(
            worker.is_none(),
            format!("the async probe of {} not to be killed", probe.device()),
            &[
                worker.map_or(usize::MAX, |worker| worker.began),
                probe.began,
                thread.began,
                thread.end(),
            ],
        )?;
        bar.demand(
            probe.ret != Some(0),
            format!(
                "the probe of {} to fail, as its task was killed",
                probe.device()
            ),
            &[probe.began, thread.began, thread.end(), probe.end()],
        )?;
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 probe 0
        9 thread
        9 thread_end -4
        9 cleanup 0
        9 probe_end 4
        30 run
        30 driver_attach 1
        30 probe 1
        30 thread
        30 thread_end 4711
        30 probe_end 0
        30 driver_attach_end
        30 run_end
        8 thread
        8 thread_end -4
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
    }

    #[test]
    fn goes_on_without_its_thread() {
        let events = doctored(GOOD, "9 probe_end 4", "9 probe_end 0");
        assert_broken(check(&events), "thread_end");
    }

    #[test]
    fn a_worker_is_killed() {
        let events = doctored(GOOD, "30 thread_end 4711", "30 thread_end -4");
        assert_broken(check(&events), "run");
    }
}
