// SPDX-License-Identifier: GPL-2.0

//! Of two asynchronous drivers that match one device, the second is skipped while the first is
//! pending, and does not come back by itself.
//!
//! `drivers/base/dd.c`, `__driver_attach()`: the device has one slot, `dev->p->async_driver`; a
//! driver that finds it taken leaves the device alone, without an error.

use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::probe::probes;
use crate::{Event, What};

/// Judges `device`, for which `first` and `second` were registered before any probe began, and
/// which `first` fails to probe; later a write to `drivers_probe` binds it to `second`.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event], device: &str, first: &str, second: &str) -> Result<(), Violation> {
    let court = Court {
        law: "single_slot",
        events,
    };
    let (call, _) = court.call(Kind::DriversProbe, device)?;
    let registered = |driver: &str| {
        events.iter().position(|event| {
            matches!(&event.what, What::Registered { driver: name, ret: 0, .. } if name == driver)
        })
    };
    let (Some(one), Some(other)) = (registered(first), registered(second)) else {
        return Err(court.broken(format!("{first} and {second} to be registered"), "not both"));
    };
    court.demand(
        one < other,
        format!("{first} to be registered first"),
        court.at(other),
    )?;

    let probes: Vec<_> = probes(events)
        .into_iter()
        .filter(|probe| probe.device == device)
        .collect();
    let Some(probe) = probes.iter().find(|probe| probe.driver == first) else {
        return Err(court.broken(format!("a probe of {device} by {first}"), "none"));
    };
    court.demand(
        other < probe.began && probe.asynchronous && probe.ret.is_some_and(|ret| ret != 0),
        format!("{first} to be pending when {second} comes, and to fail"),
        court.at(probe.began),
    )?;
    let skipped = probes
        .iter()
        .find(|probe| probe.driver == second && probe.began < call.began);
    if let Some(probe) = skipped {
        return Err(court.broken(
            format!("no probe of {device} by {second} before somebody asks"),
            court.at(probe.began),
        ));
    }
    court.demand(
        probes
            .iter()
            .any(|probe| probe.driver == second && probe.ret == Some(0)),
        format!("{second} to bind {device} when asked"),
        "it does not",
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, log};
    use super::*;
    use crate::event::KERNEL_PREFIX;

    const GOOD: &str = "
        registered prefer_asynchronous
        REGISTERED
        async 0
        ended 0 -19
        call drivers_probe d.0 9
        PROBE
        ENDED
        return drivers_probe d.0 9 0
    ";

    /// What the second driver, `e`, does.
    fn both(lines: &str) -> Vec<Event> {
        let plain = lines
            .replace("REGISTERED", "registered force_synchronous")
            .replace("PROBE", "sync 0 9")
            .replace("ENDED", "ended 0 0");
        let mut events = log(&plain);
        for event in &mut events {
            let text = event.what.to_string();
            let mine = text.contains("force_synchronous")
                || text.contains("async=0")
                || text.contains("ended dev=d.0 driver=d ret=0");
            if mine && text.starts_with(KERNEL_PREFIX) {
                let line = format!("[    1.000000] {}\n", text.replace("driver=d", "driver=e"));
                event.what = crate::parse::dmesg::parse(&line).unwrap().remove(0).what;
            }
        }
        events
    }

    #[test]
    fn holds() {
        check(&both(GOOD), "d.0", "d", "e").unwrap();
    }

    #[test]
    fn the_second_comes_by_itself() {
        let early = GOOD.replace("call drivers_probe", "PROBE\n ENDED\n call drivers_probe");
        assert_broken(check(&both(&early), "d.0", "d", "e"), "async=0");
    }

    #[test]
    fn never() {
        let never = GOOD.replace("PROBE", "").replace("ENDED", "");
        assert_broken(check(&both(&never), "d.0", "d", "e"), "it does not");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&both(GOOD), "d.0", "d", "f"), "not both");
        assert_broken(check(&both(GOOD), "d.0", "e", "d"), "registered");
        let late = GOOD
            .replace("REGISTERED\n", "")
            .replace("async 0\n", "async 0\n REGISTERED\n");
        assert_broken(check(&both(&late), "d.0", "d", "e"), "probe_began");
        let bound = GOOD.replace("-19", "0");
        assert!(check(&both(&bound), "d.0", "d", "e").is_err());
    }
}
