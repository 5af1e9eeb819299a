// SPDX-License-Identifier: GPL-2.0

//! With `CONFIG_DEBUG_TEST_DRIVER_REMOVE` a probe that succeeds is tried first: once within it, the
//! device is removed and cleaned up, by the task that probes and by nobody else, before it is bound;
//! what the first life has asked for is over by then. Without the option no probe removes anything.
//!
//! `drivers/base/dd.c`, `really_probe()`: `test_remove`. Drivers with `suppress_bind_attrs` are left
//! alone; a recording does not tell which do, but those that are tried are tried each time.

use std::collections::BTreeMap;

use super::Bar;
use crate::laws::Violation;
use crate::probing::{recorded_trial, Probing};
use crate::recording::Point;
use crate::Event;

/// Judges every probe that has come as far as the driver; the cases are those that have succeeded, and
/// on a kernel that probes twice were tried.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], probing: Probing) -> Result<usize, Violation> {
    let bar = Bar::new("probe_remove_probe", events);
    let mut cases = 0;
    // By its registration, or where it is: whether the driver is tried, and a probe that shows it.
    let mut tried: BTreeMap<(Option<u64>, Option<usize>), (bool, usize)> = BTreeMap::new();
    for (at, probe) in bar.of(Point::Probe) {
        let Some(ret) = probe.ret.filter(|ret| *ret >= 0) else {
            continue;
        };
        let device = probe.fetched.at;
        let inside: Vec<_> = bar
            .spans
            .iter()
            .filter(|span| span.is_at(device) && probe.spans(span.began))
            .filter(|span| {
                matches!(
                    span.point,
                    Point::Remove | Point::Cleanup | Point::Bound | Point::Freed
                )
            })
            .collect();
        let mut places = vec![probe.began, probe.end()];
        places.extend(inside.iter().map(|span| span.began));
        let trial = recorded_trial(&bar.spans, at);
        if probing == Probing::Once {
            bar.demand(
                trial.is_none(),
                format!("no remove of {} in its probe", probe.device()),
                &places,
            )?;
            cases += usize::from(ret == 0);
            continue;
        }
        let [remove, cleanup, bound] = [Point::Remove, Point::Cleanup, Point::Bound];
        let expected: &[Point] = match (trial, ret) {
            (Some(_), 0) => &[remove, cleanup, bound],
            (Some(_), _) => &[remove, cleanup, cleanup],
            (None, 0) => &[bound],
            (None, _) => &[cleanup],
        };
        let in_order = inside.iter().map(|span| &span.point).eq(expected);
        bar.demand(
            in_order && inside.iter().all(|span| span.pid == probe.pid),
            format!(
                "{expected:?} of {} and no more in its probe",
                probe.device()
            ),
            &places,
        )?;
        if let Some([_, cleanup]) = trial {
            let left = bar
                .of_device(Point::Firmware, device)
                .map(|(_, request)| request)
                .find(|request| request.spans(cleanup.began) && probe.end() < request.end());
            places.extend(left.iter().flat_map(|left| [left.began, left.end()]));
            bar.demand(
                left.is_none(),
                format!(
                    "the firmware of {} before it is probed again",
                    probe.device()
                ),
                &places,
            )?;
        }
        if ret == 0 {
            let driver = bar.registration(probe).map(|register| register.began);
            let (is_tried, first) = *tried
                .entry((probe.fetched.by, driver))
                .or_insert((trial.is_some(), probe.began));
            places.push(first);
            bar.demand(
                is_tried == trial.is_some(),
                format!("{} to be tried as others of its driver are", probe.device()),
                &places,
            )?;
        }
        cases += usize::from(ret == 0 && trial.is_some());
    }
    Ok(cases)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, doctored, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;
    use crate::Probing::{Once, Twice};

    /// A probe, one that fails at once, one that fails the second time, and those of a driver with
    /// `suppress_bind_attrs`.
    const GOOD: &str = "
        30 probe 0
        30 firmware f 0
        30 firmware_end 0
        30 remove 0
        30 cleanup 0
        31 probe 1
        31 cleanup 1
        31 probe_end 2
        30 bound 0
        30 probe_end 0
        32 probe 2
        32 remove 2
        32 cleanup 2
        32 cleanup 2
        32 probe_end 5
        9 release 0
        9 remove 0
        9 cleanup 0
        9 release_end
        30 probe 3 drv=e
        30 bound 3
        30 probe_end 0
        30 probe 4 drv=e
        30 probe_end -517
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD), Twice), Ok(1));
        assert_eq!(check(&recording(""), Twice), Ok(0));
    }

    #[test]
    fn half_a_trial() {
        for line in ["30 remove 0", "30 cleanup 0"] {
            let verdict = check(&doctored(GOOD, line, ""), Twice);
            assert_broken(verdict, "probe dev=\"d.0\"");
            let twice = format!("{line}\n{line}");
            let verdict = check(&doctored(GOOD, line, &twice), Twice);
            assert_broken(verdict, "probe dev=\"d.0\"");
        }
        let turned = altered(GOOD, "30 remove 0", "30 cleanup 0");
        let turned = turned.replacen("30 cleanup 0\n        31", "30 remove 0\n 31", 1);
        assert_broken(check(&recording(&turned), Twice), "cleanup");
        let failed = doctored(GOOD, "31 cleanup 1", "31 remove 1\n 31 cleanup 1");
        assert_broken(check(&failed, Twice), "dev=\"d.1\"");
    }

    #[test]
    fn bound_before_it_is_tried() {
        let early = altered(GOOD, "30 bound 0", "");
        let early = altered(&early, "30 remove 0", "30 bound 0\n 30 remove 0");
        assert_broken(check(&recording(&early), Twice), "bound");
        let twice = doctored(GOOD, "30 remove 0", "30 bound 0\n 30 remove 0");
        assert_broken(check(&twice, Twice), "bound");
    }

    #[test]
    fn somebody_else_comes_between() {
        let other = doctored(GOOD, "30 cleanup 0", "8 cleanup 0");
        assert_broken(check(&other, Twice), "cleanup");
        let freed = doctored(GOOD, "30 cleanup 0", "30 cleanup 0\n 8 freed 0");
        assert_broken(check(&freed, Twice), "freed");
    }

    #[test]
    fn the_first_life_is_not_over() {
        let late = altered(GOOD, "30 firmware_end 0", "");
        let late = altered(&late, "30 firmware f 0", "8 firmware f 0");
        let over = altered(&late, "30 bound 0", "8 firmware_end 0\n 30 bound 0");
        assert_eq!(check(&recording(&over), Twice), Ok(1));
        let left = altered(&late, "9 release 0", "8 firmware_end 0\n 9 release 0");
        assert_broken(check(&recording(&left), Twice), "firmware_end");
        // That of the second life may go on.
        let second = altered(&left, "8 firmware f 0", "");
        let second = altered(&second, "30 cleanup 0", "30 cleanup 0\n 8 firmware f 0");
        assert_eq!(check(&recording(&second), Twice), Ok(1));
    }

    #[test]
    fn not_tried_each_time() {
        let more = format!("{GOOD}\n 30 probe 5\n 30 bound 5\n 30 probe_end 0");
        assert_broken(check(&recording(&more), Twice), "probe dev=\"d.5\"");
        // By another driver in the same place it may be.
        let another = more.replace("30 probe 5", "9 register\n 9 register_end 0\n 30 probe 5");
        assert_eq!(check(&recording(&another), Twice), Ok(1));
    }

    #[test]
    fn tried_without_the_option() {
        assert_broken(check(&recording(GOOD), Once), "remove dev=\"d.0\"");
        let never = altered(&altered(GOOD, "30 remove 0", ""), "30 cleanup 0", "");
        assert_broken(check(&recording(&never), Once), "remove dev=\"d.2\"");
        let never = never.replacen("32 remove 2\n        32 cleanup 2\n", "", 1);
        assert_eq!(check(&recording(&never), Once), Ok(2));
    }
}
