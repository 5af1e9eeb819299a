// SPDX-License-Identifier: GPL-2.0

//! Unbind during a probe waits for it; then remove, then the clean-up of driver data and devres, and
//! only then it returns.
//!
//! `drivers/base/dd.c`: `device_release_driver_internal()` takes the device lock, which the probe
//! holds; `__device_release_driver()` calls `device_remove()`, then `device_unbind_cleanup()`.

use super::Bar;
use crate::laws::Violation;
use crate::recording::Point;
use crate::Event;

/// Judges every release of a device from its driver; the cases are those during a probe.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("unbind_waits", events);
    let mut cases = 0;
    for (at, release) in bar.of(Point::Release) {
        let device = release.fetched.at;
        let [remove, cleanup] = [Point::Remove, Point::Cleanup].map(|point| {
            bar.in_span(point, at)
                .find(|(_, of)| of.is_at(device))
                .map(|(_, of)| of.began)
        });
        let places = [
            release.began,
            remove.unwrap_or(usize::MAX),
            cleanup.unwrap_or(usize::MAX),
            release.end(),
        ];
        bar.demand(
            release.ended.is_none() || remove.is_some() == cleanup.is_some(),
            format!("remove and clean-up of {} together", release.device()),
            &places,
        )?;
        bar.demand(
            cleanup.is_none() || remove < cleanup,
            format!("the clean-up of {} after its remove", release.device()),
            &places,
        )?;
        let probe = bar
            .of_device(Point::Probe, device)
            .find(|(_, probe)| probe.spans(release.began) && probe.pid != release.pid);
        let Some((_, probe)) = probe else {
            continue;
        };
        cases += 1;
        let first = remove.unwrap_or(release.end());
        bar.demand(
            release.ended.is_none() && remove.is_none() || probe.end() < first,
            format!("the unbind of {} to wait for its probe", release.device()),
            &[&places[..], &[probe.began, probe.end()]].concat(),
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
        30 probe 0
        9 release 0
        30 probe_end 0
        9 remove 0
        9 cleanup 0
        9 release_end
        8 release 0
        8 release_end
        31 probe 1
        7 release 1
        31 probe_end 2
        7 release_end
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(2));
    }

    #[test]
    fn does_not_wait() {
        let late = altered(GOOD, "30 probe_end 0", "");
        let late = altered(&late, "9 cleanup 0", "9 cleanup 0\n 30 probe_end 0");
        assert_broken(check(&recording(&late)), "probe_end");
        let late = altered(GOOD, "31 probe_end 2", "");
        let late = altered(&late, "7 release_end", "7 release_end\n 31 probe_end 2");
        assert_broken(check(&recording(&late)), "probe_end");
    }

    #[test]
    fn half_an_unbind() {
        assert_broken(check(&doctored(GOOD, "9 remove 0", "")), "cleanup");
        assert_broken(check(&doctored(GOOD, "9 cleanup 0", "")), "remove");
        let turned = altered(GOOD, "9 cleanup 0", "");
        let turned = altered(&turned, "9 remove 0", "9 cleanup 0\n 9 remove 0");
        assert_broken(check(&recording(&turned)), "cleanup");
    }
}
