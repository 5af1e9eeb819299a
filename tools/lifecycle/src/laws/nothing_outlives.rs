// SPDX-License-Identifier: GPL-2.0

//! Nothing that a driver has started outlives its unbind or its module.

use std::collections::{BTreeMap, HashMap};

use super::doctor::Draft;
use super::law::{Court, Law, Violation};
use super::mutant::Mutant;
use crate::event::resource::{Resource, Step};
use crate::life::{Kind, Life, Sight, Span};
use crate::Event;

/// The law.
pub static LAW: Law = Law {
    name: "nothing_outlives",
    promise: "The kernel runs what it has been given. It calls the function of a work item, a timer, \
              an interrupt handler, a notifier or a kernel thread, although the driver has been \
              unbound or its module has been unloaded meanwhile. A device that a probe has added \
              stays until the driver deletes it.",
    kernel: "kernel/module/main.c: free_module() releases the text without a look at who may call \
             it. drivers/base/dd.c: device_unbind_cleanup() releases what devres has, and nothing \
             else.",
    mend: "In remove, and in the error path of the probe, take back what the probe has started, in \
           reverse order: cancel_work_sync(), cancel_delayed_work_sync(), timer_shutdown_sync(), \
           free_irq(), kthread_stop(), device_remove_file(), the unregistration of notifiers and of \
           child devices. devm_request_irq() and its like do that by themselves. What the init has \
           started, the exit takes back.",
    needs: &[
        Sight::Probes,
        Sight::Removes,
        Sight::Modules,
        Sight::Devices,
    ],
    check,
    mutants: &[Mutant::doctored("child_is_left", child_is_left)],
};

/// What a resource is known by: where it is, and of an interrupt its number. A thread is known by
/// its task, a file of a device by its description, too.
type Key = (Resource, Option<u64>, Option<i32>, Option<u64>);

fn key(resource: Resource, span: &Span) -> Key {
    let more = match resource {
        Resource::Thread => span.task.and_then(|task| u64::try_from(task).ok()),
        Resource::Attribute => function(span),
        _ => None,
    };
    (resource, span.facts.at, span.facts.node, more)
}

/// What is there at a place of the log.
#[derive(Default)]
struct There {
    /// The text of each module, as last seen.
    texts: BTreeMap<u64, (String, u64)>,
    /// What has been started, and by which span.
    resources: HashMap<Key, usize>,
    /// What was pending when its device had been unbound, and the release of that device.
    late: HashMap<Key, (usize, usize)>,
    /// The devices that a probe has added, by where they are: the addition and the probe.
    children: HashMap<u64, (usize, usize)>,
    /// The module of each driver, by where that is.
    drivers: HashMap<u64, String>,
}

impl There {
    /// The module that has this function.
    fn module(&self, function: Option<u64>) -> Option<&str> {
        let function = function?;
        let (at, (module, bytes)) = self.texts.range(..=function).next_back()?;
        (function - at < *bytes).then_some(module)
    }
}

/// The address of the function of a resource.
fn function(span: &Span) -> Option<u64> {
    u64::from_str_radix(span.facts.caller.as_deref()?.strip_prefix("0x")?, 16).ok()
}

/// Judges every resource and every child; the cases are those that were taken back.
fn check(court: &Court<'_>) -> Result<usize, Violation> {
    let life = court.life;
    let mut there = There::default();
    let mut cases = 0;
    // What begins, and at their ends the releases of devices.
    let mut order: Vec<(usize, usize, bool)> = Vec::new();
    for (at, span) in life.spans.iter().enumerate() {
        order.push((span.began, at, false));
        if let (Kind::Release | CALLBACK, Some(ended)) = (span.kind, span.ended) {
            order.push((ended, at, true));
        }
    }
    order.sort_unstable();
    for (_, at, is_end) in order {
        let span = &life.spans[at];
        match span.kind {
            Kind::Release if is_end => released(life, at, &mut there),
            // It has to end.
            CALLBACK if !is_end => {}
            Kind::Of(resource, step) => {
                cases += usize::from(resource_step(court, at, (resource, step), &mut there)?);
            }
            Kind::Loaded => {
                let text = (span.on.clone(), span.facts.bytes.unwrap_or(0));
                there.texts.insert(span.facts.at.unwrap_or(0), text);
            }
            Kind::Register => {
                if let (Some(by), Some(module)) = (span.facts.by, &span.facts.module) {
                    there.drivers.insert(by, module.clone());
                }
            }
            Kind::Probe => there
                .late
                .retain(|_, (_, release)| !life.spans[*release].same_device(span)),
            Kind::Add if span.ret == Some(0) && !is_the_cores(&span.on) => {
                let probe = life.within(at, |outer| outer.kind == Kind::Probe);
                if let (Some(device), Some(probe)) = (span.facts.at, probe) {
                    there.children.insert(device, (at, probe));
                }
            }
            Kind::Del => {
                // Its files go with it.
                let of = |key: &Key| key.0 == Resource::Attribute && key.1 == span.facts.at;
                there.resources.retain(|key, _| !of(key));
                let child = span.facts.at.and_then(|at| there.children.remove(&at));
                cases += usize::from(child.is_some());
            }
            Kind::ModuleFreed => freed(court, at, &mut there)?,
            _ => {}
        }
    }
    Ok(cases)
}

