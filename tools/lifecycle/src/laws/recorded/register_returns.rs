// SPDX-License-Identifier: GPL-2.0

//! The registration of a driver that is probed asynchronously schedules the probes and returns: it
//! runs none itself and waits for none.
//!
//! `drivers/base/dd.c`, `__driver_attach()`: `async_schedule_dev()` for each device, and on with the
//! next. Where memory is short, `kernel/async.c` runs the probe in the caller after all; that is
//! not judged a breach.

use super::{AsyncProbe, Bar};
use crate::laws::Violation;
use crate::recording::{span, Point};
use crate::Event;

/// Judges every registration that schedules probes; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("register_returns", events);
    let mut cases = 0;
    for (at, register) in bar.of(Point::Register) {
        let schedules = bar
            .async_probes()
            .into_iter()
            .any(|AsyncProbe { scheduled, .. }| {
                scheduled.pid == register.pid && register.spans(scheduled.began)
            });
        if !schedules {
            continue;
        }
        cases += 1;
        for point in [Point::Probe, Point::Flush] {
            let own = bar.in_span(point, at).find(|(inner, _)| {
                let short_of_memory = span::within(&bar.spans, *inner, |of| {
                    matches!(of.point, Point::DriverAttach | Point::DeviceAttach)
                });
                short_of_memory.is_none()
            });
            if let Some((_, own)) = own {
                bar.demand(
                    false,
                    "the registration neither to probe nor to wait",
                    &[register.began, own.began, own.end(), register.end()],
                )?;
            }
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 register
        9 schedule 0
        9 driver_attach 1
        9 probe 1
        9 probe_end 0
        9 driver_attach_end
        30 driver_attach 0
        30 probe 0
        9 register_end 0
        9 flush 0
        30 probe_end 0
        30 driver_attach_end
        9 flush_end
        8 register
        8 probe 2
        8 probe_end 0
        8 register_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
    }

    #[test]
    fn probes_itself() {
        let events = doctored(
            GOOD,
            "9 driver_attach 1",
            "9 probe 3\n 9 probe_end 0\n 9 driver_attach 1",
        );
        assert_broken(check(&events), "d.3");
    }

    #[test]
    fn waits() {
        let events = doctored(
            GOOD,
            "9 register_end 0",
            "9 flush 0\n 9 flush_end\n 9 register_end 0",
        );
        assert_broken(check(&events), "flush");
    }
}
