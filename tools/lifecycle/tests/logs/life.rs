// SPDX-License-Identifier: GPL-2.0

//! Timelines of real logs.

use lifecycle::life::{Kind, Span};
use lifecycle::parse::dmesg;
use lifecycle::{Event, Life, Micros, Probing};

use crate::samples::{read, summary, ALL, C_DRIVER_CONVOY, INITCALL_DEBUG, PLATFORM_AND_BUS};

fn recorded() -> (Vec<Event>, Life) {
    let events = read(PLATFORM_AND_BUS).events;
    let timeline = Life::new(events.clone(), Probing::Once);
    (events, timeline)
}

/// What must be true of the timeline of any log.
fn whole(events: &[Event], timeline: &Life) {
    let within = timeline.begin..=timeline.end;
    for bar in &timeline.spans {
        assert!(within.contains(&bar.begin), "{bar:?}");
    }
    for (at, bar) in timeline.spans.iter().enumerate() {
        assert!(bar.events.is_sorted() && !bar.events.is_empty(), "{bar:?}");
        let times: Vec<Micros> = bar.events.iter().map(|at| events[*at].time).collect();
        // It begins at an event, or as long before one as that says.
        let began = times.contains(&bar.begin)
            || times
                .iter()
                .any(|time| *time - bar.took.unwrap_or_default() == bar.begin)
            || bar.kind == Kind::Waiting
            || bar.kind == Kind::Firmware;
        assert!(began, "{bar:?}");
        assert!(bar.end.is_none_or(|end| times.contains(&end)), "{bar:?}");
        assert!(bar.end.is_none_or(|end| bar.begin <= end), "{bar:?}");
        let lanes = |lanes: &[usize]| lanes.iter().filter(|lane| **lane == at).count();
        let devices = timeline.devices.iter().map(|device| lanes(&device.spans));
        assert_eq!(
            devices.sum::<usize>(),
            usize::from(bar.kind.is_bar() && bar.device.is_some())
        );
        let tasks = timeline.tasks.iter().map(|task| lanes(&task.spans));
        assert_eq!(
            tasks.sum::<usize>(),
            usize::from(bar.kind.is_bar() && bar.task.is_some())
        );
        if let Some(parent) = bar.parent {
            assert_eq!(timeline.spans[parent].task, bar.task);
            assert!(timeline.spans[parent].begin <= bar.begin);
            assert!(timeline.end_of(at) <= timeline.end_of(parent));
        }
    }
    let of_devices = timeline.devices.iter().map(|device| &device.spans);
    let of_tasks = timeline.tasks.iter().map(|task| &task.spans);
    for lane in of_devices.chain(of_tasks) {
        assert!(lane.is_sorted_by_key(|bar| timeline.spans[*bar].begin));
    }
    assert!(timeline.waits.is_sorted_by_key(|wait| wait.begin));
    for wait in &timeline.waits {
        assert!(!wait.on.is_empty() && wait.events.is_sorted(), "{wait:?}");
        // It ends when what it waited for has, and not long after.
        let last = timeline.end_of(*wait.on.last().unwrap());
        let end = wait.end.unwrap_or(timeline.end);
        assert!(wait.begin <= last && last <= end, "{wait:?}");
    }
    let json = serde_json::to_string(timeline).unwrap();
    let read: Life = serde_json::from_str(&json).unwrap();
    assert_eq!(serde_json::to_string(&read).unwrap(), json);
}

/// Waits in words.
fn waits(timeline: &Life) -> Vec<String> {
    let wait = |wait: &lifecycle::life::Wait| {
        let on: Vec<&str> = wait
            .on
            .iter()
            .map(|bar| timeline.spans[*bar].on.as_str())
            .collect();
        let took = wait.end.unwrap_or(timeline.end) - wait.begin;
        let inferred = if wait.inferred { " (inferred)" } else { "" };
        format!(
            "{}: {}: {}: {took}{inferred}",
            wait.doing,
            wait.through,
            on.join(" ")
        )
    };
    timeline.waits.iter().map(wait).collect()
}

#[test]
fn all_logs() {
    for (_, log) in ALL {
        let log = read(log);
        whole(&log.events, &Life::new(log.events.clone(), Probing::Once));
    }
}

