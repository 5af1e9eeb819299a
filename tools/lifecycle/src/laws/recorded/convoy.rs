// SPDX-License-Identifier: GPL-2.0

//! While async probes run, whoever waits for all async work waits for them, unrelated insmod and
//! rmmod too; who has nothing to wait for returns at once.
//!
//! `kernel/async.c`, `async_synchronize_full()` waits until no registered domain has work that was
//! scheduled before; `kernel/module/main.c` calls it in `do_init_module()` and `delete_module()`,
//! `drivers/base/dd.c` in `driver_detach()`. Work in an `ASYNC_DOMAIN_EXCLUSIVE` domain is not
//! waited for.

use super::Bar;
use crate::laws::Violation;
use crate::recording::{AsyncProbe, Point, Span};
use crate::{Event, Micros};

/// Judges every flush of all domains that began while async probes were scheduled or under way;
/// those are the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("convoy", events);
    let mut cases = 0;
    for (_, flush) in full_flushes(&bar) {
        let awaited = awaited(&bar, flush);
        cases += usize::from(!awaited.is_empty());
        for AsyncProbe { scheduled, run } in awaited {
            let ended = run.map_or(usize::MAX, Span::end);
            bar.demand(
                flush.ended.is_none() || ended < flush.end(),
                "whoever waits for async work to wait for the probes",
                &[scheduled.began, ended, flush.began, flush.end()],
            )?;
        }
    }
    Ok(cases)
}

/// Judges that `module`, which has nothing to do with them, was loaded and unloaded beside probes,
/// each within `limit`. The cases are the calls during a probe.
///
/// What follows when the memory of a module is about to go is not counted: every rmmod waits for
/// RCU there, whoever probes.
///
/// # Errors
///
/// How the law was broken; so it is by a recording without a case.
pub fn check_free(events: &[Event], module: &str, limit: Micros) -> Result<usize, Violation> {
    let bar = Bar::new("convoy", events);
    let mut cases = 0;
    for (at, call) in bar.of(Point::Init).chain(bar.of(Point::Rmmod)) {
        if call.name() != module {
            continue;
        }
        if !bar
            .of(Point::Probe)
            .any(|(_, probe)| probe.spans(call.began))
        {
            continue;
        }
        cases += 1;
        let done = bar.in_span(Point::FreeModule, at).next();
        let done = done.map_or(call.ended, |(_, freed)| Some(freed.began));
        let took = done.map(|done| events[done].time - events[call.began].time);
        bar.demand(
            took.is_some_and(|took| took <= limit),
            format!("{} of {module} to take {limit} ms at most", call.point),
            &[call.began, call.end()],
        )?;
    }
    bar.demand(
        cases > 0,
        format!("{module} to be loaded or unloaded beside a probe"),
        &[],
    )?;
    Ok(cases)
}

fn full_flushes<'b, 'a>(bar: &'b Bar<'a>) -> impl Iterator<Item = (usize, &'b Span<'a>)> {
    bar.of(Point::Flush)
        .filter(|(_, flush)| flush.fetched.domain == Some(0))
}

/// The async probes that had been scheduled when the flush began and had not ended.
fn awaited<'b, 'a>(bar: &'b Bar<'a>, flush: &Span<'_>) -> Vec<AsyncProbe<'b, 'a>> {
    bar.async_probes()
        .into_iter()
        .filter(|AsyncProbe { scheduled, run }| {
            scheduled.began < flush.began
                && flush.began < run.map_or(usize::MAX, Span::end)
                && run.is_none_or(|run| run.pid != flush.pid)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::recording;
    use super::*;
    use crate::laws::tests_support::assert_broken;

    const GOOD: &str = "
        9 schedule 0
        9 schedule 1
        30 driver_attach 0
        30 probe 0
        8 init other
        8 flush 0
        31 driver_attach 1
        30 probe_end 0
        30 driver_attach_end
        31 driver_attach_end
        8 flush_end
        8 init_end 0
        8 init other
        8 flush 0
        8 flush_end
        8 init_end 0
    ";

    const EXCLUSIVE: &str = "
        30 probe 0
        8 init other
        8 flush 0
        8 flush_end
        8 init_end 0
        8 rmmod other
        8 free_module other
        8 flush 7
        8 flush_end
        8 rmmod_end 0
        30 probe_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
        assert_eq!(check(&recording(EXCLUSIVE)), Ok(0));
    }

    #[test]
    fn returns_too_early() {
        let early = GOOD.replace("31 driver_attach_end\n", "").replace(
            "8 flush_end\n        8 init_end 0\n        8 init",
            "8 flush_end\n 31 driver_attach_end\n 8 init_end 0\n 8 init",
        );
        assert_broken(check(&recording(&early)), "driver_attach_end");
        // One that is never run.
        let never = GOOD.replace("9 schedule 1", "9 schedule 1\n 9 schedule 2");
        assert_broken(check(&recording(&never)), "at=0xd02");
    }

    #[test]
    fn no_convoy() {
        let limit = Micros(3000);
        assert_eq!(check_free(&recording(EXCLUSIVE), "other", limit), Ok(2));
        assert_broken(
            check_free(&recording(GOOD), "other", limit),
            "init mod=\"other\"",
        );
        assert_broken(check_free(&recording(GOOD), "another", limit), "nothing");
        let never = EXCLUSIVE
            .replace("        8 free_module other\n", "")
            .replace("        8 rmmod_end 0\n", "");
        let never = recording(&never);
        assert_broken(check_free(&never, "other", limit), "rmmod mod=\"other\"");
    }
}
