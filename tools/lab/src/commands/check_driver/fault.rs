// SPDX-License-Identifier: GPL-2.0

//! What is wrong with a driver: what the report begins with.

use std::collections::{BTreeMap, BTreeSet};

use lifecycle::driver::{Load, REGISTERED};
use lifecycle::errno::{self, EPROBE_DEFER};
use lifecycle::event::resource::{Resource, Step};
use lifecycle::event::Call;
use lifecycle::laws::nothing_outlives;
use lifecycle::life::Kind;
use lifecycle::Micros;

use super::blocked::{summary, waits_for_lock};
use super::complaints::{complaints, task};
use super::evidence::{Evidence, Fault, NAMED};
use super::laws::Law;
use super::life::{negative, Life as Told};
use super::symbols::{demangled, Symbols};

/// So many objects that are left behind are named.
const FEW: usize = 4;

/// A device that is announced so long before the end of its parent's probe is not ready yet.
const EARLY: Micros = Micros(100_000);

pub(crate) fn faults(of: &Evidence<'_>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Some(step) = of.told.first("stuck") {
        let what = stuck(step, &of.blocked) + &holder(of).unwrap_or_default();
        faults.push(Fault::new(what, of.blocked.clone()));
    }
    faults.extend(of.laws.iter().filter_map(|law| broken(law, of.symbols)));
    faults.extend(pending(of));
    let stays = of.told.first("stays");
    if let Some((error, line)) = stays.and_then(|words| words.split_once(' ')) {
        let mut seen = vec![format!("/proc/modules has: {line}")];
        seen.extend(holders(of));
        let what = format!("{} cannot be unloaded: {}", of.module, negative(error));
        faults.push(Fault::new(what, seen));
    }
    for (how, what) in [
        ("left", "left behind by the last rmmod"),
        (
            "left_or_made",
            "left behind by the last rmmod, or made by AFTER (UNDO takes that away)",
        ),
        ("gone", "taken away by the last rmmod"),
    ] {
        let mut lines = of.told.all(how);
        lines.retain(|line| is_own(line, of));
        let mut lines: Vec<String> = lines.iter().map(|line| of.symbols.name(line)).collect();
        lines.dedup();
        if !lines.is_empty() {
            let mut named = lines[..lines.len().min(FEW)].join(", ");
            if lines.len() > FEW {
                named += &format!(" and {} more", lines.len() - FEW);
            }
            let is_timer = lines.iter().any(|line| line.starts_with("hrtimer "));
            let mend = "nothing has cancelled it: hrtimer_cancel() in remove does";
            let seen = is_timer.then(|| mend.to_owned());
            faults.push(Fault::new(
                format!("{what}: {named}"),
                seen.into_iter().collect(),
            ));
        }
    }
    faults.extend(complaints(of));
    faults.extend(of.told.all("usage").iter().filter_map(|words| usage(words)));
    faults.extend(not_again(of));
    faults.extend(only_one(of.told).filter(|fault| !fault.seen.is_empty()));
    faults.extend(deferrals(of));
    faults.extend(swallowed(of));
    faults.extend(early(of));
    faults
}

/// A step that has not ended, and what it waits for.
pub(crate) fn stuck(step: &str, blocked: &[String]) -> String {
    let step = step.replace(" :", ":");
    match summary(blocked).as_str() {
        "" => format!("{step} after its deadline"),
        why => format!("{step} after its deadline: {why}"),
    }
}

