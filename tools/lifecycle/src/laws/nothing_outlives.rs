// SPDX-License-Identifier: GPL-2.0

//! Nothing that a driver has started outlives its unbind or its module.

use std::collections::{BTreeMap, HashMap};

use super::prelude::*;
use crate::event::resource::{Resource, Step};

/// The law.
pub static LAW: Law = Law {
    name: "nothing_outlives",
    promise:
        "The kernel runs what it has been given. It calls the function of a work item, a timer, \
              an interrupt handler, a notifier or a kernel thread, although the driver has been \
              unbound or its module has been unloaded meanwhile. A device that a probe has added \
              stays until the driver deletes it.",
    kernel: "kernel/module/main.c: free_module() releases the text without a look at who may call \
             it. drivers/base/dd.c: device_unbind_cleanup() releases what devres has, and nothing \
             else.",
    mend:
        "In remove, and in the error path of the probe, take back what the probe has started, in \
           reverse order: cancel_work_sync(), cancel_delayed_work_sync(), timer_shutdown_sync(), \
           free_irq(), kthread_stop(), destroy_workqueue(), cdev_del(), release_region(), \
           device_remove_file(), shrinker_free(), unregister_sysrq_key(), device_link_del(), the unregistration of notifiers and of child devices. \
           devm_request_irq() and its like do that by themselves. What the init has started, the \
           exit takes back. It ends with rcu_barrier() if the module has given call_rcu() a \
           function of its own (Documentation/RCU/rcubarrier.rst). Of call_srcu() this is \
           srcu_barrier(), of call_rcu_tasks() rcu_barrier_tasks(), of call_rcu_tasks_trace() \
           rcu_barrier_tasks_trace().",
    needs: &[
        Sight::Probes,
        Sight::Removes,
        Sight::Modules,
        Sight::Devices,
    ],
    check,
    mutants: &[
        Mutant::live("device_is_held"),
        Mutant::doctored("child_is_left", child_is_left),
    ],
};

/// What a resource is known by: where it is, and of an interrupt its number. A thread is known by
/// its task, a file of a device by its description, a link by its supplier, too.
type Key = (Resource, Option<u64>, Option<i32>, Option<u64>);

fn key(resource: Resource, span: &Span) -> Key {
    let more = match resource {
        Resource::Thread => span.task.and_then(|task| u64::try_from(task).ok()),
        Resource::Attribute => function(span),
        Resource::Link => span.facts.by,
        _ => None,
    };
    let number = match resource {
        Resource::Interrupt => span.facts.node,
        _ => None,
    };
    let at = match resource {
        Resource::Queue => span.facts.at.map(|at| at & LOWER).or(lower(span.ret)),
        _ => span.facts.at,
    };
    (resource, at, number, more)
}

/// A resource that was still pending when its device had been unbound, or its probe had failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Late {
    /// Where it has been started.
    start: usize,
    /// The release of its device, or the failed probe.
    release: usize,
    /// Its memory has gone with the device. Other memory may have an owner that waits for it.
    is_freed: bool,
}

/// What is there at a place of the log.
#[derive(Debug, Default)]
struct There {
    /// How often something was taken back.
    cases: usize,
    /// The text of each module, as last seen.
    texts: BTreeMap<u64, (String, u64)>,
    /// What has been started, and by which span.
    resources: HashMap<Key, usize>,
    /// Where a probe has started what something else may start again: a work item or a timer that
    /// rearms itself.
    first: HashMap<Key, usize>,
    /// What was pending when its device had been unbound or its probe had failed, and the release
    /// of that device or the probe.
    late: HashMap<Key, Late>,
    /// The same of a device that has been probed again since.
    older: HashMap<Key, Late>,
    /// The work items that wait for their time to be queued.
    delayed: HashMap<Key, usize>,
    /// The devices that a probe has added, by where they are: the addition and the probe.
    children: HashMap<u64, (usize, usize)>,
    /// The RCU callbacks that have run, and for which no task has waited since by a barrier.
    ran: HashMap<Key, usize>,
    /// Those of them whose module has gone.
    unwaited: Vec<usize>,
    /// The module of each driver, by where that is.
    drivers: HashMap<u64, String>,
    /// The devices that these have bound, by where they are, and how each was deleted.
    bound: HashMap<u64, Option<usize>>,
}