/// The work that calls the callback of `request_firmware_nowait()`.
const CALLBACK: Kind = Kind::Of(Resource::Firmware, Step::Runs);

/// Whether a device is one that the driver core adds for another one: a wake-up source, or a link
/// between two devices.
fn is_the_cores(device: &str) -> bool {
    let number = device.strip_prefix("wakeup").unwrap_or("x");
    device.contains("--") || number.bytes().all(|digit| digit.is_ascii_digit())
}

/// A resource starts, runs or stops; returns whether it was taken back.
fn resource_step(
    court: &Court<'_>,
    at: usize,
    (resource, step): (Resource, Step),
    there: &mut There,
) -> Result<bool, Violation> {
    let life = court.life;
    let span = &life.spans[at];
    let key = key(resource, span);
    if resource == Resource::Reference {
        return Ok(false);
    }
    let late = there.late.remove(&key);
    match step {
        // Of other kobjects nothing shows when they go, with their files.
        Step::Starts if resource == Resource::Attribute => {
            let probe = life.within(at, |outer| outer.kind == Kind::Probe);
            if probe.is_some_and(|probe| life.spans[probe].facts.at == span.facts.at) {
                there.resources.insert(key, at);
            }
            Ok(false)
        }
        Step::Starts => {
            there.resources.insert(key, at);
            Ok(false)
        }
        Step::Runs => {
            if let Some((start, release)) = late {
                let device = life.device_of(&life.spans[release]);
                let places = [&life.spans[start], &life.spans[release]];
                court.demand(
                    false,
                    format!(
                        "the {resource} that the probe of {device} has started, {}, not to run \
                         after {device} has been unbound",
                        life.spans[start].on
                    ),
                    &[places[0].began, places[1].end_place(), span.end_place()],
                )?;
            }
            there.resources.remove(&key);
            Ok(false)
        }
        Step::Stops => Ok(there.resources.remove(&key).is_some()),
    }
}

/// Memory of a module is not that of a device.
const MODULES: u64 = 0xffff_ffff_0000_0000;

/// A device has been unbound: what its probe has started and is pending now, is late.
fn released(life: &Life, release: usize, there: &mut There) {
    let of = &life.spans[release];
    let Some((_, removed)) = life.own(Kind::Remove, release).next() else {
        return;
    };
    let probes = life.of_device(of).filter(|(_, probe)| {
        probe.kind == Kind::Probe && probe.ret == Some(0) && probe.began < removed.began
    });
    let Some((probe, _)) = probes.last() else {
        return;
    };
    for (key, start) in &there.resources {
        let waits = matches!(key.0, Resource::Work | Resource::Timer | Resource::Firmware);
        let is_own = key.1.is_some_and(|at| at < MODULES);
        let by = life.within(*start, |outer| outer.kind == Kind::Probe);
        if waits && is_own && by == Some(probe) {
            there.late.insert(*key, (*start, release));
        }
    }
}

/// The module that has started a resource: that of its function. What is not text is of the module
/// whose driver's probe has started it.
fn of_module<'a>(life: &Life, start: usize, there: &'a There) -> Option<&'a str> {
    let span = &life.spans[start];
    let data = [Resource::Attribute, Resource::Region].map(|of| Kind::Of(of, Step::Starts));
    if !data.contains(&span.kind) {
        return there.module(function(span));
    }
    let probe = life.within(start, |outer| outer.kind == Kind::Probe)?;
    let by = life.spans[probe].facts.by?;
    there.drivers.get(&by).map(String::as_str)
}

