// SPDX-License-Identifier: GPL-2.0

//! A device whose probe says `EPROBE_DEFER` is probed again after another device has been bound,
//! and is not lost.
//!
//! `drivers/base/dd.c`: `driver_deferred_probe_add()` in `really_probe()`, and
//! `driver_deferred_probe_trigger()` in `driver_bound()`.

use super::violation::Court;
use super::Violation;
use crate::probe::probes;
use crate::Event;

/// What a probe returns that is to be repeated.
const EPROBE_DEFER: i32 = -517;

/// Judges the probes of `device`, which needs `supplier` to be bound.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], device: &str, supplier: &str) -> Result<(), Violation> {
    let court = Court {
        law: "deferral",
        events,
    };
    let probes = probes(events);
    let of = |name: &str| -> Vec<_> { probes.iter().filter(|p| p.device == name).collect() };
    let (deferred, supplied) = (of(device), of(supplier));
    let Some(bound) = supplied
        .iter()
        .find(|probe| probe.ret == Some(0))
        .and_then(|probe| probe.ended)
    else {
        return Err(court.broken(format!("{supplier} to be bound"), "it is not"));
    };

    let (before, after): (Vec<_>, Vec<_>) =
        deferred.into_iter().partition(|probe| probe.began < bound);
    court.demand(
        !before.is_empty() && before.iter().any(|probe| probe.ret == Some(EPROBE_DEFER)),
        format!("{device} to be deferred before {supplier} is bound"),
        before
            .first()
            .map_or("no probe of it".to_owned(), |p| court.at(p.began)),
    )?;
    let Some(last) = after.last().or(before.last()) else {
        return Ok(());
    };
    court.demand(
        bound < last.began && last.ret == Some(0),
        format!("{device} to be probed again and bound after {supplier}"),
        last.ended
            .map_or(court.at(last.began), |ended| court.at(ended)),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        async 0
        async 1
        ended 0 -517
        devres_released 0
        ended 1 0
        sync 0 9
        ended 0 0
    ";

    #[test]
    fn holds() {
        check(&log(GOOD), "d.0", "d.1").unwrap();
    }

    #[test]
    fn lost() {
        let lost = GOOD.replace("sync 0 9\n", "").replace("ended 0 0\n", "");
        assert_broken(check(&log(&lost), "d.0", "d.1"), "ret=-517");
        let failed = doctored(GOOD, "ended 0 0", "ended 0 -5");
        assert_broken(check(&failed, "d.0", "d.1"), "ret=-5");
    }

    #[test]
    fn nothing_to_judge() {
        let never = doctored(GOOD, "ended 0 -517", "ended 0 -5");
        assert_broken(check(&never, "d.0", "d.1"), "probe_began");
        let alone = doctored(GOOD, "ended 1 0", "ended 1 -5");
        assert_broken(check(&alone, "d.0", "d.1"), "it is not");
        assert_broken(check(&log(GOOD), "d.7", "d.1"), "no probe of it");
    }
}