impl There {
    /// The module that has the function of a resource.
    fn module<'a>(&'a self, span: &'a Span) -> Option<&'a str> {
        let Some(function) = function(span) else {
            // While the module is loaded, the kernel has a name for it.
            let (_, module) = span.facts.caller.as_deref()?.split_once(" [")?;
            return module.strip_suffix(']');
        };
        let (at, (module, bytes)) = self.texts.range(..=function).next_back()?;
        (function - at < *bytes).then_some(module)
    }

    /// A module is loaded.
    fn loaded(&mut self, told: &Span) {
        let text = (told.on.clone(), told.facts.bytes.unwrap_or(0));
        self.texts.insert(told.facts.at.unwrap_or(0), text);
    }

    /// The module of the driver that a probe is of.
    fn driver(&self, probe: &Span) -> Option<&str> {
        self.drivers.get(&probe.facts.by?).map(String::as_str)
    }
}

/// The address of the function of a resource.
fn function(span: &Span) -> Option<u64> {
    u64::from_str_radix(span.facts.caller.as_deref()?.strip_prefix("0x")?, 16).ok()
}

/// Judges every resource and every child; the cases are those that were taken back.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    Ok(judge(court)?.cases)
}

/// What was pending in memory that had gone, when the machine died, or what one of these tasks was
/// running. A machine that lives shows whether it runs.
pub fn at_death(life: &Life, workers: &[u32]) -> Option<Violation> {
    let court = Court::of(LAW.name, life);
    // If that breaks the law, it says so itself.
    let there = judge(&court).ok()?;
    let is_there = |key: &Key, late: &Late| there.resources.get(key) == Some(&late.start);
    let older = there.older.iter().filter(|(key, late)| is_there(key, late));
    let Some((_, late)) = there.late.iter().chain(older).min_by_key(|(_, late)| *late) else {
        return running_at_death(&court, &there, workers)
            .or_else(|| child_at_death(&court, &there));
    };
    let since = since(life, late);
    let what = format!("not to be there {since}: the machine has died");
    too_late(&court, late, &what, &life.spans[late.release]).err()
}

/// The work item that one of these tasks was running, if its device had been unbound meanwhile. No
/// event tells of its end: the kernel has said that it ran.
fn running_at_death(court: &Court<'_>, there: &There, workers: &[u32]) -> Option<Violation> {
    let life = court.life;
    let running = workers.iter().filter_map(|pid| {
        let runs = life.each(Kind::Of(Resource::Work, Step::Runs));
        let run = runs.filter(|run| life.pid_of(run) == Some(*pid)).last()?;
        let start = *there.first.get(&key(Resource::Work, run))?;
        let mut later = life.of_device(life.around(Kind::Probe, start)?);
        let (release, of) =
            later.find(|(_, of)| of.kind == Kind::Release && run.began < of.began)?;
        of.ended?;
        Some(Late {
            start,
            release,
            is_freed: true,
        })
    });
    let late = running.min()?;
    let what = "not to run after the device has been unbound: remove has not waited for its end \
                (cancel_work_sync()), and the machine has died";
    too_late(court, &late, what, &life.spans[late.release]).err()
}

/// A child device that was there when the machine died, though its probe had failed or its parent
/// had been unbound: what it is in may be gone. A machine that lives shows whether the exit deletes
/// it.
fn child_at_death(court: &Court<'_>, there: &There) -> Option<Violation> {
    let life = court.life;
    let left = there.children.values().filter_map(|(add, probe)| {
        let span = &life.spans[*probe];
        there.driver(span)?;
        let mut releases = life.about(span, Kind::Release);
        let end = match span.ret? {
            0 => releases.find(|of| of.began > span.began)?.ended?,
            _ => span.ended?,
        };
        Some((*add, *probe, end))
    });
    let (add, probe, end) = left.min()?;
    let (child, parent) = (&life.spans[add], &life.spans[probe]);
    let until = match parent.ret {
        Some(0) => "the device is unbound",
        _ => "that probe fails",
    };
    let expected = format!(
        "the device {}, which the probe of {} has added, to be deleted before {until}: the machine \
         has died",
        child.on, parent.on
    );
    court.demand(false, expected, &[child.began, end]).err()
}