/// The calls that may have returned with the lock for which all tasks wait that are blocked: the
/// last probe that has failed, as error paths forget locks, or the last remove and the last probe.
fn holder(of: &Evidence<'_>) -> Option<String> {
    let own = format!("[{}]", of.module);
    let mut tasks = of.blocked.iter().filter(|line| !line.starts_with(' '));
    if !tasks.clone().any(|task| task.ends_with(&own)) || !tasks.all(|task| waits_for_lock(task)) {
        return None;
    }
    let calls = of.parts.values().flat_map(|life| {
        let is_own = |by: Option<u64>| {
            let mut drivers = life.of(Kind::Register).map(|(_, driver)| &driver.facts);
            drivers.any(|of_driver| {
                of_driver.by == by && of_driver.module.as_deref() == Some(of.module)
            })
        };
        let spans = life.spans.iter().filter(|span| span.end.is_some());
        spans.filter(move |span| match span.kind {
            Kind::Probe => is_own(span.facts.by),
            Kind::Remove => {
                let mut of_device = life.of_device(span);
                of_device.any(|(_, of)| of.kind == Kind::Probe && is_own(of.facts.by))
            }
            _ => false,
        })
    });
    let last = |kind: Kind| {
        let of_kind = calls.clone().filter(move |span| span.kind == kind);
        of_kind.max_by_key(|span| (span.ret.is_some_and(|ret| ret != 0), span.end))
    };
    let probe = last(Kind::Probe)?;
    let which = match (probe.ret, last(Kind::Remove)) {
        (Some(ret), _) if ret != 0 => {
            let errno = errno::name(ret);
            format!("the probe of {}, which has failed with {errno},", probe.on)
        }
        (_, Some(remove)) => format!("the remove of {} or the probe of {}", remove.on, probe.on),
        (_, None) => format!("the probe of {}, which has succeeded,", probe.on),
    };
    Some(format!(
        ". No task that is blocked holds it: {which} may have returned with it held"
    ))
}

/// Whether what is left is the driver's. Subsystems start threads and make caches and directories
/// when they are used for the first time, and keep them: such a one counts if it has the driver's
/// name. A mapping counts if a function of the module has asked for it.
fn is_own(line: &str, of: &Evidence<'_>) -> bool {
    if line.starts_with("mapping ") {
        return of.symbols.name(line).ends_with(&format!("[{}]", of.module));
    }
    let by_others = ["kernel thread ", "slab cache ", "directory of debugfs "];
    let is_others = by_others.iter().any(|what| line.starts_with(what));
    let is_others = is_others || line.ends_with(" on workqueue") || line.contains("/workqueue/");
    let drivers = of.told.drivers.iter().map(|driver| driver.name.as_str());
    !is_others || drivers.chain([of.module]).any(|name| line.contains(name))
}

fn broken(law: &Law, symbols: &Symbols) -> Option<Fault> {
    violated(law.law, law.broken.as_ref()?, symbols)
}

/// What was pending when the machine has died, where no law has seen it run.
fn pending(of: &Evidence<'_>) -> Option<Fault> {
    // `Workqueue: events foo_work [foo]`
    let is_work = |line: &String| {
        let own = format!("[{}]", of.module);
        line.contains("Workqueue: ") && of.symbols.name(line).contains(&own)
    };
    let workers = of
        .splats
        .iter()
        .filter(|splat| splat.context.iter().any(is_work));
    let workers: Vec<u32> = workers.filter_map(task).collect();
    let mut deaths = of.told.deaths.iter();
    deaths.find_map(|part| {
        let life = of.parts.get(part.as_str())?;
        let violation = nothing_outlives::at_death(life, &workers)?;
        violated(violation.law, &violation.to_string(), of.symbols)
    })
}

/// A law is broken, as it is printed.
fn violated(law: &'static str, violation: &str, symbols: &Symbols) -> Option<Fault> {
    let said = |key: &str| violation.lines().find_map(|line| line.strip_prefix(key));
    let what = format!("{law}: expected {}", symbols.name(said("expected: ")?));
    let seen = said("seen: ").unwrap_or_default().split("; ");
    let seen = seen.map(|line| symbols.name(line)).collect();
    Some(Fault {
        law: Some(law),
        ..Fault::new(what, seen)
    })
}

