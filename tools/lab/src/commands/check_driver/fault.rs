// SPDX-License-Identifier: GPL-2.0

//! What is wrong with a driver: what the report begins with.

use std::collections::{BTreeMap, BTreeSet};

use lifecycle::driver::{Load, REGISTERED};
use lifecycle::event::resource::{Resource, Step};
use lifecycle::event::Call;
use lifecycle::laws::nothing_outlives;
use lifecycle::life::Kind;
use lifecycle::{errno, Life, Micros};
use serde::Serialize;

use super::blocked::{summary, waits_for_lock};
use super::laws::Law;
use super::life::{negative, Life as Told};
use super::symbols::{demangled, Symbols};
use crate::console::Splat;

/// So many files, devices and lines are named.
const NAMED: usize = 6;

/// And so many of what is left, in one line.
const FEW: usize = 4;

/// A device that is announced so long before the end of its parent's probe is not ready yet.
const EARLY: Micros = Micros(100_000);

/// The result of a probe that is to be tried again.
const EPROBE_DEFER: i32 = -517;

/// One fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Fault {
    /// The law that is broken.
    pub law: Option<&'static str>,
    /// The fault, in a sentence.
    pub what: String,
    /// Where it is seen, line by line.
    pub seen: Vec<String>,
}

impl Fault {
    fn new(what: impl Into<String>, seen: Vec<String>) -> Self {
        Self {
            law: None,
            what: what.into(),
            seen,
        }
    }
}

/// All that is seen of a driver.
#[derive(Debug)]
pub(crate) struct Evidence<'a> {
    pub module: &'a str,
    /// What the guest has told.
    pub told: &'a Told,
    /// The parts that are recorded.
    pub parts: &'a BTreeMap<&'a str, Life>,
    pub laws: &'a [Law],
    /// What the kernel has complained about.
    pub splats: &'a [Splat],
    /// The tasks that are blocked, where a step has not ended.
    pub blocked: Vec<String>,
    /// Where the functions of the module are.
    pub symbols: &'a Symbols,
}

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

