// SPDX-License-Identifier: GPL-2.0

//! rmmod of a driver during its probes waits for them and unbinds every device; when it has
//! returned, nothing of the driver runs any more.
//!
//! `drivers/base/dd.c`, `driver_detach()`: `async_synchronize_full()` if the driver may be probed
//! asynchronously, then every device of the driver is released. What a driver runs elsewhere, in
//! domains of its own, it has to wait for itself.

use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::laws::one_at_a_time::under_way;
use crate::probe::probes;
use crate::{Event, What};

/// Judges the only successful rmmod of `module`, which holds `driver`, during its probes of
/// `devices` devices.
///
/// # Errors
///
/// How the law was broken.
pub fn check(
    events: &[Event],
    module: &str,
    driver: &str,
    devices: usize,
) -> Result<(), Violation> {
    let court = Court {
        law: "rmmod_waits",
        events,
    };
    let (call, returned) = court.call(Kind::Rmmod, module)?;
    court.demand(
        call.ret == Some(0),
        format!("rmmod of {module} to succeed"),
        court.at(returned),
    )?;

    let probes: Vec<_> = probes(events)
        .into_iter()
        .filter(|probe| probe.driver == driver)
        .collect();
    let during = probes.iter().any(|probe| {
        let end = probe.ready.max(probe.ended);
        probe.began < call.began && end.is_some_and(|end| call.began < end)
    });
    court.demand(
        during,
        format!("rmmod of {module} during a probe"),
        court.at(call.began),
    )?;
    court.demand(
        probes.len() == devices,
        format!("{devices} probes by {driver}"),
        format!("{}", probes.len()),
    )?;
    for probe in &probes {
        court.demand(
            probe.released.is_some_and(|released| released < returned),
            format!("rmmod to return after {} is unbound", probe.device),
            probe
                .released
                .map_or("no end of it".to_owned(), |at| court.at(at)),
        )?;
    }

    let unregistered = events.iter().position(
        |event| matches!(&event.what, What::Unregistered { driver: name, .. } if name == driver),
    );
    court.demand(
        unregistered.is_some_and(|at| (call.began..returned).contains(&at)),
        format!("{driver} to be unregistered by rmmod"),
        unregistered.map_or("it is not".to_owned(), |at| court.at(at)),
    )?;
    let late = (returned..events.len())
        .find(|at| events[*at].what.driver().is_some_and(|name| name == driver));
    if let Some(late) = late {
        return Err(court.broken(
            format!("nothing of {driver} after rmmod has returned"),
            court.at(late),
        ));
    }
    court.demand(
        under_way(&events[..returned]).is_empty(),
        "nothing under way when rmmod returns",
        under_way(&events[..returned]).join(", "),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        async 0
        async 1
        call rmmod m 9
        ended 0 0
        ended 1 -2
        devres_released 1
        removing 0
        unbound 0
        devres_released 0
        unregistered
        return rmmod m 9 0
    ";

    fn verdict(events: &[Event]) -> Result<(), Violation> {
        check(events, "m", "d", 2)
    }

    #[test]
    fn holds() {
        verdict(&log(GOOD)).unwrap();
    }

    #[test]
    fn holds_in_two_phases() {
        let events = log("
            async 0
            ended 0 0
            call rmmod m 9
            removing 0
            unbound 0
            arrived 0 0
            ready 0 0
            devres_released 0
            unregistered
            return rmmod m 9 0
        ");
        check(&events, "m", "d", 1).unwrap();
    }

    #[test]
    fn something_is_left() {
        assert_broken(
            verdict(&doctored(GOOD, "devres_released 0", "")),
            "no end of it",
        );
        assert_broken(verdict(&doctored(GOOD, "unregistered", "")), "it is not");
        let late = |line: &str| {
            let text = GOOD.replace(&format!("{line}\n"), "");
            log(&format!("{text}\n{line}"))
        };
        assert_broken(verdict(&late("devres_released 0")), "devres_released");
        assert_broken(verdict(&late("unregistered")), "unregistered");
        let more = log(&format!("{GOOD}\n async 0"));
        assert_broken(verdict(&more), "3");
        let removing = log(&format!("{GOOD}\n removing 0"));
        assert_broken(verdict(&removing), "removing");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(
            verdict(&doctored(
                GOOD,
                "return rmmod m 9 0",
                "return rmmod m 9 -11",
            )),
            "ret=-11",
        );
        let late = log("
            async 0
            ended 0 0
            call rmmod m 9
            removing 0
            unbound 0
            devres_released 0
            unregistered
            return rmmod m 9 0
        ");
        assert_broken(check(&late, "m", "d", 1), "call_began");
        assert_broken(verdict(&log("")), "0 of them");
    }
}
