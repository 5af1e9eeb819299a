// SPDX-License-Identifier: GPL-2.0

//! A probe whose task is killed while it creates a kernel thread fails.

use super::prelude::*;
use crate::errno::EINTR;

/// The law.
pub static LAW: Law = Law {
    name: "killed_loader",
    promise: "A probe in which a kernel thread cannot be created, because the task of the probe was \
              killed, fails. Only a probe in the task of a loader can be killed. A probe in an async \
              worker never is.",
    kernel: "kernel/kthread.c: __kthread_create_on_node() waits for the new thread unless its caller is \
             killed, and returns -EINTR then. Kernel threads, the async workers among them, ignore \
             signals.",
    mend: "Return the error of kthread_create() from probe. A driver whose probe takes longer than the \
           time limit of udev's workers, which load modules and are killed when it has passed, asks \
           for PROBE_PREFER_ASYNCHRONOUS.",
    needs: &[Sight::Probes, Sight::AsyncWork],
    check,
    mutants: &[
        Mutant::live("worker_is_killed"),
        Mutant::doctored("goes_on_without", goes_on_without),
    ],
};

/// Judges every probe in which a kernel thread could not be created for that; those are the cases.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut cases = 0;
    for (at, thread) in life.of(Kind::Thread) {
        let probe = life.around(Kind::Probe, at);
        let Some(probe) = probe.filter(|_| thread.ret == Some(EINTR)) else {
            continue;
        };
        cases += 1;
        let worker = life.around(Kind::AsyncWork, at).map(|worker| worker.began);
        let places = [probe, thread].map(Span::whole);
        let places = places.as_flattened();
        court.demand(
            worker.is_none(),
            format!("the async probe of {} not to be killed", probe.on),
            &[places, worker.as_slice()].concat(),
        )?;
        court.demand(
            probe.ret != Some(0),
            format!("the probe of {} to fail, as its task was killed", probe.on),
            places,
        )?;
    }
    Ok(cases)
}

/// A probe succeeds though its task was killed when it created a kernel thread.
fn goes_on_without(life: &Life) -> Option<Vec<Event>> {
    let thread = life.of(Kind::Probe).find_map(|(at, probe)| {
        let mut threads = life.inside(Kind::Thread, at);
        threads.next().filter(|_| probe.ret == Some(0))
    });
    let at = thread?.1.ended?;
    Draft::of(life).set_result(at, EINTR)?.done()
}
