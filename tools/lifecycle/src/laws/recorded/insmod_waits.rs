// SPDX-License-Identifier: GPL-2.0

//! A plain insmod returns only after the async probes that it has set off have ended; one with the
//! module parameter `async_probe` waits for nothing.
//!
//! `kernel/module/main.c`, `do_init_module()`: `if (!mod->async_probe_requested)
//! async_synchronize_full()`.

use super::{AsyncProbe, Bar};
use crate::laws::Violation;
use crate::recording::{Point, Span};
use crate::Event;

/// Judges every insmod that schedules probes and waits; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("insmod_waits", events);
    let mut cases = 0;
    for (at, init) in bar.of(Point::Init).filter(|(_, of)| of.ret == Some(0)) {
        // The wait is the last thing that the loader does, after the module's own init.
        let waits = bar.spans.iter().any(|flush| {
            flush.point == Point::Flush
                && flush.parent == Some(at)
                && flush.fetched.domain == Some(0)
        });
        let scheduled: Vec<_> = bar
            .async_probes()
            .into_iter()
            .filter(|AsyncProbe { scheduled, .. }| {
                scheduled.pid == init.pid && init.spans(scheduled.began)
            })
            .collect();
        if !waits || scheduled.is_empty() {
            continue;
        }
        cases += 1;
        for AsyncProbe { scheduled, run } in scheduled {
            let ended = run.map_or(usize::MAX, Span::end);
            bar.demand(
                ended < init.end(),
                format!("insmod of {} to return after the probe", init.name()),
                &[scheduled.began, ended, init.end()],
            )?;
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 init m
        9 schedule 0
        9 flush 0
        30 driver_attach 0
        30 driver_attach_end
        9 flush_end
        9 init_end 0
        8 init m
        8 schedule 1
        8 init_end 0
        31 driver_attach 1
        31 driver_attach_end
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
    }

    #[test]
    fn returns_early() {
        let early = altered(GOOD, "30 driver_attach_end", "");
        let early = altered(
            &early,
            "9 init_end 0",
            "9 init_end 0\n 30 driver_attach_end",
        );
        assert_broken(check(&recording(&early)), "driver_attach_end");
    }
}