/// Since when nothing of a probe may be pending.
fn since(life: &Life, late: &Late) -> &'static str {
    match life.spans[late.release].kind {
        Kind::Probe => "after that probe has failed",
        _ => "after the device has been unbound",
    }
}

/// A function that says that it is done, to a remove that waits for that, returns a little later.
const RETURNED: Micros = Micros(10_000);

/// It is late, and what was expected of it.
fn too_late(court: &Court<'_>, late: &Late, what: &str, seen: &Span) -> Result<(), Violation> {
    let life = court.life;
    let (start, release) = (&life.spans[late.start], &life.spans[late.release]);
    let resource = match start.kind {
        Kind::Of(resource, _) => resource,
        _ => Resource::Async,
    };
    let device = life.device_of(release);
    let by = match life.within(late.start, |outer| outer.kind == Kind::Probe) {
        Some(_) => format!("which the probe of {device} has started"),
        None => format!("which is in memory of devres of {device}"),
    };
    let expected = format!("the {resource} {}, {by}, {what}", start.on);
    let mut places = vec![start.began, release.end_place(), seen.end_place()];
    places.dedup();
    court.demand(false, expected, &places)
}

/// Judges, and returns what is there at the end.
fn judge(court: &Court<'_>) -> Result<There, Violation> {
    let life = court.life;
    let mut there = There::default();
    // What begins, and at their ends the releases of devices and the probes.
    let mut order: Vec<(usize, usize, bool)> = Vec::new();
    for (at, span) in life.spans.iter().enumerate() {
        order.push((span.began, at, false));
        let ends = matches!(span.kind, Kind::Release | Kind::Probe) || has_to_end(span.kind);
        if let (true, Some(ended)) = (ends, span.ended) {
            order.push((ended, at, true));
        }
    }
    order.sort_unstable();
    for (_, at, is_end) in order {
        let span = &life.spans[at];
        match span.kind {
            Kind::Release if is_end => released(court, at, &mut there)?,
            Kind::Probe if is_end && span.ret != Some(0) => late(court, (at, at), &mut there)?,
            Kind::Probe if is_end => {}
            kind if has_to_end(kind) && !is_end => {}
            Kind::Of(of, step) => resource_step(court, at, (of, step), &mut there)?,
            Kind::Loaded => there.loaded(span),
            // Where the module is, is told while its init runs, or when that has returned.
            Kind::Init => {
                let mut after = life.spans[at..].iter();
                let told = after.find(|of| of.kind == Kind::Loaded && of.on == span.on);
                told.into_iter().for_each(|told| there.loaded(told));
            }
            Kind::Register => {
                if let (Some(by), Some(module)) = (span.facts.by, &span.facts.module) {
                    there.drivers.insert(by, module.clone());
                }
            }
            Kind::Probe => {
                let is_same = |late: &Late| life.spans[late.release].same_device(span);
                let again = there.late.iter().filter(|(_, late)| is_same(late));
                let again: Vec<Key> = again.map(|(key, _)| *key).collect();
                for key in again {
                    let late = there.late.remove(&key);
                    there.older.extend(late.map(|late| (key, late)));
                }
                if let (Some(device), Some(_), Some(0)) =
                    (span.facts.at, there.driver(span), span.ret)
                {
                    there.bound.insert(device, None);
                }
            }
            Kind::Freed => {
                there.bound.remove(&span.facts.at.unwrap_or(0));
            }
            Kind::Add if span.ret == Some(0) && !is_the_cores(&span.on) => {
                let probe = life.within(at, |outer| outer.kind == Kind::Probe);
                if let (Some(device), Some(probe)) = (span.facts.at, probe) {
                    there.children.insert(device, (at, probe));
                }
            }
            Kind::Del => {
                // Its files and links go with it.
                let of = |key: &Key| match key.0 {
                    Resource::Attribute => key.1 == span.facts.at,
                    Resource::Link => [key.1, key.3].contains(&span.facts.at),
                    _ => false,
                };
                there.resources.retain(|key, _| !of(key));
                let child = span.facts.at.and_then(|at| there.children.remove(&at));
                there.cases += usize::from(child.is_some());
                let bound = span.facts.at.and_then(|at| there.bound.get_mut(&at));
                bound.into_iter().for_each(|deleted| *deleted = Some(at));
            }
            Kind::ModuleFreed => freed(court, at, &mut there)?,
            _ => {}
        }
    }
    held(court, &there)?;
    Ok(there)
}

