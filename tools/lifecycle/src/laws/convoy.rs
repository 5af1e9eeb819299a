// SPDX-License-Identifier: GPL-2.0

//! While PREFER probes run, insmod and rmmod of a module that has nothing to do with them wait for
//! them; beside the designs that probe in exclusive domains they do not.
//!
//! `kernel/module/main.c`: `async_synchronize_full()` in `do_init_module()` and in
//! `delete_module()`. `kernel/async.c`: it passes over exclusive domains.

use super::insmod_waits::Insmod;
use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::probe::probes;
use crate::{Event, Micros};

/// Judges the only call of `kind` on `module`, made while probes of `driver` run: it returns when
/// they have ended, or before any of them ends and within `at_most`.
///
/// # Errors
///
/// How the law was broken.
pub fn check(
    events: &[Event],
    kind: Kind,
    module: &str,
    driver: &str,
    call: Insmod,
    at_most: Micros,
) -> Result<(), Violation> {
    let court = Court {
        law: "convoy",
        events,
    };
    let expected = call;
    let (call, returned) = court.call(kind, module)?;
    court.demand(
        call.ret == Some(0),
        format!("{kind} of {module} to succeed"),
        court.at(returned),
    )?;

    let mut beside = 0;
    for probe in probes(events) {
        // A second phase is as slow as a probe.
        let end = probe.ready.max(probe.ended);
        let runs = probe.began < call.began && end.is_none_or(|end| call.began < end);
        if probe.driver != driver || !runs {
            continue;
        }
        beside += 1;
        let waited = end.is_some_and(|end| end < returned);
        court.demand(
            waited == (expected == Insmod::Waits),
            format!("{kind} of {module}: {expected:?}, beside {}", probe.device),
            court.at(returned),
        )?;
    }
    court.demand(
        beside > 0,
        format!("{kind} of {module} during a probe"),
        court.at(call.began),
    )?;
    let took = events[returned].time - events[call.began].time;
    court.demand(
        expected == Insmod::Waits || took <= at_most,
        format!("{kind} of {module} to take {at_most} ms at most"),
        format!("{took} ms"),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const RETURNS: &str = "
        async 0
        async 1
        call insmod m 9
        return insmod m 9 0
        ended 0 0
        ended 1 0
    ";

    const WAITS: &str = "
        async 0
        async 1
        call insmod m 9
        ended 0 0
        ended 1 0
        return insmod m 9 0
    ";

    fn verdict(events: &[Event], call: Insmod) -> Result<(), Violation> {
        check(events, Kind::Insmod, "m", "d", call, Micros(1500))
    }

    #[test]
    fn holds() {
        verdict(&log(RETURNS), Insmod::Returns).unwrap();
        verdict(&log(WAITS), Insmod::Waits).unwrap();
    }

    #[test]
    fn the_other_way_round() {
        assert_broken(verdict(&log(RETURNS), Insmod::Waits), "call_returned");
        assert_broken(verdict(&log(WAITS), Insmod::Returns), "call_returned");
        let one = "ended 0 0\n call insmod m 9";
        let one = log(&WAITS
            .replace("ended 0 0\n", "")
            .replace("call insmod m 9", one));
        verdict(&one, Insmod::Waits).unwrap();
    }

    #[test]
    fn takes_too_long() {
        let slow = doctored(RETURNS, "call insmod m 9", "call insmod m 9\n async 2");
        assert_broken(verdict(&slow, Insmod::Returns), "2.000 ms");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(verdict(&log("async 0"), Insmod::Returns), "0 of them");
        let alone = log("call insmod m 9\n return insmod m 9 0");
        assert_broken(verdict(&alone, Insmod::Returns), "call_began");
        let failed = doctored(RETURNS, "return insmod m 9 0", "return insmod m 9 -8");
        assert_broken(verdict(&failed, Insmod::Returns), "ret=-8");
    }
}