/// A recording has the flush, `initcall_debug` only that a task waits.
#[test]
fn a_driver_in_c() {
    let waits = |log| {
        let waits = waits(&Life::new(read(log).events, Probing::Once));
        // Which of the devices was the last is not the point here.
        let without_names = |wait: &String| wait.split(": kthread").next().unwrap().to_owned();
        waits.iter().map(without_names).collect::<Vec<_>>()
    };
    assert_eq!(
        waits(C_DRIVER_CONVOY),
        [
            "insmod of kthread_probe: flush of async work by do_init_module",
            "insmod of unrelated: flush of async work by do_init_module",
        ]
    );
    assert_eq!(
        waits(INITCALL_DEBUG),
        [
            "insmod of kthread_probe: async work",
            "insmod of unrelated: async work",
        ]
    );
}

#[test]
fn a_recording() {
    let (events, timeline) = recorded();
    whole(&events, &timeline);
    assert_eq!(
        waits(&timeline),
        [
            "insmod of slow_platform_driver: flush of async work by do_init_module: slow_platform.1 slow_platform.2 slow_platform.0: 506.224",
            "insmod of unrelated: flush of async work by do_init_module: slow_platform.1 slow_platform.2 slow_platform.0: 406.903",
            "unbind of slow_platform.2: lock of the device: slow_platform.2: 404.653",
            "rmmod of slow_platform_driver: driver in use: slow_platform.1 slow_platform.0: 404.862",
        ]
    );
}

#[test]
fn a_recording_that_is_cut() {
    let (events, _) = recorded();
    for cut in 0..events.len() {
        let cut = &events[..cut];
        whole(cut, &Life::new(cut.to_vec(), Probing::Once));
    }
}

/// The lines of the recording that printk has printed.
#[test]
fn its_dmesg() {
    let (events, timeline) = recorded();
    let log: String = events
        .iter()
        .filter(|event| !matches!(event.what, lifecycle::What::Recorded(_)))
        .map(|event| format!("{event}\n"))
        .collect();
    let events = dmesg::parse(&log).unwrap();
    let of_dmesg = Life::new(events.clone(), Probing::Once);
    whole(&events, &of_dmesg);
    let probes = |timeline: &Life| -> Vec<(String, Option<Micros>)> {
        let probes = timeline.spans.iter().filter(|bar| bar.kind == Kind::Probe);
        let mut probes: Vec<_> = probes.map(|bar| (bar.on.clone(), bar.took)).collect();
        probes.sort();
        probes
    };
    assert_eq!(probes(&timeline), probes(&of_dmesg));
}

