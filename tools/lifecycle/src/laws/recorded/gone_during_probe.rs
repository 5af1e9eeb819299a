// SPDX-License-Identifier: GPL-2.0

//! Removing a device during its probe waits for the probe, then removes, and the device is not
//! probed again.
//!
//! `drivers/base/core.c`, `device_del()` takes the device lock, which the probe holds, to mark the
//! device dead; `bus_remove_device()` then releases the driver.

use super::Bar;
use crate::laws::Violation;
use crate::recording::Point;
use crate::Event;

/// Judges every removal of a device during its probe; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("gone_during_probe", events);
    let mut cases = 0;
    for (del, gone) in bar.of(Point::Del) {
        let at = gone.fetched.at;
        let during = bar
            .of_device(Point::Probe, at)
            .any(|(_, probe)| probe.spans(gone.began) && probe.pid != gone.pid);
        // The device has been dead for a moment when its driver is released.
        let dead = bar
            .in_span(Point::Release, del)
            .find(|(_, release)| release.is_at(at))
            .map_or(gone.end(), |(_, release)| release.began);
        // Who holds the lock may have tried another driver since, and who got it before, too.
        let last = bar
            .of_device(Point::Probe, at)
            .take_while(|(_, probe)| probe.began < dead)
            .last();
        let Some((_, probe)) = last.filter(|_| during) else {
            continue;
        };
        cases += 1;
        bar.demand(
            gone.ended.is_none() || probe.end() < gone.end(),
            format!("the removal of {} to wait for its probe", gone.device()),
            &[probe.began, probe.end(), gone.began, gone.end()],
        )?;
        if gone.ended.is_none() {
            continue;
        }
        // By whoever got the lock: to unbind it, to unregister the driver, or to remove it.
        let removed = bar
            .of_device(Point::Remove, at)
            .find(|(_, remove)| gone.spans(remove.began) && probe.began < remove.began)
            .map(|(_, remove)| remove.began);
        bar.demand(
            removed.is_some() == (probe.ret == Some(0))
                && removed.is_none_or(|of| probe.end() < of),
            format!("a remove of {} if its probe succeeded", gone.device()),
            &[probe.end(), removed.unwrap_or(usize::MAX), gone.end()],
        )?;
        let freed = bar
            .of_device(Point::Freed, at)
            .find(|(_, freed)| gone.began < freed.began)
            .map_or(usize::MAX, |(_, freed)| freed.began);
        let again = bar
            .of_device(Point::Probe, at)
            .find(|(_, again)| dead < again.began && again.began < freed);
        if let Some((_, again)) = again {
            bar.demand(
                false,
                format!("no probe of {}, which is gone", gone.device()),
                &[gone.began, again.began],
            )?;
        }
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        30 probe 0
        9 del 0
        30 probe_end 0
        9 release 0
        9 remove 0
        9 release_end
        9 del_end
        9 freed 0
        31 probe 1
        8 del 1
        31 probe_end 2
        8 del_end
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(2));
    }

    #[test]
    fn somebody_else_unbinds() {
        let another = "7 release 0\n 7 remove 0\n 7 release_end\n 9 release 0";
        let events = altered(GOOD, "9 remove 0", "");
        let events = altered(&events, "9 release 0", another);
        assert_eq!(check(&recording(&events)), Ok(2));
    }

    #[test]
    fn another_driver_is_tried() {
        let next = "31 probe_end 2\n 31 probe 1\n 31 probe_end 0\n 8 release 1\n 8 remove 1\n 8 release_end";
        let events = doctored(GOOD, "31 probe_end 2", next);
        assert_eq!(check(&events), Ok(2));
        let left = next.replace(" 8 remove 1\n", "");
        assert_broken(check(&doctored(GOOD, "31 probe_end 2", &left)), "del_end");
    }

    #[test]
    fn does_not_wait() {
        let early = altered(GOOD, "8 del_end", "");
        let early = altered(&early, "31 probe_end 2", "8 del_end\n 31 probe_end 2");
        assert_broken(check(&recording(&early)), "probe_end");
        let early = altered(GOOD, "30 probe_end 0", "");
        let early = altered(&early, "9 remove 0", "9 remove 0\n 30 probe_end 0");
        assert_broken(check(&recording(&early)), "remove dev=\"d.0\"");
    }

    #[test]
    fn does_not_remove() {
        assert_broken(check(&doctored(GOOD, "9 remove 0", "")), "del_end");
    }

    #[test]
    fn probed_again() {
        let events = doctored(GOOD, "9 freed 0", "7 probe 0\n 7 probe_end 2\n 9 freed 0");
        assert_broken(check(&events), "7 [000] probe");
    }
}
