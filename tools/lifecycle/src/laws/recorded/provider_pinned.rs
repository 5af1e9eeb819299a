// SPDX-License-Identifier: GPL-2.0

//! The module of a bus stays as long as another module has a driver on it: rmmod is refused with
//! `EWOULDBLOCK`.
//!
//! `kernel/module/main.c`: a module that uses symbols of another holds a reference to it
//! (`add_module_usage()`), and `try_stop_module()` fails. That the driver's module uses symbols of
//! the bus's is what a bus relies on; `drivers/base` holds no reference itself.

use std::collections::BTreeMap;

use super::Bar;
use crate::laws::Violation;
use crate::recording::{span, Point, Span};
use crate::Event;

/// Judges every rmmod of a module that has registered a bus on which others have drivers; those are
/// the cases.
///
/// # Errors
///
/// How the law was broken.
pub fn check(events: &[Event]) -> Result<usize, Violation> {
    let bar = Bar::new("provider_pinned", events);
    // The module of each bus, and the drivers on each, with their modules.
    let mut buses: BTreeMap<u64, &str> = BTreeMap::new();
    let mut drivers: BTreeMap<u64, (Option<u64>, &Span<'_>)> = BTreeMap::new();
    let mut cases = 0;
    for (at, span) in bar.spans.iter().enumerate() {
        match (span.point, span.fetched.bus, span.fetched.by) {
            (Point::Bus, Some(bus), _) if span.ret == Some(0) => {
                let init = span::within(&bar.spans, at, |of| of.point == Point::Init);
                if let Some(init) = init {
                    buses.insert(bus, init.name());
                }
            }
            (Point::Register, bus, Some(by)) if span.ret == Some(0) => {
                drivers.insert(by, (bus, span));
            }
            (Point::Unregister, _, Some(by)) => {
                drivers.remove(&by);
            }
            (Point::Rmmod | Point::BusGone | Point::FreeModule, ..) => {
                let module = match span.fetched.bus {
                    Some(bus) => buses.get(&bus).copied(),
                    None => Some(span.name()),
                };
                let user = drivers.values().find(|(bus, driver)| {
                    let of = bus.and_then(|bus| buses.get(&bus).copied());
                    of.is_some() && of == module && driver.fetched.name.as_deref() != module
                });
                if let Some(bus) = span.fetched.bus {
                    buses.remove(&bus);
                }
                let Some((_, user)) = user else {
                    continue;
                };
                // Its own exit may still unregister them, whatever module they name.
                cases += usize::from(span.point == Point::Rmmod && span.ret != Some(0));
                bar.demand(
                    span.point == Point::Rmmod,
                    format!(
                        "{} to stay as long as {} is registered",
                        module.unwrap_or("the bus"),
                        user.fetched.driver.as_deref().unwrap_or("(no name)")
                    ),
                    &[user.began, span.began],
                )?;
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
        9 init b
        9 bus b
        9 bus_end 0
        9 register mod=b drv=own
        9 register_end 0
        9 init_end 0
        9 init m
        9 register mod=m
        9 register_end 0
        9 init_end 0
        8 rmmod b
        8 rmmod_end -11
        8 rmmod m
        8 unregister
        8 unregister_end
        8 flush 0
        8 flush_end
        8 free_module m
        8 rmmod_end 0
        8 rmmod b
        8 unregister drv=own
        8 unregister_end
        8 bus_gone b
        8 bus_gone_end
        8 flush 0
        8 flush_end
        8 free_module b
        8 rmmod_end 0
    ";

    #[test]
    fn holds() {
        assert_eq!(check(&recording(GOOD)), Ok(1));
    }

    #[test]
    fn goes_all_the_same() {
        let goes = doctored(GOOD, "8 rmmod_end -11", "8 free_module b\n 8 rmmod_end 0");
        assert_broken(check(&goes), "free_module mod=\"b\"");
        let left = GOOD.replacen("8 unregister\n        8 unregister_end\n", "", 1);
        assert_broken(check(&recording(&left)), "bus_gone name=\"b\"");
        // The bus's own exit unregisters it.
        let own = left.replace(
            "8 bus_gone b",
            "8 unregister\n 8 unregister_end\n 8 bus_gone b",
        );
        assert_eq!(check(&recording(&own)), Ok(1));
    }
}