/// Each kind of complaint once.
fn complaints(of: &Evidence<'_>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut sources: Vec<&str> = Vec::new();
    for splat in of.splats {
        // What a WARNING says comes before it.
        let lines: Vec<String> = message(splat)
            .iter()
            .chain(splat.lines())
            .filter(|line| !is_ours(line) && line.trim_end().contains("] "))
            .map(|line| of.symbols.name(line))
            .collect();
        // A complaint about a slab is followed by a WARNING of its own (`mm/slub.c`).
        let follows = splat.kind == "WARNING" && splat.alarm.contains("mm/slub.c");
        if !faults.is_empty() && (follows || splat.alarm.contains("Slab disabled since ")) {
            continue;
        }
        let mut what = format!("{COMPLAINED}{}", splat.kind);
        let mut others = faults.iter_mut();
        let same = others.find(|fault| splat.is_word() && fault.what.starts_with(&what));
        if let Some(same) = same {
            if same.seen.len() < NAMED && !same.seen.contains(&splat.alarm) {
                same.seen.push(splat.alarm.clone());
            }
            continue;
        }
        if let Some(source) = source(splat) {
            if sources.contains(&source) {
                continue;
            }
            sources.push(source);
            what += &format!(" at {source}");
        }
        let meant = MEANT
            .iter()
            .find(|(words, _)| lines.iter().any(|line| line.contains(words)));
        what.extend(meant.map(|(_, meaning)| format!(": {meaning}")));
        if let Some((_, name)) = splat.alarm.split_once("create duplicate filename ") {
            what += &format!(", {name}: what has made it before has not been taken back");
        }
        // `BUG kmalloc-512 (Tainted: G OE): Object already free`
        if let Some((_, slab)) = splat.alarm.split_once("] BUG ") {
            let about = slab.trim_end().rsplit_once("): ").map(|(_, about)| about);
            let about = about.and_then(|about| about.split(" 0x").next());
            what += &about.map_or(String::new(), |about| format!(": {about}"));
        }
        // The kernel itself names the functions of a module that is loaded.
        let mut places = splat.lines().filter(|line| line.contains("RIP: 0010:0xff"));
        let gone = places.find_map(|line| {
            let named = of.symbols.name(line);
            (named != *line).then(|| named.split("0010:").last().unwrap_or_default().to_owned())
        });
        let call = call(splat);
        if let Some(place) = gone {
            what += &format!(" in {place}, after rmmod");
        } else if let Some(place) = place(&lines, of.module).or_else(|| doing(of, splat)) {
            what += &format!(" {place}");
            // A plain one may be right.
            let is_async = |call: &&String| call.contains(" async_probe=1`");
            what.extend(call.iter().filter(is_async).map(|call| format!(" {call}")));
        } else if let Some(call) = call {
            what += &format!(" {call}");
        }
        // The guest has just unloaded the driver.
        let hrtimer = of.told.first("hrtimer").filter(|_| {
            let is_about = |line: &String| line.contains("hrtimer");
            of.told.first("hrtimers_ended").is_none() && lines.iter().any(is_about)
        });
        if let Some(function) = hrtimer {
            what += &format!(
                ": the hrtimer {function} was started when the driver was unloaded, and nothing has \
                 cancelled it (hrtimer_cancel())"
            );
        }
        // What comes of an oops is no other fault.
        if splat.kind == "panic" && !faults.is_empty() {
            continue;
        }
        if !faults.iter().any(|fault| fault.what == what) {
            // The first lines say what, and those about the driver where.
            let is_own = |line: &&String| line.contains(&format!("[{}]", of.module));
            let own = lines.iter().skip(FIRST).filter(is_own);
            let mut seen: Vec<String> = lines.iter().take(FIRST).chain(own).cloned().collect();
            if seen.len() <= FIRST {
                seen.clone_from(&lines);
            }
            seen.truncate(NAMED);
            faults.push(Fault::new(what, seen));
        }
    }
    // Those that are nearest to the cause come first: what is wrong with memory may come out late.
    faults.sort_by_key(|fault| {
        let has = |words: &str| fault.what.contains(words);
        (!has("has freed"), !has("BUG: "))
    });
    // What comes after the first crash may come of it.
    let is_crash = |fault: &Fault| {
        let kind = fault.what.strip_prefix(COMPLAINED).unwrap_or_default();
        CRASHES.iter().any(|crash| kind.starts_with(crash))
    };
    let (crashes, mut others): (Vec<Fault>, Vec<Fault>) = faults.into_iter().partition(is_crash);
    let mut crashes = crashes.into_iter();
    if let Some(mut first) = crashes.next() {
        let more = crashes.map(|crash| crash.what.trim_start_matches(COMPLAINED).to_owned());
        let more: Vec<String> = more.collect();
        if !more.is_empty() {
            first.seen.push(format!(
                "it also complained, which may come of that: {}",
                more.join("; ")
            ));
        }
        others.insert(0, first);
    }
    others
}

/// What a complaint means that has these words, or a function of the kernel on its stack.
const MEANT: [(&str, &str); 5] = [
    (
        " returned with preemption imbalance",
        "a probe or the init has returned with a spinlock held",
    ),
    // `kernel/cpu.c`: the name of the state is read.
    (
        " states_show+0x",
        "a state of CPU hotplug is left by a module that is gone (cpuhp_remove_state())",
    ),
    (
        " tasklet SCHED state not set",
        "a tasklet is scheduled in memory that has been freed (tasklet_kill() in remove)",
    ),
    (
        " cleanup_srcu_struct+0x",
        "a callback of call_srcu() is pending, or a reader active, when the srcu_struct goes \
         (srcu_barrier())",
    ),
    (
        " device driver has pending DMA allocations while released",
        "mappings for DMA are left by a driver that is unbound (dma_unmap_*(), dma_free_*())",
    ),
];

const COMPLAINED: &str = "the kernel complained: ";

/// After one of these, others may come of it.
const CRASHES: &[&str] = &[
    "BUG",
    "oops",
    "panic",
    "WARNING",
    "list",
    "refcount",
    "kobject",
    "atomic sleep",
    "lockup",
    "RCU stall",
    "hung task",
];