/// The release of a device that nothing refers to follows its deletion. With
/// `CONFIG_DEBUG_KOBJECT_RELEASE` it comes up to 4 s later (`lib/kobject.c`).
const RELEASED: Micros = Micros(5_000_000);

/// A device that a driver has bound is released when it has been deleted.
fn held(court: &Court<'_>, there: &There) -> Result<(), Violation> {
    let life = court.life;
    let deleted = there.bound.values().flatten();
    let held = deleted.filter(|del| life.spans[**del].begin + RELEASED < life.end);
    let Some(del) = held.min().map(|del| &life.spans[*del]) else {
        return Ok(());
    };
    let expected = format!(
        "the device {} to be released after its deletion: a reference to it is left \
         (get_device() without put_device(), or a child of it)",
        life.device_of(del)
    );
    court.demand(false, expected, &[del.began])
}

/// What is in memory of its own, of which the kernel calls a function.
const WAITS: [Resource; 6] = [
    Resource::Work,
    Resource::Timer,
    Resource::Interrupt,
    Resource::Notifier,
    Resource::Firmware,
    Resource::Async,
];

/// Whether it counts when a function returns: an async one and the callback of
/// `request_firmware_nowait()` are pending until then, and a barrier of RCU has waited.
fn has_to_end(kind: Kind) -> bool {
    match kind {
        Kind::Of(Resource::Firmware | Resource::Async, Step::Runs) => true,
        Kind::Of(resource, Step::Stops) => resource.barrier().is_some(),
        _ => false,
    }
}

/// Whether a device is one that the driver core adds for another one: a wake-up source, or a link
/// between two devices.
fn is_the_cores(device: &str) -> bool {
    let number = device.strip_prefix("wakeup").unwrap_or("x");
    device.contains("--") || number.bytes().all(|digit| digit.is_ascii_digit())
}