/// Userspace's calls, and another module's insmod that returns when the probes have ended.
#[test]
fn waits_that_only_fit_are_inferred() {
    let log = "\
[    1.000000] lifecycle: call_began call=insmod on=d pid=9
[    1.002000] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=1.000
[    1.003000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=30 task=kworker/u8:1
[    1.004000] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=1 pid=31 task=kworker/u8:2
[    1.100000] lifecycle: call_began call=insmod on=unrelated pid=10
[    1.200000] lifecycle: call_began call=unbind on=d.1 pid=11
[    1.503000] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=499.000
[    1.504000] lifecycle: call_returned call=unbind on=d.1 pid=11 ret=0
[    1.603000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=600.000
[    1.604000] lifecycle: call_returned call=insmod on=unrelated pid=10 ret=0
[    1.604500] lifecycle: call_returned call=insmod on=d pid=9 ret=0
";
    let events = dmesg::parse(log).unwrap();
    let timeline = Life::new(events.clone(), Probing::Once);
    whole(&events, &timeline);
    assert_eq!(
        waits(&timeline),
        [
            "insmod of d: async work: d.1 d.0: 601.000 (inferred)",
            "insmod of unrelated: async work: d.1 d.0: 503.000 (inferred)",
            "unbind of d.1: lock of the device: d.1: 303.000 (inferred)",
        ]
    );
    // One that returns while the probes go on waits for none of them.
    let free = log.replace("[    1.504000] lifecycle: call_returned call=unbind", "[    1.503500] lifecycle: call_returned call=insmod on=unrelated pid=10 ret=0\n[    1.504000] lifecycle: call_returned call=unbind")
        .replace("[    1.604000] lifecycle: call_returned call=insmod on=unrelated pid=10 ret=0\n", "");
    let events = dmesg::parse(&free).unwrap();
    let timeline = Life::new(events.clone(), Probing::Once);
    assert!(waits(&timeline)
        .iter()
        .all(|wait| !wait.contains("unrelated")));
}

#[test]
fn times_that_go_back() {
    // The probe ends inside a call that has returned before it began.
    let log = "\
[    1.000000] lifecycle: call_began call=insmod on=m0 pid=1
[    0.999997] lifecycle: call_returned call=insmod on=m0 pid=1 ret=0
[    1.000004] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=0 pid=101 task=kworker/u8:1
[    1.000004] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=0.000
";
    let life = Life::new(dmesg::parse(log).unwrap(), Probing::Once);
    let backwards = |span: &&Span| span.end.is_some_and(|end| end < span.begin);
    assert_eq!(life.spans.iter().find(backwards), None);
}

/// Lives of which nothing is quadratic: else this would take minutes, or gigabytes.
#[test]
fn large_lives() {
    const MANY: usize = 20_000;
    let log = |lines: &mut dyn Iterator<Item = String>| -> String {
        let time = |at: usize| format!("[{:5}.{:06}] ", at / 100_000, at % 100_000 * 10);
        (1..)
            .zip(lines)
            .map(|(at, line)| time(at) + &line + "\n")
            .collect()
    };
    let each = |line: fn(usize) -> String| (0..MANY).map(line);
    let call = |at| format!("lifecycle: call_began call=insmod on=m{at} pid={}", at + 9);
    let returned = |at| {
        format!(
            "lifecycle: call_returned call=insmod on=m{at} pid={} ret=0",
            at + 9
        )
    };
    let timing = |at: usize| {
        let of = format!("dev=d.{} driver=d", at / 2);
        match at % 2 {
            0 => format!(
                "async_probe: timing: probe_began {of} async=1 cpu=0 pid=7 task=kworker/0:0"
            ),
            _ => format!("async_probe: timing: probe_ended {of} ret=0 ms=0.001"),
        }
    };
    let mut calls = each(call)
        .chain((0..2 * MANY).map(timing))
        .chain(each(returned));
    let work = |at| {
        format!(
            "calling  {at}___driver_attach_async_helper+0x0/0x10 @ {}",
            at + 9
        )
    };
    let ended =
        |at| format!("initcall {at}___driver_attach_async_helper+0x0/0x10 returned after 9 usecs");
    let probe = |at| format!("probe of d.{at} with driver d returned 0 after 9 usecs");
    let mut works = each(work).chain(each(probe)).chain(each(ended));
    let mut initcalls = (0..3 * MANY).map(|at| match (at / 3, at % 3) {
        (of, 0) => format!("calling  f{of}+0x0/0x10 @ 1"),
        (of, 1) => format!("probe of d.{of} with driver d returned 0 after 9 usecs"),
        (of, _) => format!("initcall f{of}+0x0/0x10 returned 0 after 20 usecs"),
    });
    let call = |at| format!("calling  g{at}+0x0/0x10 @ {}", at + 9);
    let returned = |at| format!("initcall h{at}+0x0/0x10 returned 0 after 0 usecs");
    let mut tasks = each(call).chain(each(probe)).chain(each(returned));
    let logs: [(&str, String); 4] = [
        ("calls", log(&mut calls)),
        ("works", log(&mut works)),
        ("initcalls", log(&mut initcalls)),
        ("tasks", log(&mut tasks)),
    ];
    for (name, log) in logs {
        let summary = summary(name, &log);
        assert_eq!(summary.total.bound, MANY, "{name}");
        let listed = summary.life.waits.iter().map(|wait| wait.on.len());
        assert!(listed.sum::<usize>() <= 1_000_000, "{name}");
        if name == "calls" {
            assert!(summary.life.waits.iter().any(|wait| wait.more > MANY / 2));
        }
    }
}
