// SPDX-License-Identifier: GPL-2.0

//! A device whose probe says `EPROBE_DEFER` is probed again after another device has been bound, and
//! is not lost.
//!
//! `drivers/base/dd.c`: `driver_deferred_probe_add()` in `driver_probe_device()`, and
//! `driver_deferred_probe_trigger()` in `driver_bound()`; if that comes during the probe, it is
//! repeated (`deferred_trigger_count`). The worker that probes again takes one
//! device after the other. `device_driver_attach()` remembers nothing: who calls it is told
//! `EAGAIN`. With `drivers_autoprobe` 0 nobody comes back.

use super::Bar;
use crate::laws::Violation;
use crate::recording::{span, Point, Span};
use crate::{Event, Micros};

const EPROBE_DEFER: i32 = 517;

/// For how long no probe may be under way before the device counts as lost.
const PATIENCE: Micros = Micros(1_000_000);

/// Judges every deferred probe after which another device is bound; the cases are those that have
/// been repeated.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("deferral", events);
    let mut cases = 0;
    for (at, probe) in bar.of(Point::Probe) {
        let deferred = matches!(probe.ret.map(i32::abs), Some(EPROBE_DEFER));
        let by_hand = span::within(&bar.spans, at, |of| of.point == Point::Bind).is_some();
        if !deferred || by_hand {
            continue;
        }
        let device = probe.fetched.at;
        let bound = bar
            .of(Point::Bound)
            .find(|(_, bound)| probe.began < bound.began && !bound.is_at(device));
        let Some((_, bound)) = bound else {
            continue;
        };
        let again = bar
            .of_device(Point::Probe, device)
            .any(|(_, again)| probe.end() < again.began);
        if again {
            cases += 1;
            continue;
        }
        // Until the device or its driver goes, or the log ends.
        let gone = bar
            .of_device(Point::Del, device)
            .chain(
                bar.of(Point::Unregister)
                    .filter(|(_, gone)| gone.fetched.by == probe.fetched.by),
            )
            .map(|(_, gone)| gone.began)
            .filter(|gone| probe.end() < *gone)
            .min()
            .unwrap_or(events.len());
        let idle = idle(&bar, bound, gone);
        bar.demand(
            idle < PATIENCE,
            format!("{} to be probed again", probe.device()),
            &[probe.began, probe.end(), bound.began, gone],
        )?;
    }
    Ok(cases)
}

/// The longest time without a probe between a device's being bound and a place in the log.
fn idle(bar: &Bar<'_>, bound: &Span<'_>, until: usize) -> Micros {
    let events = bar.court.events;
    let time = |place: usize| events.get(place).or(events.last()).map(|event| event.time);
    let mut longest = Micros(0);
    let mut free = time(bound.began);
    let ends = bar
        .of(Point::Probe)
        .map(|(_, probe)| (probe.began, probe.end()));
    for (began, end) in ends.chain([(until, until)]) {
        if end < bound.began {
            continue;
        }
        let began = time(began.min(until));
        if let (Some(free), Some(began)) = (free, began) {
            if free < began {
                longest = longest.max(began - free);
            }
        }
        free = free.max(time(end));
        if until <= end {
            break;
        }
    }
    longest
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;
    use crate::{Event, Micros};

    const GOOD: &str = "
        9 probe 0
        9 cleanup 0
        9 probe_end 517
        9 probe 1
        9 bound 1
        9 probe_end 0
        30 probe 0
        30 bound 0
        30 probe_end 0
        8 unregister
        8 unregister_end
    ";

    /// The recording, in which two seconds pass before the line.
    fn late(lines: &str, line: &str) -> Vec<Event> {
        let from = lines.lines().filter(|of| !of.trim().is_empty());
        let from = from.take_while(|of| of.trim() != line).count();
        let mut events = recording(lines);
        for event in &mut events[from..] {
            event.time = event.time + Micros(2_000_000);
        }
        events
    }

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
        assert_eq!(check(&late(GOOD, "30 probe 0")), Ok(1));
        // Nothing else is bound, or it was the device's own caller that was told.
        let alone = altered(GOOD, "9 bound 1", "");
        assert_eq!(check(&recording(&alone)), Ok(0));
        let by_hand = GOOD
            .replace("9 probe 0", "9 bind 0\n 9 probe 0")
            .replace("9 probe_end 517", "9 probe_end 517\n 9 bind_end -11");
        assert_eq!(check(&recording(&by_hand)), Ok(0));
    }

    #[test]
    fn lost_while_another_was_bound() {
        let meanwhile = "
            9 probe 0
            8 bound 1
            9 probe_end 517
            8 unregister
        ";
        assert_eq!(check(&recording(meanwhile)), Ok(0));
        assert_broken(check(&late(meanwhile, "8 unregister")), "probe_end");
    }

    #[test]
    fn lost() {
        let lost = GOOD.replace("30 probe 0", "30 probe 2");
        // The worker may have had no time yet.
        assert_eq!(check(&recording(&lost)), Ok(0));
        assert_broken(check(&late(&lost, "8 unregister")), "unregister");
        let gone = altered(
            &lost,
            "8 unregister_end",
            "8 del 0\n 8 del_end\n 8 unregister_end",
        );
        assert_broken(check(&late(&gone, "8 unregister")), "unregister");
        // While it probes, it cannot come back.
        assert_eq!(check(&late(&lost, "30 bound 0")), Ok(0));
        let end = lost
            .replace("8 unregister_end", "")
            .replace("8 unregister", "8 add 7");
        assert_broken(check(&late(&end, "8 add 7")), "bound");
    }
}
