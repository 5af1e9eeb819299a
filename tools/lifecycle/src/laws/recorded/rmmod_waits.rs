// SPDX-License-Identifier: GPL-2.0

//! The unregistration of a driver waits for its probes; none begins after it has returned, and a
//! module's memory goes only after all async work has ended and its drivers are unregistered.
//!
//! `drivers/base/dd.c`, `driver_detach()` flushes before it takes the devices;
//! `kernel/module/main.c`, `delete_module()` flushes between the module's exit and
//! `free_module()`.

use std::collections::BTreeMap;

use super::Bar;
use crate::laws::Violation;
use crate::recording::{span, Point};
use crate::Event;

/// Judges every driver and every module; the cases are the unregistrations during a probe.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("rmmod_waits", events);
    let mut cases = 0;
    for (_, gone) in bar.of(Point::Unregister) {
        let by = gone.fetched.by;
        let again = bar
            .of(Point::Register)
            .find(|(_, again)| again.fetched.by == by && gone.began < again.began)
            .map_or(usize::MAX, |(_, again)| again.began);
        let mut waited = false;
        for (_, probe) in bar.of(Point::Probe).filter(|(_, of)| of.fetched.by == by) {
            if probe.began < gone.began {
                waited |= gone.began < probe.end();
                bar.demand(
                    gone.ended.is_none() || probe.end() < gone.end(),
                    "the unregistration to wait for the probe",
                    &[probe.began, probe.end(), gone.began, gone.end()],
                )?;
            }
            bar.demand(
                !(gone.end() < probe.began && probe.began < again),
                "no probe after the unregistration has returned",
                &[gone.end(), probe.began],
            )?;
        }
        cases += usize::from(waited);
    }

    // The drivers that each module has registered and not unregistered.
    let mut registered: BTreeMap<(&str, Option<u64>), usize> = BTreeMap::new();
    for (at, span) in bar.spans.iter().enumerate() {
        match span.point {
            Point::Register if span.ret == Some(0) => {
                if let Some(init) = span::within(&bar.spans, at, |of| of.point == Point::Init) {
                    registered.insert((init.name(), span.fetched.by), span.began);
                }
            }
            Point::Unregister => registered.retain(|(_, by), _| *by != span.fetched.by),
            Point::FreeModule => {
                let left = registered
                    .iter()
                    .find(|((module, _), _)| *module == span.name());
                if let Some((_, since)) = left {
                    bar.demand(
                        false,
                        format!("the drivers of {} to be unregistered", span.name()),
                        &[*since, span.began],
                    )?;
                }
                let rmmod = span::within(&bar.spans, at, |of| of.point == Point::Rmmod);
                if let Some(rmmod) = rmmod {
                    let rmmod = bar.place(rmmod);
                    // That of `driver_detach()` came before the module's exit returned.
                    let flushed = bar.of(Point::Flush).any(|(_, flush)| {
                        flush.parent == Some(rmmod)
                            && flush.fetched.domain == Some(0)
                            && flush.end() < span.began
                    });
                    bar.demand(
                        flushed,
                        format!("all async work to end before {} is freed", span.name()),
                        &[bar.spans[rmmod].began, span.began],
                    )?;
                }
            }
            _ => {}
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
        9 init m
        9 register
        9 register_end 0
        9 init_end 0
        30 probe 0
        8 rmmod m
        8 unregister
        8 detach
        8 flush 0
        30 probe_end 0
        8 flush_end
        8 detach_end
        8 unregister_end
        8 flush 0
        8 flush_end
        8 free_module m
        8 rmmod_end 0
        9 init m
        9 register
        9 register_end 0
        9 init_end 0
        31 probe 0
        31 probe_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
    }

    #[test]
    fn does_not_wait() {
        let early = GOOD
            .replace("30 probe_end 0\n", "")
            .replace("8 free_module m", "8 free_module m\n 30 probe_end 0");
        assert_broken(check(&recording(&early)), "probe_end");
        let never = doctored(GOOD, "30 probe_end 0", "");
        assert_broken(check(&never), "unregister_end");
    }

    #[test]
    fn a_probe_comes_too_late() {
        let late = doctored(
            GOOD,
            "8 free_module m",
            "8 free_module m\n 7 probe 1\n 7 probe_end 0",
        );
        assert_broken(check(&late), "probe dev=\"d.1\"");
    }

    #[test]
    fn the_driver_outlives_the_module() {
        let lines = [
            "8 unregister",
            "8 detach",
            "8 flush 0",
            "8 flush_end",
            "8 detach_end",
            "8 unregister_end",
        ];
        let mut left = GOOD.to_owned();
        for line in lines {
            left = left.replacen(&format!("        {line}\n"), "", 1);
        }
        assert_broken(check(&recording(&left)), "free_module");
    }

    #[test]
    fn freed_before_all_work_has_ended() {
        let waits = "        8 flush_end\n        8 free_module m\n";
        let early = GOOD.replacen(waits, "        8 free_module m\n        8 flush_end\n", 1);
        assert_broken(check(&recording(&early)), "free_module");
        let never = GOOD.replacen(
            "        8 flush 0\n        8 flush_end\n        8 free",
            "        8 free",
            1,
        );
        assert_broken(check(&recording(&never)), "free_module");
    }
}
