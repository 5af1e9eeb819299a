// SPDX-License-Identifier: GPL-2.0

//! The module of a bus stays as long as another module has a driver on the bus.

use std::collections::{BTreeMap, HashMap};

use super::prelude::*;

/// The law.
pub static LAW: Law = Law {
    name: "provider_pinned",
    promise: "The module of a bus stays as long as another module has a driver on the bus. rmmod of it \
              fails with EWOULDBLOCK.",
    kernel: "kernel/module/main.c: a module that uses symbols of another module holds a reference to \
             it (add_module_usage()), with which try_stop_module() fails. A bus relies on this: the \
             module of a driver uses symbols of the module of the bus. drivers/base holds no \
             reference itself.",
    mend: "A bus whose drivers need no symbol of its module can be unloaded under them. Export the \
           function that registers a driver, or take a reference (try_module_get()) for each driver.",
    needs: &[Sight::Modules, Sight::Registrations, Sight::Buses],
    check,
    mutants: &[Mutant::live("provider_goes")],
};

/// Judges every rmmod of a module that has registered a bus on which others have drivers; those are
/// the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    // The module of each bus, and the drivers on each, with their modules.
    let mut buses: HashMap<u64, &str> = HashMap::new();
    let mut drivers: BTreeMap<u64, (Option<u64>, &Span)> = BTreeMap::new();
    let mut cases = 0;
    for (at, span) in life.spans.iter().enumerate() {
        let facts = &span.facts;
        match (span.kind, facts.bus, facts.by) {
            (Kind::Bus, Some(bus), _) if span.ret == Some(0) => {
                let init = life.around(Kind::Init, at);
                buses.extend(init.map(|init| (bus, init.on.as_str())));
            }
            (Kind::Register, bus, Some(by)) if span.ret == Some(0) => {
                drivers.insert(by, (bus, span));
            }
            (Kind::Unregister, _, Some(by)) => {
                drivers.remove(&by);
            }
            (Kind::Rmmod | Kind::BusGone | Kind::ModuleFreed, ..) => {
                let module = match facts.bus {
                    Some(bus) => buses.get(&bus).copied(),
                    None => Some(span.on.as_str()),
                };
                let user = drivers.values().find(|(bus, driver)| {
                    let of = bus.and_then(|bus| buses.get(&bus).copied());
                    of.is_some() && of == module && driver.facts.module.as_deref() != module
                });
                if let Some(bus) = facts.bus {
                    buses.remove(&bus);
                }
                let Some((_, user)) = user else {
                    continue;
                };
                // Its own exit may still unregister them, whatever module they name.
                cases += usize::from(span.kind == Kind::Rmmod && span.ret != Some(0));
                court.demand(
                    span.kind == Kind::Rmmod,
                    format!(
                        "{} to stay as long as {} is registered",
                        module.unwrap_or("the bus"),
                        user.driver.as_deref().unwrap_or("(no name)")
                    ),
                    &[user.began, span.began],
                )?;
            }
            _ => {}
        }
    }
    Ok(cases)
}