/// The static variables that two plain loads have left alike, and one with `async_probe` otherwise,
/// with as many probes in each of them.
pub(crate) fn statics(told: &Told, loads: [Option<&Load>; 3]) -> Vec<String> {
    let [plain, again, other] = loads;
    // Devices are bound again by hand after the first one. In another, rmmod is tried meanwhile.
    let first = plain.map(|load| load.initial().count());
    if [again, other]
        .iter()
        .any(|load| load.map(|load| load.probes.len()) != first)
    {
        return vec![];
    }
    let mut values: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for line in told.all("static") {
        let mut words = line.splitn(3, ' ').map(str::to_owned);
        if let (Some(how), Some(name), Some(value)) = (words.next(), words.next(), words.next()) {
            values.entry(name).or_default().insert(how, value);
        }
    }
    let differs = |(name, of): (String, BTreeMap<String, String>)| {
        let (plain, again) = (of.get("plain")?, of.get("again")?);
        let other = of.get("async_probe")?;
        (plain == again && plain != other).then(|| {
            let name = demangled(&name);
            format!(
                "The static variable {name} is {plain} after a plain insmod and {other} with \
                 async_probe: probes that run at once overwrite it, or it depends on their order."
            )
        })
    };
    values.into_iter().filter_map(differs).collect()
}

/// Which functions of the module have taken a reference to it that is not put.
fn holders(of: &Evidence<'_>) -> Vec<String> {
    let mut held = BTreeSet::new();
    for life in of.parts.values() {
        // By the probe that has taken them.
        let mut taken: BTreeMap<Option<usize>, (i64, String)> = BTreeMap::new();
        for (at, span) in life.spans.iter().enumerate() {
            let Kind::Of(Resource::Reference, step) = span.kind else {
                continue;
            };
            if span.facts.module.as_deref() != Some(of.module) {
                continue;
            }
            let probe = life.within(at, |outer| outer.kind == Kind::Probe);
            let (count, from) = taken.entry(probe).or_default();
            if step == Step::Stops {
                *count -= 1;
            } else {
                *count += 1;
                *from = of.symbols.name(&span.on);
            }
        }
        let left = taken.into_iter().filter(|(_, (count, _))| *count > 0);
        held.extend(left.map(|(probe, (_, from))| {
            let by = probe.map_or(String::new(), |probe| {
                format!(" in the probe of {}", life.spans[probe].on)
            });
            format!("{from} has taken a reference to it{by} that is not put")
        }));
    }
    held.into_iter().take(FEW).collect()
}

/// The devices that never bind, as their probes say EPROBE_DEFER each time.
fn deferrals(of: &Evidence<'_>) -> Vec<Fault> {
    let drivers: Vec<&str> = of.told.drivers.iter().map(|of| of.name.as_str()).collect();
    let mut tries: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    let spans = of.parts.values().flat_map(|life| &life.spans);
    for span in spans.filter(|span| span.kind == Kind::Probe) {
        if span
            .driver
            .as_deref()
            .is_some_and(|name| drivers.contains(&name) || drivers.is_empty())
        {
            let (deferred, bound) = tries.entry(&span.on).or_default();
            *deferred += usize::from(span.ret == Some(EPROBE_DEFER));
            *bound += usize::from(span.ret == Some(0));
        }
    }
    let mut faults = Vec::new();
    if let Some(count) = of.told.first("endless") {
        let what = format!(
            "deferral without end: {count} probes without a rest: what a probe has added before it \
             says EPROBE_DEFER binds, and that sets off the next try"
        );
        faults.push(Fault::new(what, vec![]));
    }
    let never = tries
        .into_iter()
        .filter(|(_, (deferred, bound))| *deferred > 0 && *bound == 0);
    faults.extend(never.take(NAMED).map(|(device, (times, _))| {
        let what = format!("{device} never binds: EPROBE_DEFER from each of its {times} probes");
        Fault::new(what, vec![])
    }));
    faults
}