/// A resource starts, runs or stops; it is a case if it was taken back.
fn resource_step(
    court: &Court<'_>,
    at: usize,
    (resource, step): (Resource, Step),
    there: &mut There,
) -> Result<(), Violation> {
    let life = court.life;
    let span = &life.spans[at];
    let mut key = key(resource, span);
    if (resource, step) == (Resource::Firmware, Step::Runs) {
        let after = life.spans[at..].iter().take(NEAR);
        let mut asked = after.filter(|of| of.kind == Kind::Firmware && of.task == span.task);
        key.1 = asked.next().and_then(|of| of.facts.at);
    }
    if matches!(resource, Resource::Reference | Resource::Memory) {
        return Ok(());
    }
    let late = there.late.remove(&key);
    there.delayed.remove(&key);
    let is_kernels = resource == Resource::Region && span.facts.by < Some(MODULES);
    let may_fail = matches!(resource, Resource::Region | Resource::Queue);
    let returns_errno = matches!(resource, Resource::Firmware | Resource::SysrqKey);
    match step {
        Step::Starts if may_fail && (is_kernels || matches!(span.ret, None | Some(0))) => {}
        Step::Starts if returns_errno && span.ret.is_some_and(|ret| ret != 0) => {}
        // The driver core deletes others itself.
        Step::Starts if resource == Resource::Link && !is_stateless(span) => {}
        // Of other kobjects nothing shows when they go, with their files.
        Step::Starts if resource == Resource::Attribute => {
            let probe = life.around(Kind::Probe, at);
            if probe.is_some_and(|probe| probe.facts.at == span.facts.at) {
                there.resources.insert(key, at);
            }
        }
        Step::Starts => {
            if resource == Resource::Work && span.facts.by.is_some_and(|queue| queue > 0) {
                there.delayed.insert(key, at);
            }
            let of = match resource {
                Resource::Async => scheduled(life, at),
                Resource::Work | Resource::Timer => Some(first(life, (key, at), there)),
                _ => Some(at),
            };
            there.resources.extend(of.map(|of| (key, of)));
        }
        Step::Runs if resource == Resource::Rcu => {
            let is_it = |of: &Key| of.0.barrier().is_some() && of.1 == key.1;
            let ran = there.resources.keys().copied().find(is_it);
            let ran = ran.and_then(|of| there.resources.remove_entry(&of));
            there.ran.extend(ran);
        }
        Step::Runs => {
            let is_over = |late: &Late| {
                let until = life.spans[late.release].end.unwrap_or(span.begin);
                span.end.is_none_or(|end| until + RETURNED < end)
            };
            if let Some(late) = late.filter(|late| late.is_freed && is_over(late)) {
                let what = format!("not to run {}", since(life, &late));
                too_late(court, &late, &what, span)?;
            }
            there.resources.remove(&key);
        }
        Step::Stops if resource == Resource::Timer && span.facts.by == Some(0) => {
            if let Some(late) = late {
                let since = since(life, &late);
                let what = format!("not to be there {since}: its memory is in use anew");
                too_late(court, &late, &what, span)?;
            }
            there.resources.remove(&key);
        }
        // `sysfs_remove_files()` does not tell which.
        Step::Stops if resource == Resource::Attribute && matches!(key.3, None | Some(0)) => {
            let before = there.resources.len();
            let of = |of: &Key| of.0 == resource && of.1 == key.1;
            there.resources.retain(|key, _| !of(key));
            there.cases += usize::from(there.resources.len() < before);
        }
        // All callbacks that have been queued before.
        Step::Stops if resource.barrier().is_some() => {
            let before = there.resources.len() + there.ran.len();
            let others = |of: &Key, start: &mut usize| {
                let is_same = life.spans[*start].facts.domain == span.facts.domain;
                of.0 != resource || !is_same || *start > at
            };
            there.resources.retain(others);
            there.ran.retain(others);
            there.cases += usize::from(there.resources.len() + there.ran.len() < before);
        }
        Step::Stops => {
            if resource == Resource::Queue {
                destroyed(court, span, there)?;
            }
            there.cases += usize::from(there.resources.remove(&key).is_some());
        }
    }
    Ok(())
}

/// Whether a link is that of its caller (`DL_FLAG_STATELESS`), and has been made.
fn is_stateless(link: &Span) -> bool {
    link.facts.node.is_some_and(|flags| flags & 1 != 0) && link.ret != Some(0)
}

/// A work queue is destroyed, which waits for what is queued there, but not for a work item that is
/// to be queued later (`kernel/workqueue.c`, `drain_workqueue()`).
fn destroyed(court: &Court<'_>, queue: &Span, there: &There) -> Result<(), Violation> {
    let life = court.life;
    let waits = there.delayed.values();
    let waits = waits.filter(|start| life.spans[**start].facts.by == queue.facts.at);
    let Some(of) = waits.min().map(|start| &life.spans[*start]) else {
        return Ok(());
    };
    let expected = format!(
        "the work item {} to be cancelled before its work queue is destroyed: it is delayed, and \
         destroy_workqueue() does not wait for it (cancel_delayed_work_sync())",
        of.on
    );
    court.demand(false, expected, &[of.began, queue.began])
}

/// Where a probe has started this work item or timer, if it is the same one that is started again
/// now.
fn first(life: &Life, (key, at): (Key, usize), there: &mut There) -> usize {
    if life.around(Kind::Probe, at).is_some() {
        there.first.insert(key, at);
    }
    let same = |first: &&usize| life.spans[**first].facts.caller == life.spans[at].facts.caller;
    there.first.get(&key).filter(same).copied().unwrap_or(at)
}

/// Memory of a module is not that of a device.
const MODULES: u64 = 0xffff_ffff_0000_0000;

