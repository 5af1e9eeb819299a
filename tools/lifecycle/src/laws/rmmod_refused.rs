// SPDX-License-Identifier: GPL-2.0

//! rmmod of a module whose insmod waits for async probes is refused.

use std::collections::HashMap;

use super::prelude::*;
use crate::errno::{EBUSY, ENOENT, EWOULDBLOCK};

/// The law.
pub static LAW: Law = Law {
    name: "rmmod_refused",
    promise: "rmmod of a module whose insmod still waits for asynchronous probes fails with \
              EWOULDBLOCK. No driver is unregistered, and insmod succeeds. Before, while the init \
              function of the module runs, rmmod fails with EBUSY.",
    kernel:
        "kernel/module/main.c: do_init_module() drops the loader's reference to the module only \
             after async_synchronize_full(), so that try_stop_module() finds the module in use. If \
             init fails, free_module() takes the module away before insmod returns, and rmmod does \
             not find it.",
    mend: "A script that unloads a driver right after it has loaded it in another task has to try \
           again, or to wait for insmod.",
    needs: &[Sight::Modules, Sight::AsyncWork],
    check,
    mutants: &[Mutant::doctored(
        "rmmod_is_let_through",
        rmmod_is_let_through,
    )],
};

/// The insmods of each module.
fn inits(life: &Life) -> HashMap<&str, Vec<(usize, &Span)>> {
    let mut inits: HashMap<&str, Vec<_>> = HashMap::new();
    for (at, init) in life.of(Kind::Init) {
        inits.entry(&init.on).or_default().push((at, init));
    }
    inits
}

/// Judges every rmmod during the module's own insmod; the cases are those while insmod waits.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let inits = inits(life);
    let mut cases = 0;
    for (at, rmmod) in life.of(Kind::Rmmod) {
        let of_module = inits.get(rmmod.on.as_str()).into_iter().flatten();
        let mut during = of_module.filter(|(_, init)| init.spans(rmmod.began));
        let Some((init_at, init)) = during.next().copied() else {
            continue;
        };
        let waits = life.loader_waits(init_at).is_some_and(|flush| {
            flush.began < rmmod.began && rmmod.end_place() < flush.end_place()
        });
        cases += usize::from(waits);
        let places = [init, rmmod].map(Span::whole).concat();
        let refused = match rmmod.ret {
            Some(EWOULDBLOCK) => true,
            Some(EBUSY) => !waits,
            Some(ENOENT) => life
                .inside(Kind::ModuleFreed, init_at)
                .any(|(_, free)| free.began < rmmod.end_place()),
            // It waits for its turn, and insmod may be over when that comes.
            _ => !waits && init.end_place() < rmmod.end_place(),
        };
        court.demand(refused, "rmmod to fail with EWOULDBLOCK", &places)?;
        if waits {
            for kind in [Kind::Unregister, Kind::ModuleFreed] {
                let lost = life.inside(kind, at).next();
                court.demand(
                    lost.is_none(),
                    "nothing to be lost",
                    &[rmmod.began, lost.map_or(usize::MAX, |(_, lost)| lost.began)],
                )?;
            }
            court.demand(
                init.ended.is_none() || init.ret == Some(0),
                "insmod to succeed all the same",
                &places,
            )?;
        }
    }
    Ok(cases)
}

/// rmmod of a module whose insmod waits succeeds.
fn rmmod_is_let_through(life: &Life) -> Option<Vec<Event>> {
    let inits = inits(life);
    let (_, rmmod) = life.of(Kind::Rmmod).find(|(_, rmmod)| {
        let mut of_module = inits.get(rmmod.on.as_str()).into_iter().flatten();
        of_module.any(|(_, init)| init.spans(rmmod.began))
    })?;
    Draft::of(life).set_result(rmmod.ended?, 0)?.done()
}