/// A module's memory goes: nothing of it may be there.
fn freed(court: &Court<'_>, at: usize, there: &mut There) -> Result<(), Violation> {
    let life = court.life;
    let span = &life.spans[at];
    let module = span.on.as_str();
    let mut left: Vec<(usize, Resource)> = there
        .resources
        .iter()
        .filter(|(_, start)| of_module(life, **start, there) == Some(module))
        .map(|(key, start)| (*start, key.0))
        .collect();
    left.sort_unstable();
    if let Some((start, resource)) = left.first() {
        let of = &life.spans[*start];
        let by = life.within(*start, |outer| outer.kind == Kind::Probe);
        let by = by.map_or(String::new(), |probe| {
            format!(", which the probe of {} has started,", life.spans[probe].on)
        });
        court.demand(
            false,
            format!(
                "the {resource} {}{by} to be gone before {module} is unloaded",
                of.on
            ),
            &[of.began, span.began],
        )?;
    }
    let mut children: Vec<(usize, usize)> = there
        .children
        .values()
        .filter(|(_, probe)| {
            let by = life.spans[*probe].facts.by;
            by.and_then(|by| there.drivers.get(&by)).map(String::as_str) == Some(module)
        })
        .copied()
        .collect();
    children.sort_unstable();
    if let Some((add, probe)) = children.first() {
        let (child, parent) = (&life.spans[*add].on, &life.spans[*probe].on);
        court.demand(
            false,
            format!(
                "the device {child}, which the probe of {parent} has added, to be deleted before \
                 {module} is unloaded"
            ),
            &[life.spans[*add].began, span.began],
        )?;
    }
    there.texts.retain(|_, (of, _)| of != module);
    Ok(())
}

/// The end of a device that a probe has added is not there.
fn child_is_left(life: &Life) -> Option<Vec<Event>> {
    let mut added = life.of(Kind::Add);
    let (_, child) = added.find(|(at, add)| {
        let probe = life.within(*at, |outer| outer.kind == Kind::Probe);
        probe.is_some() && life.of_device(add).any(|(_, of)| of.kind == Kind::Del)
    })?;
    let of_child = life.of_device(child);
    let (_, del) = of_child.filter(|(_, of)| of.kind == Kind::Del).last()?;
    let mut draft = Draft::of(life);
    draft.remove(del.end_place());
    draft.remove(del.began);
    Some(draft.done())
}

#[cfg(test)]
mod tests {
    use super::super::test_life::{altered, assert_broken, assert_kept};
    use super::*;

    /// A probe that queues a work item and adds a device; both go with the driver.
    const RIGHT: &str = "7 init m
        7 register mod=m
        7 register_end 0
        7 probe 0
        7 delayed_work 1 0xf0
        7 add 5
        7 add_end 0
        7 probe_end 0
        7 init_end 0
        loaded m 0xe0 4096
        7 release 0
        7 remove 0
        7 del 5
        7 del_end
        7 work_stops 1 0xf0
        7 cleanup 0
        7 release_end
        8 rmmod m
        8 unregister
        8 unregister_end
        8 flush 0
        8 flush_end
        8 free_module m
        8 rmmod_end 0";

    #[test]
    fn all_is_taken_back() {
        assert_kept(&LAW, RIGHT, 2);
    }

    #[test]
    fn a_child_is_left() {
        let left = altered(&altered(RIGHT, "7 del 5", ""), "7 del_end", "");
        assert_broken(&LAW, &left, "add dev=\"d.5\"");
        // The exit may delete it.
        let late = altered(&left, "8 unregister", "8 del 5\n8 del_end\n8 unregister");
        assert_kept(&LAW, &late, 2);
    }

    #[test]
    fn work_is_left() {
        let left = altered(RIGHT, "7 work_stops 1 0xf0", "");
        assert_broken(&LAW, &left, "free_module");
        // It has run, and the end of the device has not waited for it.
        let late = altered(&left, "8 rmmod m", "9 work_runs 1 0xf0\n8 rmmod m");
        assert_broken(&LAW, &late, "work_runs");
        // That of a module which stays.
        let other = altered(&left, "loaded m 0xe0 4096", "loaded m 0xe0 1");
        assert_kept(&LAW, &other, 1);
    }

    #[test]
    fn what_the_core_adds() {
        assert!(is_the_cores("wakeup12") && is_the_cores("platform:a--platform:b"));
        assert!(!is_the_cores("wakeup-button") && !is_the_cores("mut.0"));
    }
}