/// What each bind leaves of runtime PM.
fn usage(words: &str) -> Option<Fault> {
    let (device, counts) = words.split_once(' ')?;
    let (first, last) = counts.split_once(' ')?;
    let what = format!(
        "the runtime PM usage count of {device} is {first} after its first unbind, and {last} after \
         the next: its probe or its remove gets what neither puts (pm_runtime_get_sync() without \
         pm_runtime_put())"
    );
    Some(Fault::new(what, vec![]))
}

/// The devices that have been bound and unbound, and whose next probe fails.
fn not_again(of: &Evidence<'_>) -> Vec<Fault> {
    let Some(life) = of.parts.get("load") else {
        return vec![];
    };
    // While another one was bound.
    let only_one = of.told.first("only_one").unwrap_or_default();
    let only_one = only_one.split(' ').nth(1);
    let mut devices: BTreeMap<i32, BTreeSet<&str>> = BTreeMap::new();
    for (at, _) in life.of(Kind::Bind) {
        let Some((_, probe)) = life.inside(Kind::Probe, at).last() else {
            continue;
        };
        let mut before = life.of_device(probe);
        let was_bound = before.any(|(_, of)| of.kind == Kind::Remove && of.began < probe.began);
        let failed = probe.ret.filter(|ret| *ret < 0 && *ret != EPROBE_DEFER);
        // What the driver core refuses breaks a law.
        let is_own = was_bound && !probe.facts.by_core && only_one != Some(&*probe.on);
        if let Some(failed) = failed.filter(|_| is_own) {
            devices.entry(failed).or_default().insert(&probe.on);
        }
    }
    let faults = devices.into_iter().map(|(failed, devices)| {
        let devices: Vec<&str> = devices.into_iter().take(NAMED).collect();
        let what = format!(
            "{} cannot be bound again: {}",
            devices.join(", "),
            errno::name(failed)
        );
        Fault::new(what, vec![])
    });
    faults.collect()
}

/// Only one device at a time can be bound. If the kernel has refused what the probe registers, it
/// is a fault, and that is seen; else the probe itself may have decided so.
pub(crate) fn only_one(told: &Told) -> Option<Fault> {
    let mut words = told.first("only_one")?.split(' ');
    let (other, first, errno) = (words.next()?, words.next()?, negative(words.next()?));
    let what = format!(
        "only one device at a time can be bound: the probe of {first} fails with {errno} while \
         {other} is bound, and succeeds when it is not"
    );
    let function = words.next();
    let registered = REGISTERED.iter().find(|of| Some(of.0) == function);
    let seen = registered.map(|(function, object)| match words.next() {
        None | Some("") => format!(
            "{function}() fails in it: the {object} of each device has the same name or number"
        ),
        Some(name) => format!(
            "{function}() fails in it: the {object} {name}, a static variable, is shared by all \
             devices"
        ),
    });
    Some(Fault::new(what, seen.into_iter().collect()))
}

/// A probe that has failed, of which the bus has not told the driver core.
fn swallowed(of: &Evidence<'_>) -> Option<Fault> {
    let own = of.told.all("own");
    let life = of.parts.get("load")?;
    // What the guest binds by hand comes later.
    let by_hand = [Call::Unbind, Call::Bind].map(Kind::Call);
    let mut spans = life.spans.iter();
    let until = spans.find(|span| by_hand.contains(&span.kind));
    let until = until.map_or(usize::MAX, |span| span.began);
    let drivers: Vec<&str> = of.told.drivers.iter().map(|of| of.name.as_str()).collect();
    let failed = life.of(Kind::Probe).filter(|(_, probe)| {
        let name = probe.driver.as_deref().unwrap_or_default();
        probe.ret != Some(0) && probe.began < until && drivers.contains(&name)
    });
    let last = own.last()?;
    (failed.count() < own.len()).then(|| {
        let (function, error) = last.split_once(' ').unwrap_or((last, "0"));
        let what = format!(
            "failed_probe: {function} returned {}, and the driver core has not been told: the bus \
             swallows the error, and the device counts as bound",
            negative(error)
        );
        Fault::new(what, vec![])
    })
}