/// A device has been unbound: what its probe has started and is pending now, is late.
fn released(court: &Court<'_>, release: usize, there: &mut There) -> Result<(), Violation> {
    let life = court.life;
    let of = &life.spans[release];
    let Some((_, removed)) = life.own(Kind::Remove, release).next() else {
        return Ok(());
    };
    let probes = life.of_device(of).filter(|(_, probe)| {
        probe.kind == Kind::Probe && probe.ret == Some(0) && probe.began < removed.began
    });
    let probe = probes.last();
    probe.map_or(Ok(()), |(probe, _)| late(court, (probe, release), there))
}

/// What a probe has started and is pending at the end of this release or failed probe is late.
/// Other modules that it calls start what is theirs.
fn late(
    court: &Court<'_>,
    (probe, release): (usize, usize),
    there: &mut There,
) -> Result<(), Violation> {
    let life = court.life;
    let mut late = Vec::new();
    for (key, start) in &there.resources {
        let span = &life.spans[*start];
        let is_link = key.0 == Resource::Link && key.1 == life.spans[probe].facts.at;
        let waits = is_link || WAITS.contains(&key.0);
        let is_data = span.facts.at.is_some_and(|at| (1..MODULES).contains(&at));
        let by = life.within(*start, |outer| outer.kind == Kind::Probe);
        let module = there.module(span);
        let is_own = module.is_some() && module == there.driver(&life.spans[probe]);
        if !(waits && is_data && is_own) {
            continue;
        }
        let memory = match key.0 {
            Resource::Firmware => span.facts.by,
            _ => span.facts.at,
        };
        // In the memory of the binding it is late, whatever has started it, but for another probe:
        // a driver may free such memory before, and it is in use anew.
        let is_freed = is_devres(life, probe, memory);
        if by == Some(probe) || is_freed && by.is_none() {
            let late_one = Late {
                start: *start,
                release,
                // A link counts in any case.
                is_freed: is_freed || is_link,
            };
            late.push((*key, late_one));
        }
    }
    // One that runs may be about to return.
    let runs = |key: &Key| matches!(key.0, Resource::Firmware | Resource::Async);
    let freed = late
        .iter()
        .filter(|(key, late)| !runs(key) && late.is_freed);
    if let Some((_, first)) = freed.min_by_key(|(_, late)| late.start) {
        let what = format!("not to be there {}", since(life, first));
        too_late(court, first, &what, &life.spans[release])?;
    }
    there.late.extend(late);
    Ok(())
}

/// The half of an address that is recorded.
const LOWER: u64 = 0xffff_ffff;

/// A number that was recorded as a signed one.
fn lower(of: Option<i32>) -> Option<u64> {
    of.map(|of| u32::from_ne_bytes(of.to_ne_bytes()).into())
}

/// Whether a place in memory is in what a probe has got from devres for its device.
fn is_devres(life: &Life, probe: usize, at: Option<u64>) -> bool {
    let device = life.spans[probe].facts.at;
    let memory = Kind::Of(Resource::Memory, Step::Starts);
    let mut own = life.inside(memory, probe).map(|(_, of)| of);
    own.any(|of| {
        let (begin, size) = (lower(of.ret), lower(of.facts.node));
        let begin = begin.filter(|begin| *begin > 0 && of.facts.at == device);
        let offset = at
            .zip(begin)
            .and_then(|(at, begin)| (at & LOWER).checked_sub(begin));
        offset.is_some_and(|offset| size.is_some_and(|size| offset < size))
    })
}

/// Where the async function was scheduled whose work is queued here: just before, by this task.
fn scheduled(life: &Life, queued: usize) -> Option<usize> {
    let task = life.spans[queued].task;
    let before = (0..queued).rev().take(NEAR);
    let mut own = before.filter(|at| life.spans[*at].task == task);
    own.find(|at| life.spans[*at].kind == Kind::Scheduled)
}

/// So many spans of other tasks may come between two of one task that follow each other at once.
const NEAR: usize = 64;

/// The module that has started a resource: that of its function. What is not text is of the module
/// whose driver's probe has started it. A work queue is if that module has asked for it.
fn of_module<'a>(life: &'a Life, start: usize, there: &'a There) -> Option<&'a str> {
    let span = &life.spans[start];
    let is_queue = match span.kind {
        Kind::Of(Resource::Queue, _) => true,
        Kind::Of(Resource::Attribute | Resource::Region | Resource::Character, _) => false,
        _ => return there.module(span),
    };
    let driver = there.driver(life.around(Kind::Probe, start)?)?;
    // The text of an init is gone by now, and another module may be there.
    (!is_queue || there.module(span) == Some(driver)).then_some(driver)
}