/// Where in the kernel's source a WARNING is.
fn source(splat: &Splat) -> Option<&str> {
    let is_line = |word: &&str| {
        let line = word.rsplit_once(".c:").or(word.rsplit_once(".h:"));
        line.is_some_and(|(_, line)| line.bytes().all(|digit| digit.is_ascii_digit()))
    };
    let mut words = splat.alarm.split(' ');
    words.find(is_line).filter(|_| splat.kind == "WARNING")
}

/// A WARNING says so many lines at most.
const SAYS: usize = 4;

/// What a WARNING says, between `cut here` and its own line.
fn message(splat: &Splat) -> &[String] {
    let own = splat.context.iter().rposition(|line| *line == splat.alarm);
    let before = &splat.context[..own.unwrap_or(0)];
    let cut = before
        .iter()
        .rposition(|line| line.contains("[ cut here ]"));
    match cut.map(|cut| &before[cut + 1..]) {
        Some(message) if splat.kind == "WARNING" && message.len() <= SAYS => message,
        _ => &[],
    }
}

/// The number of the task that has complained.
fn task(splat: &Splat) -> Option<u32> {
    // `CPU: 0 UID: 0 PID: 123 Comm: check_driver Not tainted`
    let after = |line: &String| line.split_once(" PID: ")?.1.split(' ').next()?.parse().ok();
    splat.context.iter().find_map(after)
}

/// Which call of userspace a task was in that has complained.
fn call(splat: &Splat) -> Option<String> {
    let pid = format!("pid={}", task(splat)?);
    let before = splat
        .context
        .iter()
        .take_while(|line| **line != splat.alarm);
    let of = |line: &String, what: &str| {
        let line = line.split_once(what)?.1;
        let mut words = line.split_whitespace();
        let call = words.next()?.strip_prefix("call=")?.to_owned();
        let on = words.next()?.strip_prefix("on=")?.to_owned();
        let is_own = words.next()? == pid;
        let more = words
            .next()
            .map_or(String::new(), |more| format!(" {more}"));
        is_own.then_some((call, on + &more))
    };
    let (mut began, mut returned) = (None, None);
    for line in before {
        began = of(line, "lifecycle: call_began ").or(began);
        returned = of(line, "lifecycle: call_returned ").or(returned);
    }
    let (call, on) = began.filter(|_| returned.is_none())?;
    Some(format!("in `{call} {on}`"))
}

/// In which probe or remove a task was that has died.
fn doing(of: &Evidence<'_>, splat: &Splat) -> Option<String> {
    let pid = task(splat)?;
    let time = splat.alarm.trim_start_matches(['[', ' ']);
    let time: f64 = time.split(']').next()?.trim().parse().ok()?;
    let lives = of.told.deaths.iter();
    let mut lives = lives.filter_map(|part| of.parts.get(part.as_str()));
    lives.find_map(|life| {
        let is_near = (time - life.end.as_f64() / 1e6).abs() < 1.0;
        let mut spans = life.spans.iter().rev();
        let span = spans.find(|span| {
            let calls = matches!(span.kind, Kind::Probe | Kind::Remove);
            calls && span.ended.is_none() && life.pid_of(span) == Some(pid)
        });
        let span = span.filter(|_| is_near)?;
        Some(format!("in the {} of {}", span.kind, span.on))
    })
}

/// So many lines of a complaint are told whatever they say.
const FIRST: usize = 2;

/// The function of the driver that a complaint names: the one that has freed the memory which it is
/// about, or the innermost of the stack.
fn place(lines: &[String], module: &str) -> Option<String> {
    let tag = format!("[{module}]");
    let own = |line: &str| {
        let before = line.split(&tag).next().filter(|before| *before != line)?;
        let symbol = before.split_whitespace().last()?;
        let function = symbol.split('/').next()?.rsplit(':').next()?;
        Some(format!("{function} {tag}"))
    };
    let freed = lines.iter().filter(|line| line.contains("Freed in "));
    let freed = freed.filter_map(|line| own(line)).next();
    if let Some(function) = freed {
        return Some(format!("about memory that {function} has freed"));
    }
    let stack = lines.iter().filter(|line| {
        !["] ? ", "  ? ", "Allocated in ", "Modules linked in"]
            .iter()
            .any(|not| line.contains(not))
    });
    let mut stack = stack.filter_map(|line| own(line));
    stack.next().map(|function| format!("in {function}"))
}

