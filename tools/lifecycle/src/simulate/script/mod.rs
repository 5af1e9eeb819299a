// SPDX-License-Identifier: GPL-2.0

//! What the tasks of a life do, step by step, so that it can be done again in another order.
//!
//! A strand is what one task does in one go. The time between two steps is that of the life, unless
//! the task waited: then the step says what for. The probes of the drivers that are to be
//! asynchronous are taken out of the task that did them, and become strands of their own.

mod build;
mod deferred;
mod functions;
mod starts;
mod steps;
mod walk;

use std::collections::{HashMap, HashSet};

use crate::event::Call;
use crate::life::{Kind, Life};
use crate::ProbeType;
use build::Build;
pub(super) use functions::scheduled;
pub(super) use steps::{
    begin_of, can_be_asynchronous, end_of, init, Choice, Guess, Script, Start, Step, QUEUED,
};
use steps::{Strand, EXCLUSIVE, INITRAMFS};

/// Makes the script of a life in which other drivers are probed asynchronously.
pub(super) fn script(life: &Life, choice: &Choice<'_>) -> Script {
    let force = Some(ProbeType::ForceSynchronous);
    let registered = life.each(Kind::Register);
    let forced = registered.filter(|span| span.facts.probe_type == force);
    let loads = life.each(Kind::Call(Call::Insmod));
    let loads = loads.filter(|load| load.facts.async_probe != Some(true));
    let scheduled = scheduled(life);
    let mut build = Build {
        life,
        choice,
        script: Script {
            strands: vec![Strand::default()],
            points: 2 * life.spans.len() + 1,
            ..Script::default()
        },
        init: init(life),
        boots: life.init_task(),
        forced: forced
            .filter_map(|span| Some((span.facts.by, span.driver.as_deref()?)))
            .collect(),
        function: scheduled.iter().map(|(mark, run)| (*run, *mark)).collect(),
        scheduled,
        strand_of: HashMap::new(),
        moved: HashSet::new(),
        ends: HashMap::new(),
        tries: HashMap::new(),
        retried: Vec::new(),
        loaded: loads.filter_map(|load| load.end).collect(),
        reached: Vec::new(),
        unknown: Vec::new(),
        stops: HashMap::new(),
    };
    build.loaded.sort_unstable();
    build.script.exclusive.extend([EXCLUSIVE, INITRAMFS]);
    build.functions();
    build.deferred();
    build.stops();
    let mut of_task: Vec<Vec<usize>> = vec![Vec::new(); life.tasks.len()];
    for (at, span) in life.spans.iter().enumerate() {
        match span.task {
            Some(task) => of_task[task].push(at),
            None if span.kind == Kind::Probe => of_task.push(vec![at]),
            None => {}
        }
    }
    for (task, spans) in of_task.iter().enumerate() {
        build.task(task, spans);
    }
    build.starts();
    build.script
}