/// The probe that has started a resource. A thread begins in a task of its own, while the one that
/// creates it waits for that (`kernel/kthread.c`, `__kthread_create_on_node()`).
fn probe_of(life: &Life, start: usize) -> Option<&Span> {
    let mut by = start;
    if life.spans[start].kind == Kind::Of(Resource::Thread, Step::Starts) {
        let creating = life.of(Kind::Thread);
        let mut creating = creating.filter(|(_, of)| of.spans(life.spans[start].began));
        by = creating.next()?.0;
        if creating.next().is_some() {
            return None;
        }
    }
    life.around(Kind::Probe, by)
}

/// A module's memory goes: nothing of it may be there.
fn freed(court: &Court<'_>, at: usize, there: &mut There) -> Result<(), Violation> {
    let life = court.life;
    let span = &life.spans[at];
    let module = span.on.as_str();
    let resources = there.resources.iter().map(|(key, start)| (*start, key.0));
    let left = resources.filter(|(start, _)| of_module(life, *start, there) == Some(module));
    if let Some((start, resource)) = left.min() {
        let of = &life.spans[start];
        let what = format!("{resource} {}", of.on);
        let what = what.trim_end();
        let by = probe_of(life, start).map_or(String::new(), |probe| {
            format!(", which the probe of {} has started,", probe.on)
        });
        let gone = match resource.barrier() {
            Some(barrier) => format!("waited for by {barrier}"),
            None => "gone".to_owned(),
        };
        court.demand(
            false,
            format!("the {what}{by} to be {gone} before {module} is unloaded"),
            &[of.began, span.began],
        )?;
    }
    let children = there.children.values();
    let left = children.filter(|(_, probe)| there.driver(&life.spans[*probe]) == Some(module));
    if let Some((add, probe)) = left.min() {
        let (child, parent) = (&life.spans[*add], &life.spans[*probe]);
        let expected = format!(
            "the device {}, which the probe of {} has added, to be deleted before {module} is \
             unloaded",
            child.on, parent.on
        );
        court.demand(false, expected, &[child.began, span.began])?;
    }
    let (gone, stay): (HashMap<Key, usize>, _) = std::mem::take(&mut there.ran)
        .into_iter()
        .partition(|(_, start)| of_module(life, *start, there) == Some(module));
    there.unwaited.extend(gone.into_values());
    there.ran = stay;
    there.texts.retain(|_, (of, _)| of != module);
    Ok(())
}

/// The first RCU callback that has run by itself before its module has gone. `free_module()` waits
/// for its end, as callbacks run with softirqs disabled: it calls `synchronize_rcu()` before it
/// frees the text. Whether the module has waited for its beginning is not seen.
pub fn unwaited(life: &Life) -> Option<String> {
    let there = judge(&Court::of(LAW.name, life)).ok()?;
    let start = &life.spans[*there.unwaited.iter().min()?];
    let Kind::Of(resource, _) = start.kind else {
        return None;
    };
    let barrier = resource.barrier()?;
    Some(format!(
        "The {resource} {} has run before rmmod, but {barrier} has not waited for it. That is right \
         if the driver has waited for it otherwise, such as by a completion.",
        start.on
    ))
}

/// The end of a device that a probe has added is not there.
fn child_is_left(life: &Life) -> Option<Vec<Event>> {
    let del = life.of(Kind::Add).find_map(|(at, child)| {
        life.around(Kind::Probe, at)?;
        life.about(child, Kind::Del).last()
    })?;
    Draft::of(life).remove(&[del.began, del.ended?]).done()
}

#[cfg(test)]
mod tests {
    use super::is_the_cores;

    #[test]
    fn what_the_core_adds() {
        assert!(is_the_cores("wakeup12") && is_the_cores("platform:a--platform:b"));
        assert!(!is_the_cores("wakeup-button") && !is_the_cores("mut.0"));
    }
}