/// Whether the lab itself has written a line of the console.
pub(crate) fn is_ours(line: &str) -> bool {
    line.contains("] lab: ") || line.contains("] lifecycle: ")
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
    use lifecycle::Probing;

    use super::*;
    use crate::console::Watcher;

    /// Nothing but what the guest has told.
    fn evidence<'a>(module: &'a str, told: &'a Told, symbols: &'a Symbols) -> Evidence<'a> {
        Evidence {
            module,
            told,
            parts: &NO_PARTS,
            laws: &[],
            splats: &[],
            blocked: vec![],
            symbols,
        }
    }

    static NO_PARTS: BTreeMap<&str, Life> = BTreeMap::new();

    fn splat(alarm: &str, context: &[&str]) -> Splat {
        Splat {
            kind: "BUG",
            during: None,
            alarm: alarm.to_owned(),
            context: context.iter().map(|line| (*line).to_owned()).collect(),
        }
    }

    #[test]
    fn where_a_complaint_names_the_driver() {
        const FREED: &str = "[ 1.0] Freed in foo_remove+0x10/0x20 [foo] age=1 cpu=0 pid=9";
        const PROBE: &str = "[ 1.0]  foo_probe+0x42/0x70 [foo]";
        for (lines, expected) in [
            (vec![PROBE], Some("in foo_probe+0x42 [foo]")),
            // The innermost one, which the kernel is sure of.
            (
                vec![
                    "[ 1.0]  ? foo_get+0x1/0x2 [foo]",
                    "[ 1.0]  kfree+0x1/0x2",
                    PROBE,
                ],
                Some("in foo_probe+0x42 [foo]"),
            ),
            (
                vec!["[ 1.0] RIP: 0010:foo_sh+0x14/0x20 [foo]", PROBE],
                Some("in foo_sh+0x14 [foo]"),
            ),
            (
                vec![PROBE, FREED],
                Some("about memory that foo_remove+0x10 [foo] has freed"),
            ),
            (
                vec!["[ 1.0] Allocated in foo_probe+0x1/0x2 [foo] age=1"],
                None,
            ),
            (
                vec!["[ 1.0] Modules linked in: bar(OE) foo(OE) [foo]"],
                None,
            ),
            (vec!["[ 1.0]  bar_probe+0x42/0x70 [bar]"], None),
        ] {
            let lines: Vec<String> = lines.into_iter().map(str::to_owned).collect();
            assert_eq!(place(&lines, "foo").as_deref(), expected, "{lines:?}");
        }
    }

    #[test]
    fn what_may_come_of_one_fault_is_one() {
        const WARNING: &str = "WARNING: kernel/workqueue.c:5938 at alloc+0x6be/0x7a0, CPU#1: sh/1";
        const AGAIN: &str = "WARNING: kernel/workqueue.c:5938 at alloc+0x6be/0x7a0, CPU#0: sh/2";
        const BUG: &str = "BUG: unable to handle page fault for address: 0";
        const NAME: &str = "sysfs: cannot create duplicate filename '/devices/a'";
        let found = |lines: &[&str]| {
            let mut watcher = Watcher::default();
            watcher.line("[ 1.0] lab: begin check_driver");
            for line in lines {
                watcher.line("[ 1.0] ------------[ cut here ]------------");
                watcher.line("[ 1.0] it says");
                watcher.line("[ 1.0] why");
                watcher.line(&format!("[ 1.0] {line}"));
                (0..60).for_each(|_| watcher.line("[ 1.0] all is well"));
            }
            let faults = complaints(&Evidence {
                splats: watcher.splats(),
                ..evidence("foo", &Told::default(), &Symbols::default())
            });
            let said = faults
                .iter()
                .map(|of| (of.what.as_str(), of.seen.join("\n")));
            let said: Vec<String> = said
                .map(|(what, seen)| format!("{what}\n{seen}\n"))
                .collect();
            (said.len(), said.last().cloned().unwrap_or_default())
        };
        for (lines, count, begins, has) in [
            (
                &[WARNING, AGAIN][..],
                1,
                "the kernel complained: WARNING at kernel/workqueue.c:5938\n[ 1.0] it says\n[ 1.0] why\n",
                "",
            ),
            (
                &[BUG, WARNING],
                1,
                "the kernel complained: BUG\n",
                "come of that: WARNING at kernel/workqueue.c:5938\n",
            ),
            (
                &["BUG: a fault in states_show+0x47/0x80"],
                1,
                "the kernel complained: BUG: a state of CPU hotplug is left",
                "",
            ),
            (
                &[BUG, NAME],
                2,
                "",
                "there already, '/devices/a': what has made it",
            ),
        ] {
            let (found, said) = found(lines);
            assert_eq!(found, count, "{said}");
            assert!(said.starts_with(begins) && said.contains(has), "{said}");
        }
    }

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
        let of = evidence("foo", &told, &symbols);
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
                ..evidence(
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

    #[test]
    fn in_which_probe_a_task_has_died() {
        let console = include_str!("../../../../lifecycle/tests/consoles/dump.txt");
        let mut told = Told::read("check: part load\n");
        told.died(console, "7.3.4", Probing::Once);
        let life = Life::new(told.parts[0].events().unwrap(), Probing::Once);
        let end = life.end.as_f64() / 1e6;
        let parts = BTreeMap::from([("load", life)]);
        let of = |told: &Told, after: f64, task: &str| {
            let symbols = Symbols::default();
            let evidence = Evidence {
                parts: &parts,
                ..evidence("err_dwork", told, &symbols)
            };
            let alarm = format!("[{:12.6}] BUG: unable to handle page fault", end + after);
            doing(&evidence, &splat(&alarm, &[&alarm, task]))
        };
        const IN_PROBE: &str = "[ 1.0] CPU: 1 UID: 0 PID: 119 Comm: check_dr Not tainted";
        const ANOTHER: &str = "[ 1.0] CPU: 1 UID: 0 PID: 11 Comm: kworker Not tainted";
        let expected = Some("in the probe of err_dwork.0".to_owned());
        assert_eq!(of(&told, 0.1, IN_PROBE), expected);
        assert_eq!(of(&told, 0.1, ANOTHER), None);
        assert_eq!(of(&told, 0.1, "[ 1.0] no task"), None);
        // Of another life, as that of another boot.
        assert_eq!(of(&told, 5.0, IN_PROBE), None);
        assert_eq!(of(&Told::default(), 0.1, IN_PROBE), None);
    }

    #[test]
    fn in_which_call_a_task_has_complained() {
        const ALARM: &str = "[ 9.0] BUG kmalloc-512 (Tainted: G OE ): Object already free";
        const TASK: &str = "[ 9.0] CPU: 1 UID: 0 PID: 122 Comm: check_driver Not tainted";
        const BEGAN: &str = "[ 8.0] lifecycle: call_began call=unbind on=foo.0 pid=122";
        const LOADS: &str = "[ 8.0] lifecycle: call_began call=insmod on=foo pid=122 async_probe=1";
        const OTHER: &str = "[ 8.0] lifecycle: call_began call=bind on=foo.1 pid=123";
        const RETURNED: &str = "[ 8.5] lifecycle: call_returned call=unbind on=foo.0 pid=122 ret=0";
        for (context, expected) in [
            (vec![BEGAN, ALARM, TASK], Some("in `unbind foo.0`")),
            (vec![BEGAN, OTHER, ALARM, TASK], Some("in `unbind foo.0`")),
            (vec![BEGAN, RETURNED, ALARM, TASK], None),
            (
                vec![LOADS, ALARM, TASK],
                Some("in `insmod foo async_probe=1`"),
            ),
            (vec![OTHER, ALARM, TASK], None),
            (vec![ALARM, TASK, BEGAN], None),
            (vec![BEGAN, ALARM], None),
        ] {
            assert_eq!(
                call(&splat(ALARM, &context)).as_deref(),
                expected,
                "{context:?}"
            );
        }
    }
}