/// What userspace can open long before the probe that has added it has ended.
fn early(of: &Evidence<'_>) -> Option<Fault> {
    let nodes = of.told.all("plain");
    let life = of.parts.get("load")?;
    life.of(Kind::Uevent).find_map(|(at, uevent)| {
        let probe = life.within(at, |outer| outer.kind == Kind::Probe)?;
        let probe = &life.spans[probe];
        let early = probe.end.filter(|_| probe.ret == Some(0))? - uevent.begin;
        let device = life.device_of(uevent);
        let node = format!("file /dev/{device}");
        if uevent.on != "add" || early < EARLY || !nodes.contains(&node) {
            return None;
        }
        let what = format!(
            "/dev/{device} is announced before it is ready: its add uevent comes {early} ms before \
             the end of the probe of {}",
            probe.on
        );
        Some(Fault::new(what, vec![]))
    })
}

#[cfg(test)]
mod tests {
    use lifecycle::parse::recording;
    use lifecycle::{Life, Probing};

    use super::*;

    #[test]
    fn one_device_at_a_time() {
        let said = |words: &str| {
            let told = Told::read(&format!("check: only_one d.1 d.0 16{words}\n"));
            let fault = only_one(&told).unwrap();
            assert!(fault
                .what
                .contains("the probe of d.0 fails with EBUSY while d.1 is"));
            fault.seen.first().cloned().unwrap_or_default()
        };
        assert!(said(" misc_register m").contains("the miscdevice m, a static variable, is shared"));
        assert!(said(" misc_register ").contains("the miscdevice of each device has the same"));
        // The probe itself may have decided so.
        assert_eq!(said(""), "");
    }

    #[test]
    fn what_is_the_drivers() {
        let (told, symbols) = (Told::default(), Symbols::default());
        let of = Evidence::told("foo", &told, &symbols);
        for (line, expected) in [
            ("class bar", true),
            ("state of CPU hotplug bar:online", true),
            ("kernel thread foo/0", true),
            ("kernel thread scsi_eh_0", false),
            ("4 kernel threads poll", true),
            ("slab cache foo_cache", true),
            ("directory of debugfs media", false),
            ("directory of debugfs foo", true),
        ] {
            assert_eq!(is_own(line, &of), expected, "{line}");
        }
    }

    #[test]
    fn which_probe_may_hold_a_lock() {
        let recording = include_str!("../../../../lifecycle/tests/recordings/platform_and_bus.txt");
        let events = recording::parse(recording).unwrap();
        let mut life = Life::new(events, Probing::Once);
        // Of the others none has failed.
        let probe = life.of(Kind::Probe).nth(1).unwrap().0;
        life.spans[probe].ret = Some(-5);
        let parts = BTreeMap::from([("load", life)]);
        const WAITS: &str =
            "sh: a remove waits for a mutex, called by foo+0x1/0x2 [slow_platform_driver]";
        const OTHER: &str = "sh: an init function waits for asynchronous probes";
        for (blocked, expected) in [
            (&[WAITS, "  foo+0x1/0x2 [slow_platform_driver]"][..], true),
            (&[WAITS, OTHER], false),
            (&["sh: a remove waits for a mutex"], false),
            (&[], false),
        ] {
            let named = holder(&Evidence {
                parts: &parts,
                blocked: blocked.iter().map(|line| (*line).to_owned()).collect(),
                ..Evidence::told(
                    "slow_platform_driver",
                    &Told::default(),
                    &Symbols::default(),
                )
            });
            let words = "slow_platform.1, which has failed with EIO, may have";
            let is = named.as_ref().map(|named| named.contains(words));
            assert_eq!(is, expected.then_some(true), "{named:?}");
        }
    }
}
