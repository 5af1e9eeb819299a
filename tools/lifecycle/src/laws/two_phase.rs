// SPDX-License-Identifier: GPL-2.0

//! A probe in two phases is over at once, nobody waits for its second phase but who unbinds the
//! device, and that one gets devres released after it.
//!
//! `kernel/async.c`: `async_synchronize_full()` passes over exclusive domains, in which the second
//! phases run. `drivers/base/dd.c`, `device_unbind_cleanup()`: `devres_release_all()` drops the
//! domain, which waits for it.

use super::violation::Court;
use super::Violation;
use crate::call::Kind;
use crate::probe::Probe;
use crate::Event;

/// A device's probe that has ended, and where its second phase has.
fn phases<'a>(
    court: Court<'a>,
    driver: &str,
    devices: usize,
) -> Result<Vec<(Probe<'a>, usize)>, Violation> {
    court
        .first_probes(driver, devices)?
        .into_iter()
        .map(|probe| match (probe.ended, probe.ready, probe.ret) {
            (Some(ended), Some(ready), Some(0)) if ended < ready => Ok((probe, ready)),
            _ => Err(court.broken(
                format!("{} to be bound, and ready later", probe.device),
                court.at(probe.ready.unwrap_or(probe.began)),
            )),
        })
        .collect()
}

/// Judges the insmod of `module`, the driver's or the devices', which makes `driver` probe
/// `devices` devices, whose second phases are slow: it returns before any of them ends.
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
        law: "two_phase",
        events,
    };
    let (_, returned) = court.call(Kind::Insmod, module)?;
    for (probe, ready) in phases(court, driver, devices)? {
        court.demand(
            probe.ended < Some(returned) && returned < ready,
            format!(
                "insmod of {module} to return after the probe of {} and before it is ready",
                probe.device
            ),
            court.at(returned),
        )?;
    }
    Ok(())
}

/// Judges the only call of `kind` on `on`, which unbinds `device` during its second phase: it
/// returns after devres has been released, which comes after the end of the second phase.
///
/// # Errors
///
/// How the law was broken.
pub fn check_unbind(
    events: &[Event],
    kind: Kind,
    on: &str,
    driver: &str,
    devices: usize,
    device: &str,
) -> Result<(), Violation> {
    let court = Court {
        law: "two_phase",
        events,
    };
    let (call, returned) = court.call(kind, on)?;
    let probe = phases(court, driver, devices)?
        .into_iter()
        .find(|(probe, _)| probe.device == device);
    let Some((probe, ready)) = probe else {
        return Err(court.broken(format!("a probe of {device}"), "none"));
    };
    court.demand(
        probe.ended < Some(call.began) && call.began < ready,
        format!("{kind} of {on} during the second phase of {device}"),
        court.at(call.began),
    )?;
    court.demand(
        probe
            .released
            .is_some_and(|released| ready < released && released < returned),
        format!("ready, devres_released, return of {kind}"),
        format!(
            "{}; {}; {}",
            court.at(ready),
            probe
                .released
                .map_or("no devres_released".to_owned(), |at| court.at(at)),
            court.at(returned)
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const GOOD: &str = "
        call insmod m 9
        async 0
        ended 0 0
        return insmod m 9 0
        call unbind d.0 8
        removing 0
        unbound 0
        arrived 0 0
        ready 0 0
        devres_released 0
        return unbind d.0 8 0
    ";

    fn unbind(events: &[Event]) -> Result<(), Violation> {
        check_unbind(events, Kind::Unbind, "d.0", "d", 1, "d.0")
    }

    /// `GOOD` with `line` right after `after`.
    fn moved(line: &str, after: &str) -> Vec<Event> {
        let text = GOOD.replace(&format!("{line}\n"), "\n");
        log(&text.replace(&format!("{after}\n"), &format!("{after}\n{line}\n")))
    }

    #[test]
    fn holds() {
        check(&log(GOOD), "m", "d", 1).unwrap();
        unbind(&log(GOOD)).unwrap();
    }

    #[test]
    fn insmod_waits() {
        let events = moved("return insmod m 9 0", "ready 0 0");
        assert_broken(check(&events, "m", "d", 1), "call_returned");
        let events = moved("ended 0 0", "arrived 0 0");
        assert_broken(check(&events, "m", "d", 1), "call_returned");
    }

    #[test]
    fn unbind_does_not_wait() {
        let events = moved("return unbind d.0 8 0", "unbound 0");
        assert_broken(unbind(&events), "ready");
        let events = moved("devres_released 0", "unbound 0");
        assert!(unbind(&events).is_err());
    }

    #[test]
    fn never_ready() {
        let events = doctored(GOOD, "ready 0 0", "");
        assert_broken(check(&events, "m", "d", 1), "probe_began");
        assert_broken(unbind(&events), "probe_began");
    }

    #[test]
    fn nothing_to_judge() {
        assert_broken(check(&log(GOOD), "n", "d", 1), "0 of them");
        assert_broken(check(&log(GOOD), "m", "d", 2), "1 devices");
        let late = moved("call unbind d.0 8", "ready 0 0");
        assert_broken(unbind(&late), "call_began");
    }
}
