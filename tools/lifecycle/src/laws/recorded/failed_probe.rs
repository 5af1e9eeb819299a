// SPDX-License-Identifier: GPL-2.0

//! A failed probe binds nothing, calls no remove, is cleaned up before it returns, and leaves the
//! device free to be bound later.
//!
//! `drivers/base/dd.c`, `really_probe()`: a failed `call_driver_probe()` goes to `probe_failed`,
//! which releases devres and driver data by `device_unbind_cleanup()` and never reaches
//! `driver_bound()`. Its result is positive, to be told from errors of the driver core.

use super::Bar;
use crate::laws::Violation;
use crate::recording::Point;
use crate::Event;

const EBUSY: i32 = -16;

/// Judges every probe that has failed; those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("failed_probe", events);
    let mut cases = 0;
    for (at, probe) in bar.of(Point::Probe) {
        let Some(ret) = probe.ret.filter(|ret| *ret != 0) else {
            continue;
        };
        cases += 1;
        let device = probe.fetched.at;
        let inside = |point: Point| -> Vec<usize> {
            bar.in_span(point, at)
                .filter(|(_, of)| of.is_at(device))
                .map(|(_, of)| of.began)
                .collect()
        };
        let whole = [probe.began, probe.end()];
        let bound = inside(Point::Bound);
        bar.demand(
            bound.is_empty(),
            format!("{} not to be bound, as its probe failed", probe.device()),
            &[&whole[..], &bound].concat(),
        )?;
        let (removed, cleaned) = (inside(Point::Remove), inside(Point::Cleanup));
        bar.demand(
            ret < 0 || removed.is_empty() && cleaned.len() == 1,
            format!("a clean-up of {} and no remove", probe.device()),
            &[&whole[..], &removed, &cleaned].concat(),
        )?;
        let next = bar
            .of_device(Point::Probe, device)
            .chain(bar.of_device(Point::Bound, device))
            .map(|(_, next)| next.began)
            .filter(|next| probe.end() < *next)
            .min()
            .unwrap_or(usize::MAX);
        let removed = bar
            .of_device(Point::Remove, device)
            .map(|(_, remove)| remove.began)
            .find(|remove| probe.end() < *remove && *remove < next);
        bar.demand(
            removed.is_none(),
            format!("no remove of {}, whose probe failed", probe.device()),
            &[probe.began, probe.end(), removed.unwrap_or(usize::MAX)],
        )?;
        let refused = bar
            .of_device(Point::Bind, device)
            .map(|(_, bind)| bind)
            .find(|bind| probe.end() < bind.began && bind.end() < next && bind.ret == Some(EBUSY));
        if let Some(refused) = refused {
            bar.demand(
                false,
                format!("{} to be free after its probe failed", probe.device()),
                &[probe.began, probe.end(), refused.began, refused.end()],
            )?;
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
        9 probe 0
        9 cleanup 0
        9 probe_end 2
        9 probe 1
        9 bound 1
        9 probe_end 0
        9 probe 2
        9 probe_end -16
        8 bind 0
        8 probe 0
        8 bound 0
        8 probe_end 0
        8 bind_end 0
        8 bind 0
        8 bind_end -16
        8 remove 0
        8 cleanup 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(2));
    }

    #[test]
    fn bound_all_the_same() {
        let events = doctored(GOOD, "9 cleanup 0", "9 bound 0\n 9 cleanup 0");
        assert_broken(check(&events), "bound");
    }

    #[test]
    fn removed_or_not_cleaned_up() {
        assert_broken(check(&doctored(GOOD, "9 cleanup 0", "")), "probe_end");
        let events = doctored(GOOD, "9 cleanup 0", "9 remove 0\n 9 cleanup 0");
        assert_broken(check(&events), "remove");
        let events = doctored(GOOD, "9 probe_end 2", "9 probe_end 2\n 9 remove 0");
        assert_broken(check(&events), "remove");
    }

    #[test]
    fn not_free() {
        let events = doctored(
            GOOD,
            "9 probe_end 2",
            "9 probe_end 2\n 9 bind 0\n 9 bind_end -16",
        );
        assert_broken(check(&events), "bind_end");
    }
}
