// SPDX-License-Identifier: GPL-2.0

//! A DEFAULT driver is probed synchronously, unless the module parameter `async_probe` or
//! `driver_async_probe=` on the command line asks; a PREFER driver is probed asynchronously, whoever
//! asks.
//!
//! `drivers/base/dd.c`, `driver_allows_async_probing()`; `kernel/module/main.c` remembers
//! `async_probe` in the module, and `do_init_module()` leaves out its
//! `async_synchronize_full()`, by which a recording shows it. FORCE is the law `force_sync`.

use super::Bar;
use crate::laws::Violation;
use crate::recording::{span, Point, Span};
use crate::{Event, ProbeType};

/// Judges every registration of a DEFAULT or PREFER driver that probes or schedules probes; those
/// are the cases. How a module was loaded must be in the recording.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("default_type", events);
    let mut cases = 0;
    for (at, register) in bar.of(Point::Register) {
        let asynchronous = match register.fetched.probe_type {
            Some(ProbeType::PreferAsynchronous) => true,
            Some(ProbeType::DefaultStrategy) if named(register) => true,
            Some(ProbeType::DefaultStrategy) => match requested(&bar, register) {
                Some(requested) => requested,
                None => continue,
            },
            _ => continue,
        };
        let own = bar.in_span(Point::Probe, at).find(|(inner, probe)| {
            let way = span::within(&bar.spans, *inner, |of| {
                matches!(
                    of.point,
                    Point::DriverAttach
                        | Point::DeviceAttach
                        | Point::Bind
                        | Point::Attach
                        | Point::Add
                        | Point::Register
                )
            });
            probe.fetched.by == register.fetched.by
                && way.is_some_and(|way| way.began == register.began)
        });
        let scheduled = bar.scheduled_by(register);
        let wrong = match asynchronous {
            true => own.map(|(_, probe)| probe),
            false => scheduled,
        };
        cases += usize::from(own.is_some() || scheduled.is_some());
        bar.demand(
            wrong.is_none(),
            format!(
                "{} probes by {}",
                if asynchronous {
                    "asynchronous"
                } else {
                    "synchronous"
                },
                register.fetched.driver.as_deref().unwrap_or("(no name)")
            ),
            &[
                register.began,
                wrong.map_or(usize::MAX, |wrong| wrong.began),
                register.end(),
            ],
        )?;
    }
    Ok(cases)
}

/// Whether the command line names the driver: `driver_async_probe=one,other`, or with `*` all but
/// those.
fn named(register: &Span<'_>) -> bool {
    let list = register.fetched.asked.as_deref().unwrap_or_default();
    let has = |name: &str| list.split(',').any(|one| one == name);
    has("*") != register.fetched.driver.as_deref().is_some_and(has)
}

/// Whether the driver's module was loaded with `async_probe`, if that can be seen.
fn requested(bar: &Bar<'_>, register: &Span<'_>) -> Option<bool> {
    let module = register.fetched.name.as_ref()?;
    let (at, init) = bar
        .of(Point::Init)
        .filter(|(_, init)| {
            init.fetched.name.as_ref() == Some(module) && init.began < register.began
        })
        .last()?;
    let waits = bar.spans.iter().any(|flush| {
        flush.point == Point::Flush && flush.parent == Some(at) && flush.fetched.domain == Some(0)
    });
    (waits || init.ret == Some(0)).then_some(!waits)
}

#[cfg(test)]
mod tests {
    use super::super::tests_support::{altered, recording};
    use super::check;
    use crate::laws::tests_support::assert_broken;

    const PLAIN: &str = "
        9 init m
        9 register type=default mod=m
        9 probe 0
        9 probe_end 0
        9 register_end 0
        9 flush 0
        9 flush_end
        9 init_end 0
    ";
    const ASYNC: &str = "
        9 init m
        9 register type=default mod=m
        9 schedule 0
        9 register_end 0
        9 init_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(PLAIN)), Ok(1));
        assert_eq!(check(&recording(ASYNC)), Ok(1));
        let prefer = ASYNC.replace("type=default", "type=prefer");
        assert_eq!(check(&recording(&prefer)), Ok(1));
        // Where it cannot be seen how the module was loaded.
        let unknown = altered(ASYNC, "9 init_end 0", "");
        assert_eq!(check(&recording(&unknown)), Ok(0));
        let unknown = ASYNC.replace("mod=m", "mod=other");
        assert_eq!(check(&recording(&unknown)), Ok(0));
    }

    #[test]
    fn nobody_asked() {
        let scheduled = PLAIN.replace("9 probe 0\n        9 probe_end 0", "9 schedule 0");
        assert_broken(check(&recording(&scheduled)), "schedule");
        for asked in ["d", "e,d", "*"] {
            let asked = scheduled.replace("mod=m", &format!("mod=m asked={asked}"));
            assert_eq!(check(&recording(&asked)), Ok(1), "{asked}");
        }
        for asked in ["dd", "e", "*,d"] {
            let asked = scheduled.replace("mod=m", &format!("mod=m asked={asked}"));
            assert_broken(check(&recording(&asked)), "schedule");
        }
    }

    #[test]
    fn asked_in_vain() {
        let own = ASYNC.replace("9 schedule 0", "9 probe 0\n 9 probe_end 0");
        assert_broken(check(&recording(&own)), "probe dev=\"d.0\"");
        let prefer = PLAIN.replace("type=default", "type=prefer");
        assert_broken(check(&recording(&prefer)), "probe dev=\"d.0\"");
        let named = PLAIN.replace("mod=m", "mod=m asked=d");
        assert_broken(check(&recording(&named)), "probe dev=\"d.0\"");
    }
}
