// SPDX-License-Identifier: GPL-2.0

//! Reports.

use std::path::Path;

use lifecycle::life::Kind;
use lifecycle::report::log::{report, short, Detail};
use lifecycle::report::what_if;
use lifecycle::simulate::what_if;
use lifecycle::summary::Summary;
use lifecycle::Micros;

use crate::samples::{
    many, summary, widest, ALL, C_DRIVER_CONVOY, INITCALL_DEBUG, LONG, PLATFORM_AND_BUS,
};

/// Reports are as they were. `RENEW=1 cargo test -p lifecycle --test logs` writes them anew: read
/// the difference before you commit it.
#[test]
fn as_they_were() {
    let beside = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs");
    for (name, text) in ALL {
        let licence = "# SPDX-License-Identifier: GPL-2.0\n";
        let found =
            licence.to_owned() + &report(&summary(&format!("{name}.txt"), text), Detail::Folded);
        let file = beside.join(format!("{name}.report"));
        if std::env::var_os("RENEW").is_some() {
            std::fs::write(&file, &found).unwrap();
        }
        let expected = std::fs::read_to_string(&file).unwrap_or_default();
        assert_eq!(found, expected, "{name}");
    }
}

/// A report says what a log proves, and no more.
#[test]
fn proved() {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut wrong = Vec::new();
    for case in include_str!("proved.txt").split("\n== ").skip(1) {
        let (title, lines) = case.split_once('\n').unwrap();
        let log = lines.lines().take_while(|line| line.starts_with('['));
        let log: String = log.map(|line| format!("{line}\n")).collect();
        let summary = summary("log", &log);
        let prediction = || what_if::report(&summary, &what_if(&summary.life, &[]), Detail::Folded);
        for (mark, text) in [
            ("> ", report(&summary, Detail::Folded)),
            ("~ ", prediction()),
        ] {
            let text = plain(&text);
            let words = lines.lines().filter_map(|line| line.strip_prefix(mark));
            let missing = words.filter(|words| !text.contains(*words));
            wrong.extend(missing.map(|words| format!("{title} No `{words}` in: {text}")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A module's loader was in an initcall of the module when the device was asked for.
#[test]
fn until_a_device() {
    let log = "[    0.100000] [   T1] calling  x_init+0x0/0x10 @ 1\n\
        [    0.101000] [   T1] initcall x_init+0x0/0x10 returned 0 after 999 usecs\n\
        [    0.105000] [   T1] Run /init as init process\n\
        [    1.000000] [ T200] calling  m_init+0x0/0x10 [m] @ 200\n\
        [    1.400000] [ T200] probe of m.0 with driver m returned 0 after 100000 usecs\n\
        [    1.400100] [ T200] initcall m_init+0x0/0x10 [m] returned 0 after 400000 usecs\n";
    let mut summary = summary("log", log);
    assert!(summary.until("m.0"));
    let steps = summary.path.iter().flat_map(|path| &path.steps);
    let steps: Vec<_> = steps
        .map(|step| (step.what.as_str(), (step.end - step.begin).0))
        .collect();
    assert_eq!(
        steps[steps.len() - 3..],
        [
            ("userspace, which the log does not show", 895_000),
            ("initcall m_init [m]", 300_000),
            ("probe of m.0 by m", 100_000),
        ]
    );
}

/// If the first module's probe is asynchronous, the second's loader waits for it, and so for that
/// of a third, which is loaded meanwhile.
#[test]
fn a_wait_for_all_waits_for_what_comes_later() {
    let lines = [
        "0.000000] [   T0] Linux version 7.3.4 (a@b) #1 SMP",
        "0.100000] [   T1] calling  x_init+0x0/0x10 @ 1",
        "0.101000] [   T1] initcall x_init+0x0/0x10 returned 0 after 999 usecs",
        "0.105000] [   T1] Run /init as init process",
        "0.200000] [ T202] calling  b_init+0x0/0x10 [b] @ 202",
        "0.200010] [ T200] calling  a_init+0x0/0x10 [a] @ 200",
        "0.200200] [ T202] initcall b_init+0x0/0x10 [b] returned 0 after 190 usecs",
        "0.200210] [ T202] async_waiting @ 202",
        "0.200220] [  T31] calling  1___driver_attach_async_helper+0x0/0x10 @ 31",
        "0.205295] [  T31] probe of b.0 with driver b returned 0 after 5072 usecs",
        "0.205300] [  T31] initcall 1___driver_attach_async_helper+0x0/0x10 returned after 4950 usecs",
        "0.205310] [ T202] async_continuing @ 202 after 4950 usec",
        "0.220000] [ T201] calling  c_init+0x0/0x10 [c] @ 201",
        "0.220200] [ T201] initcall c_init+0x0/0x10 [c] returned 0 after 190 usecs",
        "0.220210] [ T201] async_waiting @ 201",
        "0.220220] [  T31] calling  3___driver_attach_async_helper+0x0/0x10 @ 31",
        "0.300110] [ T200] probe of a.0 with driver a returned 0 after 100000 usecs",
        "0.300200] [ T200] initcall a_init+0x0/0x10 [a] returned 0 after 100000 usecs",
        "0.300210] [ T200] async_waiting @ 200",
        "0.420295] [  T31] probe of c.0 with driver c returned 0 after 200072 usecs",
        "0.420300] [  T31] initcall 3___driver_attach_async_helper+0x0/0x10 returned after 195300 usecs",
        "0.420310] [ T201] async_continuing @ 201 after 195300 usec",
        "0.420310] [ T200] async_continuing @ 200 after 117200 usec",
    ];
    let log: String = lines.map(|line| format!("[    {line}\n")).concat();
    let summary = summary("log", &log);
    let answer = what_if(&summary.life, &["a".to_owned()]);
    let goal = answer.goals.iter().find(|goal| goal.what == "insmod of b");
    let then = &goal.unwrap_or_else(|| panic!("{:?}", answer.goals)).then;
    // That of `a` goes on until 0.300, that of `c` until 0.420.
    assert!(
        then.least >= Micros(100_000) && then.most >= Micros(220_000),
        "{then:?}"
    );
}

/// What the documentation shows is a report.
#[test]
fn documented() {
    const PAGE: &str = include_str!("../../../../Documentation/report.rst");
    let of = |name, text| report(&summary(name, text), Detail::Folded);
    for (command, report) in [
        (
            "LOG=c_driver_convoy.txt",
            of("c_driver_convoy.txt", C_DRIVER_CONVOY),
        ),
        (
            "LOG=initcall_debug.txt",
            of("initcall_debug.txt", INITCALL_DEBUG),
        ),
    ] {
        let (_, shown) = PAGE.split_once(command).unwrap();
        // The literal block, without its indentation; `...` stands for what is left out.
        let lines = shown.lines().skip(1);
        let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
        let lines: Vec<&str> = lines
            .map(|line| line.get(4..).unwrap_or_default())
            .collect();
        let shown = lines.join("\n");
        assert!(shown.len() > 500, "{command}: {shown}");
        for part in shown.trim_end().split("...\n") {
            assert!(
                report.contains(part),
                "{command}: not in the report: {part}"
            );
        }
    }
}

#[test]
fn fits_the_terminal() {
    let driver = "a_driver_whose_name_is_no_shorter_than_that_of_its_devices";
    let logs = ALL.iter().map(|(_, text)| (*text).to_owned());
    for log in logs.chain([many(3, LONG, driver), many(512, LONG, "d")]) {
        for name in ["log", LONG] {
            let summary = summary(name, &log);
            for text in [
                report(&summary, Detail::Folded),
                report(&summary, Detail::All),
                short(&summary),
            ] {
                assert!(widest(&text) <= 80, "{text}");
                assert!(!text.contains(" \n"), "{text}");
            }
        }
    }
}

#[test]
fn many_devices_are_folded() {
    let summary = summary("many", &many(512, "d.", "d"));
    let folded = report(&summary, Detail::Folded);
    assert!(folded.lines().count() < 50, "{folded}");
    assert!(
        folded.contains("Devices, all of driver d (the 10 slowest of 512):"),
        "{folded}"
    );
    // The slowest are the last here.
    assert!(
        folded.contains("\nd.511 ") && !folded.contains("\nd.12 "),
        "{folded}"
    );
    assert!(
        folded.contains("before that, for d.510, d.509, d.508, 508 more"),
        "{folded}"
    );
    let all = report(&summary, Detail::All);
    for device in 0..512 {
        assert!(all.contains(&format!("\nd.{device} ")), "{device}");
    }
}

/// Without being told, in recordings of drivers in Rust and C, and in any kernel's dmesg.
#[test]
fn finds_the_probe_that_blocks() {
    for (log, device) in [
        (PLATFORM_AND_BUS, "slow_platform."),
        (C_DRIVER_CONVOY, "kthread_probe."),
        (INITCALL_DEBUG, "kthread_probe."),
    ] {
        let Summary { life: timeline, .. } = summary("log", log);
        let wait = timeline
            .waits
            .iter()
            .find(|wait| wait.doing == "insmod of unrelated")
            .unwrap();
        assert!(!wait.inferred);
        assert_eq!(wait.on.len(), 3);
        let last = &timeline.spans[wait.on[2]];
        assert_eq!(last.kind, Kind::Probe);
        assert!(last.on.starts_with(device), "{last:?}");
        // It is the one that ended last before the wait did, and the wait ended at once.
        let ended = timeline
            .spans_of(Kind::Probe)
            .filter_map(|bar| timeline.spans[bar].end);
        assert_eq!(ended.filter(|end| Some(*end) <= wait.end).max(), last.end);
        assert!(wait.end.unwrap() - last.end.unwrap() < Micros(1000));
    }
}

/// The steps of a path follow each other and lead to its end.
#[test]
fn paths_are_whole() {
    let logs = ALL.iter().map(|(_, text)| (*text).to_owned());
    for log in logs.chain([1, 2, 512].map(|devices| many(devices, "d.", "d"))) {
        let summary = summary("log", &log);
        let path = summary.path.unwrap();
        assert!(!path.steps.is_empty());
        assert_eq!(path.steps.last().unwrap().end, path.end);
        for pair in path.steps.windows(2) {
            assert_eq!(pair[0].end, pair[1].begin, "{path:#?}");
        }
    }
}

/// The steps of a path in words, those of a millisecond and more.
fn steps(log: &str) -> Vec<String> {
    let path = summary("log", log).path.unwrap();
    let steps = path
        .steps
        .into_iter()
        .filter(|step| step.begin + Micros(1000) <= step.end);
    steps.map(|step| step.what).collect()
}

/// A shell tells of the call, and insmod, which it has started, probes one device after the other.
#[test]
fn a_path_of_synchronous_probes() {
    let log = "\
[    1.000000] lifecycle: call_began call=insmod on=d pid=9
[    1.002000] async_probe: timing: probe_began dev=d.0 driver=d async=0 cpu=0 pid=10 task=insmod
[    1.102000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=100.000
[    1.102010] async_probe: timing: probe_began dev=d.1 driver=d async=0 cpu=0 pid=10 task=insmod
[    1.202000] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=100.000
[    1.202000] async_probe: timing: registered driver=d probe_type=force_synchronous ret=0 ms=200.100
[    1.203000] lifecycle: call_returned call=insmod on=d pid=9 ret=0
";
    let probe = |device: &str| format!("probe of {device} by d");
    assert_eq!(
        steps(log),
        ["insmod of d", &probe("d.0"), &probe("d.1"), "insmod of d"]
    );
}

/// Three devices, two workers: the one that begins last decides, and before it the worker's first.
#[test]
fn a_path_through_a_worker() {
    let log = "\
[    1.000000] lifecycle: call_began call=insmod on=d pid=9
[    1.001000] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=0.100
[    1.002000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=30 task=kworker/u8:0
[    1.002000] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=0 pid=31 task=kworker/u8:1
[    1.102000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=100.000
[    1.104000] async_probe: timing: probe_began dev=d.2 driver=d async=1 cpu=0 pid=30 task=kworker/u8:0
[    1.152000] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=150.000
[    1.204000] async_probe: timing: probe_ended dev=d.2 driver=d ret=0 ms=100.000
[    1.205000] lifecycle: call_returned call=insmod on=d pid=9 ret=0
";
    let by = |device: &str| format!("probe of {device} by d");
    let expected = [
        "d.0 waits",
        &by("d.0"),
        "d.2 waits for a worker",
        &by("d.2"),
        "insmod of d",
    ];
    assert_eq!(steps(log), expected);
}

#[test]
fn as_json() {
    for (name, text) in ALL {
        let summary = summary(name, text);
        let json = serde_json::to_string(&summary).unwrap();
        assert!(json.starts_with("{\"version\":2,\"name\":"), "{name}");
        let read: Summary = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&read).unwrap(), json, "{name}");
    }
}
