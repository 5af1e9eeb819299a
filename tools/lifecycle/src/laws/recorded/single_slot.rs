// SPDX-License-Identifier: GPL-2.0

//! Of two asynchronous drivers that match one device, the second is skipped while the first is
//! pending: its registration neither schedules a probe of the device nor probes it.
//!
//! `drivers/base/dd.c`, `__driver_attach()`: the device has one slot, `dev->p->async_driver`; a
//! driver that finds it taken leaves the device alone, without an error. A synchronous driver does
//! not look at the slot.

use super::{AsyncProbe, Bar};
use crate::laws::Violation;
use crate::recording::{span, Point};
use crate::{Event, ProbeType};

/// Judges every device whose async probe is pending; the cases are the asynchronous drivers that are
/// registered on the same bus meanwhile.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("single_slot", events);
    let probes = bar.async_probes();
    let mut cases = 0;
    for AsyncProbe { scheduled, run } in &probes {
        // A device that comes after its drivers is offered to all of them, and has no slot.
        if scheduled.point != Point::Schedule {
            continue;
        }
        let device = scheduled.fetched.at;
        let begins = run.map_or(usize::MAX, |run| run.began);
        let pending = |place: usize| scheduled.began < place && place < begins;
        let again = probes.iter().map(|other| other.scheduled).find(|other| {
            other.point == Point::Schedule && other.is_at(device) && pending(other.began)
        });
        if let Some(again) = again {
            bar.demand(
                false,
                "one pending probe of a device",
                &[scheduled.began, again.began],
            )?;
        }
        let first = span::within(&bar.spans, bar.place(scheduled), |of| {
            of.point == Point::Register
        });
        let Some(first) = first else {
            continue;
        };
        for (at, second) in bar.of(Point::Register) {
            let competes = second.fetched.bus == first.fetched.bus
                && second.fetched.by != first.fetched.by
                && second.fetched.probe_type == Some(ProbeType::PreferAsynchronous)
                && pending(second.began);
            if !competes {
                continue;
            }
            cases += 1;
            let probe = bar
                .in_span(Point::Probe, at)
                .find(|(_, probe)| probe.is_at(device) && pending(probe.began));
            if let Some((_, probe)) = probe {
                bar.demand(
                    false,
                    format!("no probe of {} while another is pending", probe.device()),
                    &[scheduled.began, second.began, probe.began, second.end()],
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
        9 register_end 0
        8 register drv=e
        8 schedule 1
        8 register_end 0
        8 register drv=f type=force
        8 probe 0 drv=f
        8 probe_end 2
        8 register_end 0
        8 register drv=g bus=2
        8 register_end 0
        30 driver_attach 0
        30 probe 0
        30 probe_end 2
        30 driver_attach_end
        8 register drv=h
        8 schedule 0
        8 register_end 0
        31 driver_attach 0
        31 driver_attach_end
        32 driver_attach 1
        32 driver_attach_end
    ";

    #[test]
    fn holds() {
        // `e` beside `d.0`, `h` beside `d.1`.
        assert_eq!(check(&recording(GOOD)), Ok(2));
    }

    #[test]
    fn takes_the_slot() {
        let events = doctored(GOOD, "8 schedule 1", "8 schedule 1\n 8 schedule 0");
        assert_broken(check(&events), "schedule");
    }

    #[test]
    fn probes_all_the_same() {
        let events = doctored(
            GOOD,
            "8 schedule 1",
            "8 schedule 1\n 8 bind 0 drv=e\n 8 probe 0 drv=e\n 8 probe_end 0\n 8 bind_end 0",
        );
        assert_broken(check(&events), "probe dev=\"d.0\"");
    }
}
