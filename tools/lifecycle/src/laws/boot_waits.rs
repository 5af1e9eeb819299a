// SPDX-License-Identifier: GPL-2.0

//! Built into the kernel, a driver's probes hold up the boot.

use super::law::{Court, Law, Violation};
use super::registrations::Registrations;
use crate::life::{Kind, Life, Sight, Span};
use crate::{Micros, ProbeType};

/// The law.
pub static LAW: Law = Law {
    name: "boot_waits",
    promise: "The kernel runs init only when the asynchronous probes of drivers that are built in \
              have ended. Synchronous probes hold up the boot by their sum, asynchronous ones by the \
              longest, and those in exclusive domains not at all.",
    kernel: "init/main.c: do_one_initcall() returns when the driver is registered, and with it the \
             synchronous probes; kernel_init() calls async_synchronize_full() before it runs init, \
             which passes over exclusive domains (kernel/async.c).",
    mend: "A slow driver that is needed neither for the root file system nor by init should not hold \
           up the boot: probe in two phases or in an exclusive domain, or build it as a module.",
    needs: &[Sight::Probes, Sight::Registrations, Sight::Boot],
    check,
    mutants: &[],
};

/// Judges every async probe of a PREFER driver that begins before init runs; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let registrations = Registrations::of(life);
    let mut cases = 0;
    let boots = life.of(Kind::Boot).map(|(_, boot)| boot);
    for boot in boots.filter(|boot| boot.ended.is_some()) {
        for (_, probe) in life.of(Kind::Probe) {
            let register = registrations.of_probe(probe);
            let probe_type = register.and_then(|register| register.facts.probe_type);
            let awaited = probe_type == Some(ProbeType::PreferAsynchronous)
                && probe.asynchronous == Some(true)
                && probe.began < boot.end_place();
            if !awaited {
                continue;
            }
            cases += 1;
            court.demand(
                probe.end_place() < boot.end_place(),
                format!("init to run after the probe of {}", probe.on),
                &[probe.began, probe.end_place(), boot.end_place()],
            )?;
        }
    }
    Ok(cases)
}

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
pub fn check_boot(
    life: &Life,
    function: &str,
    driver: &str,
    devices: usize,
    boot: Boot,
) -> Result<Micros, Violation> {
    let court = Court::of(LAW.name, life);
    let initcall = |of: &Span| of.kind == Kind::Initcall && of.on == function;
    let called = only(&court, &format!("one initcall {function}"), initcall)?;
    let runs = only(&court, "one run of init", |of| of.kind == Kind::Boot)?;
    let init = runs.end_place();
    let stall = runs.end.unwrap_or(life.end) - called.begin;

    let (mut sum, mut longest, mut before) = (Micros(0), Micros(0), called.began);
    for probe in court.first_probes(driver, devices)? {
        // A second phase is as slow as a probe.
        let last = court.second_phase(probe).unwrap_or(probe);
        let took = last.end.unwrap_or(life.end) - probe.begin;
        sum = sum + took;
        longest = longest.max(took);
        if boot == Boot::GoesOn {
            court.demand(
                called.began < init && init < last.end_place(),
                format!("init to run before {} is ready", probe.on),
                &[init, last.end_place()],
            )?;
            continue;
        }
        court.demand(
            (probe.asynchronous == Some(true)) == (boot == Boot::Waits),
            "probes in async workers where the boot waits, and in the task that boots where not",
            &[probe.began],
        )?;
        court.demand(
            boot == Boot::Waits || before < probe.began,
            "probes one after the other",
            &[before, probe.began],
        )?;
        court.demand(
            called.began < probe.began && last.end_place() < init,
            format!("the probe of {} between the initcall and init", probe.on),
            &[probe.began, last.end_place(), init],
        )?;
        before = last.end_place();
    }
    let (expected, holds) = match boot {
        Boot::Probes => ("at least the sum of the probes", stall >= sum),
        Boot::Waits => (
            "at least the longest probe, and less than their sum",
            stall >= longest && (stall < sum || devices == 1),
        ),
        Boot::GoesOn => ("less than the longest probe", stall < longest),
    };
    court.demand_seen(
        holds,
        format!("the boot to be held up for {expected}"),
        format!("{stall} ms"),
    )?;
    Ok(stall)
}

