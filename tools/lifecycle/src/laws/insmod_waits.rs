// SPDX-License-Identifier: GPL-2.0

//! A plain insmod that sets off asynchronous probes returns only after they have ended; with the
//! module parameter `async_probe` it returns before.
//!
//! `kernel/module/main.c`, `do_init_module()`: `if (!mod->async_probe_requested)
//! async_synchronize_full()`.

use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::Event;

/// What insmod is expected to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Insmod {
    /// Returns after every probe has ended: a plain insmod.
    Waits,
    /// Returns before any probe has ended: `async_probe` was among the parameters.
    Returns,
}

/// Judges the insmod of `module`, the driver's or the devices', which sets off the slow
/// asynchronous probes of `devices` devices by `driver`.
///
/// # Errors
///
/// How the law was broken.
pub fn check(
    events: &[Event],
    module: &str,
    driver: &str,
    devices: usize,
    insmod: Insmod,
) -> Result<(), Violation> {
    let court = Court {
        law: "insmod_waits",
        events,
    };
    let (call, returned) = court.call(Kind::Insmod, module)?;
    court.demand(
        call.ret == Some(0),
        format!("insmod of {module} to succeed"),
        court.at(returned),
    )?;
    for probe in court.first_probes(driver, devices)? {
        court.demand(
            probe.asynchronous,
            "probes in async workers",
            court.at(probe.began),
        )?;
        court.demand(
            call.began < probe.began,
            format!("insmod of {module} to set the probes off"),
            court.at(probe.began),
        )?;
        let ended = probe.ended.unwrap_or(usize::MAX);
        match insmod {
            Insmod::Waits => court.demand(
                ended < returned,
                format!(
                    "insmod of {module} to return after the probe of {}",
                    probe.device
                ),
                format!("{} after it", court.at(ended)),
            )?,
            Insmod::Returns => court.demand(
                returned < ended,
                format!(
                    "insmod of {module} to return before the probe of {} ends",
                    probe.device
                ),
                format!("{} before it", court.at(ended)),
            )?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const PLAIN: &str = "
        call insmod m 9
        registered prefer_asynchronous
        async 0
        async 1
        ended 1 0
        ended 0 0
        return insmod m 9 0
    ";

    const ASYNC: &str = "
        call insmod m 9
        async 0
        registered prefer_asynchronous
        return insmod m 9 0
        async 1
        ended 1 0
        ended 0 0
    ";

    #[test]
    fn holds() {
        check(&log(PLAIN), "m", "d", 2, Insmod::Waits).unwrap();
        check(&log(ASYNC), "m", "d", 2, Insmod::Returns).unwrap();
    }

    #[test]
    fn the_other_way_round() {
        assert_broken(
            check(&log(ASYNC), "m", "d", 2, Insmod::Waits),
            "probe_ended dev=d.0 driver=d ret=0 ms=1.000 after",
        );
        assert_broken(
            check(&log(PLAIN), "m", "d", 2, Insmod::Returns),
            "ms=1.000 before",
        );
    }

    #[test]
    fn nothing_to_judge() {
        let check = |events: &[Event]| check(events, "m", "d", 2, Insmod::Waits);
        assert_broken(check(&doctored(PLAIN, "call insmod m 9", "")), "0 of them");
        assert_broken(
            check(&doctored(
                PLAIN,
                "return insmod m 9 0",
                "return insmod m 9 -22",
            )),
            "ret=-22",
        );
        assert_broken(
            check(&doctored(PLAIN, "return insmod m 9 0", "")),
            "call_began",
        );
        assert_broken(check(&doctored(PLAIN, "async 0", "sync 0 9")), "async=0");
    }
}
