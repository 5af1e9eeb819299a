// SPDX-License-Identifier: GPL-2.0

//! What the kernel has complained about while the driver was checked: each kind once, with what it
//! means and which function or call it is about.

use lifecycle::life::Kind;

use super::evidence::{Evidence, Fault, NAMED};
use crate::console::Splat;

/// Each kind of complaint once.
pub(crate) fn complaints(of: &Evidence<'_>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    let mut sources: Vec<&str> = Vec::new();
    for splat in of.splats {
        // A complaint about a slab is followed by a WARNING of its own (`mm/slub.c`).
        let follows = splat.kind == "WARNING" && splat.alarm.contains("mm/slub.c")
            || splat.alarm.contains("Slab disabled since ")
            // What comes of an oops is no other fault.
            || splat.kind == "panic";
        if follows && !faults.is_empty() {
            continue;
        }
        let kind = format!("{COMPLAINED}{}", splat.kind);
        let mut others = faults.iter_mut();
        let same = others.find(|fault| splat.is_word() && fault.what.starts_with(&kind));
        if let Some(same) = same {
            if same.seen.len() < NAMED && !same.seen.contains(&splat.alarm) {
                same.seen.push(splat.alarm.clone());
            }
            continue;
        }
        let source = source(splat);
        if source.is_some_and(|source| sources.contains(&source)) {
            continue;
        }
        sources.extend(source);
        // What a WARNING says comes before it.
        let lines: Vec<String> = message(splat)
            .iter()
            .chain(splat.lines())
            .filter(|line| !is_ours(line) && line.trim_end().contains("] "))
            .map(|line| of.symbols.name(line))
            .collect();
        let what = kind + &meaning(splat, source, &lines) + &about(of, splat, &lines);
        if !faults.iter().any(|fault| fault.what == what) {
            faults.push(Fault::new(what, seen(of, lines)));
        }
    }
    first_crash_first(faults)
}

/// Where in the kernel a complaint comes from, and what it means.
fn meaning(splat: &Splat, source: Option<&str>, lines: &[String]) -> String {
    let mut what = source.map_or(String::new(), |source| format!(" at {source}"));
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
        what.extend(about.map(|about| format!(": {about}")));
    }
    what
}

/// What of the driver a complaint is about.
fn about(of: &Evidence<'_>, splat: &Splat, lines: &[String]) -> String {
    // The kernel itself names the functions of a module that is loaded.
    let mut places = splat.lines().filter(|line| line.contains("RIP: 0010:0xff"));
    let gone = places.find_map(|line| {
        let named = of.symbols.name(line);
        (named != *line).then(|| named.split("0010:").last().unwrap_or_default().to_owned())
    });
    let call = call(splat);
    let mut what = String::new();
    if let Some(place) = gone {
        what = format!(" in {place}, after rmmod");
    } else if let Some(place) = place(lines, of.module).or_else(|| doing(of, splat)) {
        what = format!(" {place}");
        // A plain one may be right.
        let is_async = |call: &&String| call.contains(" async_probe=1`");
        what.extend(call.iter().filter(is_async).map(|call| format!(" {call}")));
    } else if let Some(call) = call {
        what = format!(" {call}");
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
    what
}

/// The lines that are told: the first ones say what, and those about the driver where.
fn seen(of: &Evidence<'_>, lines: Vec<String>) -> Vec<String> {
    let tag = format!("[{}]", of.module);
    let own = lines.iter().skip(FIRST).filter(|line| line.contains(&tag));
    let mut seen: Vec<String> = lines.iter().take(FIRST).chain(own).cloned().collect();
    if seen.len() <= FIRST {
        seen = lines;
    }
    seen.truncate(NAMED);
    seen
}

/// One crash at most, before the others: what comes after the first one may come of it.
fn first_crash_first(mut faults: Vec<Fault>) -> Vec<Fault> {
    // Those that are nearest to the cause come first: what is wrong with memory may come out late.
    faults.sort_by_key(|fault| {
        let has = |words: &str| fault.what.contains(words);
        (!has("has freed"), !has("BUG: "))
    });
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
pub(crate) fn task(splat: &Splat) -> Option<u32> {
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use lifecycle::{Life, Probing};

    use super::super::life::Life as Told;
    use super::super::symbols::Symbols;
    use super::*;
    use crate::console::Watcher;

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
                ..Evidence::told("foo", &Told::default(), &Symbols::default())
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
                ..Evidence::told("err_dwork", told, &symbols)
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