/// The only span that is one of these.
fn only<'a>(
    court: &Court<'a>,
    expected: &str,
    is: impl Fn(&Span) -> bool,
) -> Result<&'a Span, Violation> {
    let spans: Vec<&Span> = court.life.spans.iter().filter(|span| is(span)).collect();
    match spans[..] {
        [span] => Ok(span),
        _ => {
            let seen = format!("{} of them", spans.len());
            Err(court.broken(expected, seen, &court.life.events))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::test_life::{altered, assert_broken, assert_kept, life, seen};
    use super::*;

    const PROBES: &str = "
        calling __d_init 1
        sync 0 1
        ended 0 0
        sync 1 1
        ended 1 0
        registered force_synchronous
        returned __d_init
        run_init
    ";

    const WAITS: &str = "
        calling __d_init 1
        registered prefer_asynchronous
        async 0
        async 1
        async 2
        returned __d_init
        ended 2 0
        ended 1 0
        ended 0 0
        run_init
    ";

    const GOES_ON: &str = "
        calling __d_init 1
        registered force_synchronous
        returned __d_init
        async 0
        async 1
        run_init
        calling __other_init 7
        calling __other_init 7
        ended 1 0
        ended 0 0
    ";

    fn judge(lines: &str, boot: Boot) -> Result<Micros, Violation> {
        let life = life(lines);
        let devices = life.spans_of(Kind::Probe).count();
        check_boot(&life, "__d_init", "d", devices, boot)
    }

    fn broken(lines: &str, boot: Boot) -> String {
        seen(judge(lines, boot).map(drop))
    }

    #[test]
    fn holds() {
        assert_kept(&LAW, PROBES, 0);
        assert_kept(&LAW, WAITS, 3);
        assert_kept(&LAW, GOES_ON, 0);
        assert_eq!(judge(PROBES, Boot::Probes), Ok(Micros(7000)));
        assert_eq!(judge(WAITS, Boot::Waits), Ok(Micros(9000)));
        assert_eq!(judge(GOES_ON, Boot::GoesOn), Ok(Micros(5000)));
    }

    #[test]
    fn one_for_the_other() {
        assert!(broken(WAITS, Boot::Probes).contains("async=1"));
        assert!(broken(PROBES, Boot::Waits).contains("async=0"));
        assert!(broken(WAITS, Boot::GoesOn).contains("probe_ended dev=d.0"));
        assert!(broken(GOES_ON, Boot::Waits).contains("probe_ended dev=d.0"));
    }

    #[test]
    fn init_runs_early() {
        for (lines, boot, last) in [
            (PROBES, Boot::Probes, "ended 1 0"),
            (WAITS, Boot::Waits, "ended 0 0"),
        ] {
            let early = altered(lines, "run_init", "");
            let early = altered(&early, "returned __d_init", "");
            let early = altered(
                &early,
                last,
                &format!("returned __d_init\nrun_init\n{last}"),
            );
            assert!(broken(&early, boot).contains("probe_ended dev=d."));
            if boot == Boot::Waits {
                assert_broken(&LAW, &early, "probe_ended dev=d.0");
            }
        }
    }

    #[test]
    fn synchronous_probes_overlap() {
        let lines = altered(PROBES, "ended 0 0", "");
        let lines = altered(&lines, "sync 1 1", "sync 1 1\nended 0 0");
        assert!(broken(&lines, Boot::Probes).contains("probe_began dev=d.1"));
    }

    #[test]
    fn asynchronous_probes_in_turn() {
        let lines = "
            calling __d_init 1
            returned __d_init
            async 0
            ended 0 0
            async 1
            ended 1 0
            run_init
        ";
        assert_eq!(broken(lines, Boot::Waits), "6.000 ms");
    }

    #[test]
    fn nothing_to_judge() {
        let gone = |line| {
            let life = life(&altered(WAITS, line, ""));
            seen(check_boot(&life, "__d_init", "d", 3, Boot::Waits).map(drop))
        };
        assert_eq!(gone("calling __d_init 1"), "0 of them");
        assert_eq!(gone("run_init"), "0 of them");
        assert_eq!(gone("async 1"), "2 devices probed");
    }
}
