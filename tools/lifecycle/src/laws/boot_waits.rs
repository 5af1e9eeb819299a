// SPDX-License-Identifier: GPL-2.0

//! Built into the kernel, a driver's probes stall the boot: synchronous ones by their sum,
//! asynchronous ones by the longest. Those in exclusive domains do not.
//!
//! `init/main.c`: `do_one_initcall()` returns when the driver is registered, and with it the
//! synchronous probes; `kernel_init()` calls `async_synchronize_full()` before it runs init, and
//! that passes over exclusive domains (`kernel/async.c`).

use super::violation::Court;
use super::Violation;
use crate::event::Initcall;
use crate::{Event, Micros, What};

/// What the boot is expected to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// The task that boots probes one device after the other.
    Probes,
    /// It waits for the probes, which run in parallel.
    Waits,
    /// It goes on, and init runs before any probe ends.
    GoesOn,
}

/// Judges the boot of a kernel with `driver` built in, whose initcall is `function`, and with
/// `devices` devices. Returns how long after the beginning of that initcall init was run.
///
/// # Errors
///
/// How the law was broken.
pub fn check(
    events: &[Event],
    function: &str,
    driver: &str,
    devices: usize,
    boot: Boot,
) -> Result<Micros, Violation> {
    let court = Court {
        law: "boot_waits",
        events,
    };
    let only = |what: &str, is: &dyn Fn(&Initcall) -> bool| {
        let mut places = events.iter().enumerate().filter_map(|(at, event)| {
            matches!(&event.what, What::Initcall(initcall) if is(initcall)).then_some(at)
        });
        match (places.next(), places.next()) {
            (Some(at), None) => Ok(at),
            (None, _) => Err(court.broken(what, "none")),
            (Some(_), Some(at)) => Err(court.broken(what, format!("another: {}", court.at(at)))),
        }
    };
    let called = only(
        &format!("one initcall {function}"),
        &|it| matches!(it, Initcall::Calling { function: of, .. } if of.function() == function),
    )?;
    let init = only("one run of init", &|it| {
        matches!(it, Initcall::RunInit { .. })
    })?;
    let stall = Micros(events[init].time.0.saturating_sub(events[called].time.0));

    let (mut sum, mut longest, mut before) = (0, 0, called);
    for probe in court.first_probes(driver, devices)? {
        let end = probe.ready.max(probe.ended).unwrap_or(usize::MAX);
        let took = events[end]
            .time
            .0
            .saturating_sub(events[probe.began].time.0);
        sum += took;
        longest = longest.max(took);
        if boot == Boot::GoesOn {
            court.demand(
                called < init && init < end,
                format!("init to run before {} is ready", probe.device),
                court.at(end),
            )?;
            continue;
        }
        court.demand(
            probe.asynchronous == (boot == Boot::Waits),
            "probes in async workers where the boot waits, and in the task that boots where not",
            court.at(probe.began),
        )?;
        court.demand(
            boot == Boot::Waits || before < probe.began,
            "probes one after the other",
            court.at(probe.began),
        )?;
        court.demand(
            called < probe.began && end < init,
            format!(
                "the probe of {} between the initcall and init",
                probe.device
            ),
            court.at(end),
        )?;
        before = end;
    }
    let (expected, holds) = match boot {
        Boot::Probes => ("at least the sum of the probes", stall.0 >= sum),
        Boot::Waits => (
            "at least the longest probe, and less than their sum",
            stall.0 >= longest && (stall.0 < sum || devices == 1),
        ),
        Boot::GoesOn => ("less than the longest probe", stall.0 < longest),
    };
    court.demand(
        holds,
        format!("the boot to be stalled for {expected}"),
        format!("{stall} ms"),
    )?;
    Ok(stall)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{assert_broken, doctored, log};
    use super::*;

    const PROBES: &str = "
        calling __d_init 1
        sync 0 1
        ended 0 0
        sync 1 1
        ended 1 0
        registered force_synchronous
        run_init
    ";

    const WAITS: &str = "
        calling __d_init 1
        async 0
        async 1
        async 2
        registered prefer_asynchronous
        ended 2 0
        ended 1 0
        ended 0 0
        run_init
    ";

    const GOES_ON: &str = "
        calling __d_init 1
        registered force_synchronous
        async 0
        async 1
        run_init
        calling __other_init 7
        calling __other_init 7
        ended 1 0
        ended 0 0
    ";

    fn judge(events: &[Event], boot: Boot) -> Result<Micros, Violation> {
        let probes = events
            .iter()
            .filter(|it| matches!(it.what, What::ProbeBegan { .. }));
        check(events, "__d_init", "d", probes.count(), boot)
    }

    #[test]
    fn holds() {
        assert_eq!(judge(&log(PROBES), Boot::Probes).unwrap(), Micros(6000));
        assert_eq!(judge(&log(WAITS), Boot::Waits).unwrap(), Micros(8000));
        assert_eq!(judge(&log(GOES_ON), Boot::GoesOn).unwrap(), Micros(4000));
    }

    #[test]
    fn one_for_the_other() {
        assert_broken(judge(&log(WAITS), Boot::Probes), "async=1");
        assert_broken(judge(&log(PROBES), Boot::Waits), "async=0");
        assert_broken(judge(&log(WAITS), Boot::GoesOn), "probe_ended dev=d.0");
        assert_broken(judge(&log(GOES_ON), Boot::Waits), "probe_ended dev=d.0");
    }

    #[test]
    fn init_runs_early() {
        let early = doctored(PROBES, "registered force_synchronous", "run_init");
        assert_broken(judge(&early, Boot::Probes), "another: ");
        let lines = PROBES
            .replace("run_init", "")
            .replace("ended 1 0", "run_init\nended 1 0");
        assert_broken(judge(&log(&lines), Boot::Probes), "probe_ended dev=d.1");
        let lines = WAITS
            .replace("run_init", "")
            .replace("ended 0 0", "run_init\nended 0 0");
        assert_broken(judge(&log(&lines), Boot::Waits), "probe_ended dev=d.0");
    }

    #[test]
    fn synchronous_probes_overlap() {
        let lines = PROBES
            .replace("ended 0 0", "")
            .replace("sync 1 1", "sync 1 1\nended 0 0");
        assert_broken(judge(&log(&lines), Boot::Probes), "probe_began dev=d.1");
    }

    #[test]
    fn asynchronous_probes_in_turn() {
        let lines = "
            calling __d_init 1
            async 0
            ended 0 0
            async 1
            ended 1 0
            run_init
        ";
        assert_broken(judge(&log(lines), Boot::Waits), "5.000 ms");
    }

    #[test]
    fn nothing_to_judge() {
        let gone = |line| check(&doctored(WAITS, line, ""), "__d_init", "d", 3, Boot::Waits);
        assert_broken(gone("calling __d_init 1"), "none");
        assert_broken(gone("run_init"), "none");
        assert_broken(gone("async 1"), "2 devices probed");
    }
}
