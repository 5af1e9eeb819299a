// SPDX-License-Identifier: GPL-2.0

//! A device that is removed after its async probe was scheduled and before that runs is never
//! probed, and its memory is released.
//!
//! `drivers/base/core.c`, `device_del()` marks the device dead; `drivers/base/dd.c`,
//! `__driver_probe_device()` and `__device_attach_async_helper()` leave dead devices alone, and the
//! helpers drop the reference that was taken when they were scheduled.

use super::{AsyncProbe, Bar};
use crate::laws::Violation;
use crate::recording::Point;
use crate::Event;

/// Judges every async probe that runs after its device has been removed; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("gone_before_probe", events);
    let mut cases = 0;
    for AsyncProbe { scheduled, run } in bar.async_probes() {
        let Some(run) = run else {
            continue;
        };
        let at = scheduled.fetched.at;
        let gone = bar
            .of_device(Point::Del, at)
            .find(|(_, gone)| scheduled.began < gone.began && gone.end() < run.began);
        let Some((_, gone)) = gone else {
            continue;
        };
        cases += 1;
        let freed = bar
            .of_device(Point::Freed, at)
            .find(|(_, freed)| gone.end() < freed.began)
            .map(|(_, freed)| freed.began);
        let probed = bar.of_device(Point::Probe, at).find(|(_, probe)| {
            gone.end() < probe.began && probe.began < freed.unwrap_or(usize::MAX)
        });
        if let Some((_, probe)) = probed {
            bar.demand(
                false,
                format!("no probe of {}, which is gone", run.device()),
                &[gone.end(), probe.began],
            )?;
        }
        bar.demand(
            freed.is_some_and(|freed| run.began < freed),
            format!("{} to be released once its probe has run", run.device()),
            &[
                gone.end(),
                run.began,
                run.end(),
                freed.unwrap_or(usize::MAX),
            ],
        )?;
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 schedule_device 0
        9 schedule 1
        9 del 0
        9 del_end
        30 device_attach 0
        30 freed 0
        30 device_attach_end
        31 driver_attach 1
        31 probe 1
        31 probe_end 0
        31 driver_attach_end
        9 add 0
        9 schedule_device 0
        9 add_end 0
        32 device_attach 0
        32 probe 0
        32 probe_end 0
        32 device_attach_end
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
    }

    #[test]
    fn probed_all_the_same() {
        let events = doctored(
            GOOD,
            "30 device_attach 0",
            "30 device_attach 0\n 30 probe 0\n 30 probe_end 0",
        );
        assert_broken(check(&events), "probe dev=\"d.0\"");
    }

    #[test]
    fn never_released() {
        let short: Vec<_> = GOOD.lines().take(8).collect();
        let lost = altered(&short.join("\n"), "30 freed 0", "");
        assert_broken(check(&recording(&lost)), "del_end");
        let early = altered(
            &lost,
            "30 device_attach 0",
            "9 freed 0\n 30 device_attach 0",
        );
        assert_broken(check(&recording(&early)), "freed");
    }
}
