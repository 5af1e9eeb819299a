// SPDX-License-Identifier: GPL-2.0

//! Logs of the shapes in which people post them: each is read with the right values, or refused for
//! the true reason.

use lifecycle::event::{Initcall, Outcome};
use lifecycle::parse::bytes;
use lifecycle::parse::log::{self, Log};
use lifecycle::parse::note::Note;
use lifecycle::parse::refusal::{Clock, Reason, Refusal};
use lifecycle::{Event, Micros, What};

/// What `dmesg` prints.
const BOOT: &str = "\
[    0.000000] Linux version 6.9.1-test (me@host) #1 SMP
[    1.000000] calling  foo_init+0x0/0x10 @ 1
[    1.250000] probe of foo.0 returned 0 after 249000 usecs
[    1.251000] initcall foo_init+0x0/0x10 returned 0 after 251000 usecs
[    1.252000] calling  bar_init+0x0/0x10 @ 1
[    1.253000] probe of bar.0 returned 517 after 900 usecs
[    1.254000] initcall bar_init+0x0/0x10 returned 0 after 2000 usecs
[    2.000000] Run /sbin/init as init process
";

fn read(log: &str) -> Log {
    log::parse(log, None).unwrap_or_else(|error| panic!("{error}\n{log}"))
}

fn refused(log: &str) -> Refusal {
    match log::parse(log, None) {
        Ok(read) => panic!("{:#?}\n{log}", read.events),
        Err(refusal) => refusal,
    }
}

/// The log with each line changed: its time in microseconds, and its text.
fn each(log: &str, mut change: impl FnMut(u64, &str) -> String) -> String {
    let lines = log.lines().map(|line| {
        let (time, text) = line[1..].split_once("] ").unwrap();
        let time: f64 = time.trim().parse().unwrap();
        change((time * 1e6).round() as u64, text) + "\n"
    });
    lines.collect()
}

fn bracket(time: u64) -> String {
    format!("[{:5}.{:06}]", time / 1_000_000, time % 1_000_000)
}

fn outcomes(log: &Log) -> Vec<(&str, Outcome)> {
    let probes = log.events.iter().filter_map(|event| match &event.what {
        What::Initcall(Initcall::Probed {
            device, outcome, ..
        }) => Some((device.as_str(), *outcome)),
        _ => None,
    });
    probes.collect()
}

/// The events with their times since the first.
fn since_first(events: &[Event]) -> Vec<(Micros, What)> {
    let since = |event: &Event| (event.time - events[0].time, event.what.clone());
    events.iter().map(since).collect()
}

const BOUND: Outcome = Outcome::Bound;
const DEFERRED: Outcome = Outcome::Failed(Some(-517));

#[test]
fn as_dmesg_prints_it() {
    let log = read(BOOT);
    assert_eq!(log.kernel.as_deref(), Some("6.9.1-test"));
    assert_eq!(log.events.len(), 7);
    assert_eq!(log.notes, []);
    assert_eq!(outcomes(&log), [("foo.0", BOUND), ("bar.0", DEFERRED)]);
}

/// `drivers/base/dd.c`: before 5.14 the number was 1 for a device that was bound, 0 for a probe
/// that failed.
#[test]
fn what_a_number_means() {
    let of = |banner: &str, lines: &str| {
        let log = read(&format!("{banner}{lines}"));
        let unknown = log.notes.contains(&Note::UnknownOutcomes(1));
        let (_, outcome) = outcomes(&log).pop().unwrap();
        assert_eq!(unknown, outcome == Outcome::Unknown);
        outcome
    };
    let banner =
        |release: &str| format!("[    0.000000] Linux version {release} (me@host) #1 SMP\n");
    let probe = |ret: i32| format!("[    2.000000] probe of d returned {ret} after 9 usecs\n");
    for old in [
        "4.19.0-5-amd64",
        "5.2.0-rc5",
        "5.10.0-8-amd64",
        "5.13.19",
        "3.2.0",
    ] {
        assert_eq!(of(&banner(old), &probe(1)), BOUND, "{old}");
        assert_eq!(of(&banner(old), &probe(0)), Outcome::Failed(None), "{old}");
        // Links to suppliers that are not ready.
        assert_eq!(of(&banner(old), &probe(-517)), DEFERRED, "{old}");
    }
    for new in [
        "5.14.0",
        "5.15.1-custom",
        "6.1.0-18-amd64",
        "7.3.4+deb13-amd64",
        "10.0",
    ] {
        assert_eq!(of(&banner(new), &probe(0)), BOUND, "{new}");
        assert_eq!(
            of(&banner(new), &probe(1)),
            Outcome::Failed(Some(-1)),
            "{new}"
        );
        assert_eq!(of(&banner(new), &probe(517)), DEFERRED, "{new}");
        assert_eq!(
            of(&banner(new), &probe(-12)),
            Outcome::Failed(Some(-12)),
            "{new}"
        );
    }
    // Without the first line of the boot, other lines may have the release.
    let hub = "[    1.000000] usb usb1: Manufacturer: Linux 5.10.0-8-amd64 xhci-hcd\n";
    assert_eq!(of(hub, &probe(1)), BOUND);
    let oops = "[    1.000000] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 5.4.0 #1\n";
    assert_eq!(of(oops, &probe(0)), Outcome::Failed(None));
    // Or a number that only kernels since 5.14 print, or the driver's name, since 7.3.
    let other = "[    1.000000] probe of e returned 19 after 9 usecs\n";
    assert_eq!(of(other, &probe(0)), BOUND);
    let named = "[    1.000000] probe of e with driver x returned 0 after 9 usecs\n";
    assert_eq!(of(named, &probe(0)), BOUND);
    // Or a failure with a number that only older ones print after it; the line has the errno.
    let failed = "[    1.000000] nic: probe of d failed with error -12\n";
    assert_eq!(of(failed, &probe(0)), Outcome::Failed(Some(-12)));
    assert_eq!(
        of(&(banner("5.2.0") + failed), &probe(0)),
        Outcome::Failed(Some(-12))
    );
    // A distribution has the new driver core in an old kernel.
    assert_eq!(of(&(banner("4.18.0-513.el8") + other), &probe(0)), BOUND);
    // Else nothing tells.
    for ret in [0, 1] {
        assert_eq!(of("", &probe(ret)), Outcome::Unknown);
    }
    assert_eq!(of("", &probe(-517)), DEFERRED);
}

#[test]
fn a_log_of_an_old_kernel() {
    let log = read(
        "[    0.000000] Linux version 5.2.0-rc5 (me@host) #220 SMP
[   33.075774] calling  blinky_driver_init+0x0/0x1c [blinky] @ 2368
[   33.076949] probe of f0284a88 returned 0 after 31 usecs
[   33.080835] initcall blinky_driver_init+0x0/0x1c [blinky] returned 0 after 3910 usecs
[   33.633770] nic: probe of 0000:07:00.0 failed with error -12
[   33.634948] probe of 0000:07:00.0 returned 0 after 232362 usecs
[   34.500000] probe of 0000:08:00.0 returned 1 after 498000 usecs
",
    );
    assert_eq!(log.kernel.as_deref(), Some("5.2.0-rc5"));
    assert_eq!(
        outcomes(&log),
        [
            ("f0284a88", Outcome::Failed(None)),
            ("0000:07:00.0", Outcome::Failed(Some(-12))),
            ("0000:08:00.0", BOUND),
        ]
    );
}

/// A CPU that is brought up prints with a clock of its own, which may be behind or ahead.
#[test]
fn the_clock_of_a_cpu_that_comes_up() {
    for stray in [
        "[    0.119986] smpboot: CPU 8 Converting physical 0 to logical die 8\n",
        "[    0.000000] kvm-clock: cpu 1, msr 1d6c1041, secondary cpu clock\n",
        "[  900.000000] Detected PIPT I-cache on CPU1\n",
    ] {
        let (head, tail) = BOOT.split_at(BOOT.find("[    1.252").unwrap());
        assert_eq!(read(&format!("{head}{stray}{tail}")), read(BOOT), "{stray}");
    }
}

#[test]
fn one_line_of_ours_out_of_order() {
    let log = BOOT.replace("[    1.253000]", "[    0.253000]");
    let refusal = refused(&log);
    assert_eq!(refusal.line, Some(6));
    assert_eq!(refusal.reason, Reason::OutOfOrder(Micros(1_252_000)));
    assert!(
        refusal.to_string().contains("1.252000 s came before"),
        "{refusal}"
    );
    assert!(refusal.to_string().contains("probe of bar.0"), "{refusal}");
}

/// `journalctl -k` in all its forms (journalctl(1), `-o`). Only a field of some has printk's time.
#[test]
fn forms_of_the_journal() {
    let plain = read(BOOT);
    let fields = |time: u64, text: &str| {
        format!(
            "{{\"__REALTIME_TIMESTAMP\":\"1763793781123456\",\"_BOOT_ID\":\"b0\",\"_TRANSPORT\":\"kernel\",\
             \"__MONOTONIC_TIMESTAMP\":\"7000000\",\"_SOURCE_MONOTONIC_TIMESTAMP\":\"{time}\",\
             \"SYSLOG_IDENTIFIER\":\"kernel\",\"MESSAGE\":\"{text}\"}}"
        )
    };
    let of_userspace =
        "{\"_BOOT_ID\":\"b0\",\"_TRANSPORT\":\"syslog\",\"SYSLOG_IDENTIFIER\":\"x\",\
         \"MESSAGE\":\"calling  x_init+0x0/0x10 @ 1\"}\n";
    let bytes = |text: &str| format!("{:?}", text.as_bytes());
    let export = |time: u64, text: &str| {
        format!(
            "__CURSOR=s=1;i=2\n__REALTIME_TIMESTAMP=1763793781123456\n_BOOT_ID=b0\n_TRANSPORT=kernel\n\
             _SOURCE_MONOTONIC_TIMESTAMP={time}\nMESSAGE={text}\n"
        )
    };
    let verbose = |time: u64, text: &str| {
        format!(
            "Sun 2026-11-22 06:43:01.123456 UTC [s=1;i=2;b=b0;m=6acfc0;t=1;x=2]\n    _BOOT_ID=b0\n    \
             _TRANSPORT=kernel\n    SYSLOG_IDENTIFIER=kernel\n    MESSAGE={text}\n    \
             _SOURCE_MONOTONIC_TIMESTAMP={time}"
        )
    };
    for (form, log) in [
        (
            "short-monotonic",
            each(BOOT, |time, text| {
                format!("{} myhost kernel: {text}", bracket(time))
            }),
        ),
        (
            "--no-hostname",
            each(BOOT, |time, text| {
                format!("{} kernel: {text}", bracket(time))
            }),
        ),
        (
            "short-delta",
            each(BOOT, |time, text| {
                let bracket = bracket(time).replace(']', " <    0.250000 >]");
                format!("{bracket} myhost kernel: {text}")
            }),
        ),
        ("json", each(BOOT, fields) + of_userspace),
        (
            "json-pretty",
            each(BOOT, |time, text| {
                fields(time, text).replace(",\"", ",\n\t\"")
            }),
        ),
        (
            "json-sse",
            each(BOOT, |time, text| format!("data: {}\n", fields(time, text))),
        ),
        (
            "json-seq",
            each(BOOT, |time, text| format!("\u{1e}{}", fields(time, text))),
        ),
        (
            "json, not UTF-8",
            each(BOOT, |time, text| {
                let text_of = format!("\"MESSAGE\":\"{text}\"");
                fields(time, text).replace(&text_of, &format!("\"MESSAGE\":{}", bytes(text)))
            }),
        ),
        ("export", each(BOOT, export)),
        ("verbose", each(BOOT, verbose)),
    ] {
        assert_eq!(read(&log), plain, "{form}");
    }
    for (form, prefix) in [
        ("short", "Nov 22 06:43:01 myhost kernel: "),
        ("short-iso", "2026-11-22T06:43:01+0000 myhost kernel: "),
        (
            "short-iso-precise",
            "2026-11-22T06:43:01.123456+0000 myhost kernel: ",
        ),
        ("short-precise", "Nov 22 06:43:01.123456 myhost kernel: "),
        ("short-full", "Sun 2026-11-22 06:43:01 UTC myhost kernel: "),
        ("short-unix", "1763793781.123456 myhost kernel: "),
        (
            "with-unit",
            "Sun 2026-11-22 06:43:01 UTC myhost kernel[n/a]: ",
        ),
        (
            "rsyslog",
            "2026-11-22T06:43:01.123456+00:00 myhost kernel: ",
        ),
        (
            "RFC 5424",
            "<7>1 2026-11-22T06:43:01.123456+00:00 myhost kernel - - - ",
        ),
    ] {
        let refusal = refused(&each(BOOT, |_, text| format!("{prefix}{text}")));
        assert_eq!(refusal.reason, Reason::NoTime(Clock::Journal), "{form}");
        assert!(
            refusal.next().contains("journalctl -k -b -o json"),
            "{form}"
        );
    }
    let cat = refused(&each(BOOT, |_, text| text.to_owned()));
    assert_eq!(cat.reason, Reason::NoTime(Clock::None));
    // Without printk's time in a form that may have it.
    let json = refused(&each(BOOT, |time, text| {
        fields(time, text).replace("_SOURCE_MONO", "_MONO")
    }));
    assert_eq!(json.reason, Reason::NoTime(Clock::Journal));
}

/// From 256 on systemd prints for `-o short-monotonic` when journald has read the line.
#[test]
fn the_journals_own_clock() {
    let form = |time: u64, text: &str| format!("{} myhost kernel: {text}", bracket(time));
    let late = each(BOOT, |time, text| form(7_636_966 + time / 100, text));
    assert_eq!(refused(&late).reason, Reason::NoTime(Clock::Monotonic));
    // Without the first line of the boot: what took 249 ms cannot have ended 2 ms after it began.
    let (_, late) = late.split_once('\n').unwrap();
    assert_eq!(refused(late).reason, Reason::NoTime(Clock::Monotonic));
    assert!(refused(late).to_string().contains("systemd 256"));
}

#[test]
fn other_clocks() {
    for (clock, prefix) in [
        (Clock::Wall, "[Sun Nov 22 06:43:01 2026] "),
        (Clock::Delta, "[  +0.000012] "),
        (Clock::Wall, "[So Nov 22 06:43:01 2026] "),
        (
            Clock::Wall,
            "kern  :debug : [Sun Nov 22 06:43:01 2026 <    0.250000>] ",
        ),
        (Clock::Delta, "[<    0.000012>] "),
        (Clock::Delta, "kern  :debug : [  +0.250000] "),
        (Clock::Other, "[1763793781.123456] "),
        (Clock::Other, "[1.000000 0.100000] "),
        (Clock::Other, "[    1.000000000] "),
        (Clock::Other, "[   1.000] "),
        (Clock::Other, "[    1,000000] "),
        (Clock::Logcat, "       1.000     0     0 I         : "),
        (Clock::Logcat, "I/        (    0): "),
        (Clock::Logcat, "11-22 06:43:01.123     0     0 I         : "),
        (Clock::None, "<7>"),
        (Clock::None, "kern  :debug : "),
    ] {
        let refusal = refused(&each(BOOT, |_, text| format!("{prefix}{text}")));
        assert_eq!(refusal.reason, Reason::NoTime(clock), "{prefix}");
        assert!(refusal.next().contains("dmesg"), "{prefix}");
    }
    // dmesg --time-format iso adds the same to each time.
    let iso = |time: u64, text: &str| {
        format!(
            "2026-11-22T06:43:{:02},{:06}+00:00 {text}",
            time / 1_000_000 + 1,
            time % 1_000_000
        )
    };
    let whole = read(&each(BOOT, iso));
    assert_eq!((whole.events, whole.notes), (read(BOOT).events, Vec::new()));
    let decoded = each(BOOT, |time, text| {
        format!("kern  :debug : {}", iso(time, text))
    });
    assert_eq!(read(&decoded).events, read(BOOT).events);
    let (_, tail) = BOOT.split_once('\n').unwrap();
    let tail = read(&each(tail, iso));
    assert_eq!(since_first(&tail.events), since_first(&read(BOOT).events));
    assert!(tail.notes.contains(&Note::FromFirstLine));
}

/// What others have put before the bracket, and vendors' kernels behind it.
#[test]
fn prefixes() {
    let plain = read(BOOT);
    for (program, before, behind) in [
        ("indented", "  ", " "),
        ("quoted in a mail", "> ", " "),
        ("dmesg --raw", "<7>", " "),
        ("dmesg --decode", "kern  :debug : ", " "),
        ("rsyslog", "Nov 22 06:43:01 host kernel: ", " "),
        (
            "rsyslog, precise",
            "2026-11-22T06:43:01.123456+00:00 host kernel: ",
            " ",
        ),
        ("syslog-ng", "Nov 22 06:43:01 host kernel: <7>", " "),
        ("LAVA, KernelCI", "2026-11-22T06:43:01.123456 <6>", " "),
        ("GitLab", "2026-11-22T06:43:01.1234567Z ", " "),
        ("tuxrun", "2026-11-22T06:43:01 ", " "),
        ("grabserial -t", "[0.000123 0.000012] ", " "),
        ("ts", "Nov 22 06:43:01 ", " "),
        ("ts -s", "00:00:01 ", " "),
        ("ts %.s", "1763793781.123456 ", " "),
        ("ts [%.s]", "[1763793781.123456] ", " "),
        ("minicom -C", "[2026-11-22 06:43:01] ", " "),
        ("tio", "[06:43:01.123] ", " "),
        ("conserver", "[Sun Nov 22 06:43:01 2026]", " "),
        ("labgrid, docker", "| ", " "),
        (
            "gh run view --log",
            "build (x86)\tRun tests\t2026-11-22T06:43:01.1234567Z ",
            " ",
        ),
        ("GitLab 17", "2026-11-22T06:43:01.123456Z 01O ", " "),
        ("bitbake", "DEBUG: ", " "),
        (
            "RFC 5424",
            "<7>1 2026-11-22T06:43:01.123456+00:00 host kernel - - [meta sequenceId=\"1\"] ",
            " ",
        ),
        (
            "OpenWrt",
            "Sun Nov 22 06:43:01 2026 kern.debug kernel: ",
            " ",
        ),
        (
            "ChromeOS",
            "2026-11-22T06:43:01.123456Z DEBUG kernel: ",
            " ",
        ),
        (
            "Kubernetes",
            "2026-11-22T06:43:01.123456789Z stdout F ",
            " ",
        ),
        ("grep -n", "dmesg.txt:12:", " "),
        (
            "ftrace, printk:console",
            "       swapper/0-1       [000] d..1.     1.000000: console: ",
            " ",
        ),
        ("crash, log -m", "", " <7>"),
        ("a tab", "", "\t"),
        (
            "logcat with the bracket",
            "11-22 06:43:01.123     0     0 I         : ",
            " ",
        ),
        ("MediaTek", "", " <0> (0)[77:worker]"),
        ("MediaTek, interrupt", "", "<0>-(0)[77:worker]"),
        ("Samsung", "", " [0:      worker:   77] "),
        ("Huawei", "", "[pid:77,cpu0,worker]"),
        ("Qualcomm", "", " c0     77 "),
        ("Unisoc, Android 12", "", "[T77@C0] "),
        ("X-Ring", "", "[T77-C0] "),
        ("X-Ring, in the text", "", " [cpu0,pid77,worker]"),
        ("Xiaomi, Android 15", "", "[T,T77,C0] "),
        ("Amlogic, Android 13", "", "[0 T77    ..] "),
        ("Amlogic, with names", "", "[0 swappe d.] "),
        ("tio, ISO 8601", "[2026-11-22T06:43:01.123] ", " "),
        ("Jenkins", "[2026-11-22T06:43:01.123Z] ", " "),
        ("Zuul", "2026-11-22 06:43:01.123456 | node | ", " "),
        (
            "avocado",
            "2026-11-22 06:43:01,123 stacktrace L0038 DEBUG| ",
            " ",
        ),
        ("IRC", "06:43 < user> ", " "),
        (
            "OpenWrt, logread -t",
            "Sun Nov 22 06:43:01 2026 [1763793781.123] kern.debug kernel: ",
            " ",
        ),
        ("CONFIG_PRINTK_CALLER", "", "[   T77] "),
        ("CONFIG_PRINTK_CALLER, dmesg", "", " [   T77] "),
        ("CONFIG_PRINTK_CALLER, interrupt", "", "[    C0] "),
    ] {
        let log = each(BOOT, |time, text| {
            format!("{before}{}{behind}{text}", bracket(time))
        });
        let mut log = read(&log);
        let mut task = None;
        for event in &mut log.events {
            if let What::Initcall(Initcall::Probed { pid, .. }) = &mut event.what {
                task = pid.take();
            }
        }
        assert_eq!(log, plain, "{program}");
        assert_eq!(task, behind.contains("77").then_some(77), "{program}");
    }
    for (vendor, time) in [
        ("Amlogic", "@0]"),
        ("Amlogic, 4.9", "@0d]"),
        ("Huawei", "s]"),
    ] {
        let log = each(BOOT, |at, text| {
            format!("{} {text}", bracket(at).replace(']', time))
        });
        assert_eq!(read(&log), plain, "{vendor}");
    }
    for color in [
        each(BOOT, |time, text| {
            format!("\u{1b}[32m{} \u{1b}[0m{text}", bracket(time))
        }),
        each(BOOT, |time, text| {
            format!("\u{1b}[1;33m{}\u{1b}[m {text}\u{1b}[K", bracket(time))
        }),
    ] {
        assert_eq!(read(&color), plain);
    }
    for end in ["\r\n", "\r\r\n", " \n", "\u{1b}[0m\n", "\n\n"] {
        assert_eq!(read(&BOOT.replace('\n', end)), plain, "{end:?}");
    }
    assert_eq!(read(&BOOT.replace('\n', "\n\r")), plain);
}

/// What web pages, tables and programs put around each line.
#[test]
fn ends_of_lines() {
    let plain = read(BOOT);
    for (before, after) in [
        ("&lt;7&gt;", "<br>"),
        ("<span id=\"L1\">", "</span>"),
        ("<tr><td>", "</td></tr>"),
        ("\"2026-11-22\",\"", "\""),
        ("b'", "\\r\\n'"),
        ("", "\\n"),
        ("    '", "',"),
        ("| ", " |"),
    ] {
        let log = each(BOOT, |time, text| {
            format!("{before}{} {text}{after}", bracket(time))
        });
        assert_eq!(read(&log), plain, "{after}");
    }
    let unknown = refused(&BOOT.replace(" usecs", " usecs ***"));
    assert_eq!(unknown.line, Some(3));
    assert_eq!(unknown.reason, Reason::Behind(" ***".to_owned()));
    assert!(
        unknown.next().contains(r"sed 's/ \*\*\*$//' LOG"),
        "{}",
        unknown.next()
    );
    // A mailer's soft ends of lines, and their whole.
    for at in ["after 24", "0x0/0x", "returned 0 after 251000 use"] {
        let broken = BOOT.replacen(at, &format!("{at}=\n"), 1);
        assert_eq!(refused(&broken).reason, Reason::CutOff, "{at}");
    }
}

/// What word processors and web pages make of blanks and signs.
#[test]
fn blanks_and_signs() {
    let plain = read(&BOOT.replace("517", "-517"));
    let text = |log: String| bytes::text(log.into_bytes()).unwrap();
    for (from, to) in [
        ("-", "\u{2212}"),
        ("-", "\u{2013}"),
        (" ", "\u{a0}"),
        ("  ", " "),
        ("[    1", "\u{200b}[    1"),
    ] {
        let log = BOOT.replace("517", "-517").replace(from, to);
        let log = read(&text(log));
        assert_eq!(log.events, plain.events, "{from:?}");
    }
}

/// A console that lost the ends of lines.
#[test]
fn glued_to_each_other() {
    let plain = read(BOOT);
    for (at, with) in [
        ("[    1.252000] ", ""),
        ("[    1.251000] ", "<7>"),
        ("[    1.253000] ", " "),
    ] {
        let log = BOOT.replace(&format!("\n{at}"), &format!("{with}{at}"));
        assert_eq!(log.lines().count() + 1, BOOT.lines().count());
        assert_eq!(read(&log), plain, "{at}");
    }
}

/// Others' lines have calendar times among printk's: those of ours have the one or the other.
#[test]
fn clocks_of_two_kinds() {
    let iso = "2026-11-22T06:43:05,000000+00:00 ";
    let other = read(&format!("{iso}x\n{BOOT}"));
    assert_eq!(other.events, read(BOOT).events);
    let both = refused(&format!(
        "{BOOT}{iso}probe of x.0 returned 0 after 1 usecs\n"
    ));
    assert_eq!(both.line, Some(9));
    assert_eq!(both.reason, Reason::NoTime(Clock::Wall));
    // No kernel runs for so long.
    for line in [
        "7,1,1000000000000000,-;probe of x.0 returned 0 after 1 usecs\n",
        "[1000000000.000000] probe of x.0 returned 0 after 1 usecs\n",
    ] {
        assert!(log::parse(line, None).is_err(), "{line}");
    }
}

/// A console that has lost all of them.
#[test]
fn a_line_of_many() {
    let lines = |many: usize| -> String {
        let line = |at: usize| format!("[    1.{at:06}] probe of d{at} returned 0 after 1 usecs");
        (0..many).map(line).collect()
    };
    assert_eq!(read(&(lines(20_000) + "\n")).events.len(), 20_000);
}

/// pstore has the end of a log in its first part.
#[test]
fn parts_of_pstore() {
    let lines: Vec<&str> = BOOT.split_inclusive('\n').collect();
    let (head, tail) = (lines[..4].concat(), lines[4..].concat());
    let reversed = format!("Panic#2 Part1\n{tail}Panic#2 Part2\n{head}");
    assert_eq!(refused(&reversed).reason, Reason::Parts);
    let whole = format!("Panic#2 Part2\n{head}Panic#2 Part1\n{tail}");
    assert_eq!(read(&whole), read(BOOT));
}

/// Before 2.6.29.
#[test]
fn kernels_that_count_milliseconds() {
    for line in [
        "Calling initcall 0xc0412345: foo_init+0x0/0x10()",
        "initcall 0xc0412345: foo_init+0x0/0x10() returned 0.",
        "initcall 0xc0412345 ran for 251 msecs: foo_init+0x0/0x10()",
        "initcall foo_init+0x0/0x10 returned 0 after 251 msecs",
    ] {
        let log = format!("{BOOT}[    2.100000] {line}\n");
        assert_eq!(refused(&log).reason, Reason::Milliseconds, "{line}");
    }
}

/// Another text between the time and the kernel's.
#[test]
fn a_prefix_that_is_not_known() {
    let refusal = refused(&each(BOOT, |time, text| {
        format!("{} vendor| {text}", bracket(time))
    }));
    assert_eq!(refusal.line, Some(2));
    assert_eq!(refusal.reason, Reason::Between("vendor| ".to_owned()));
    let sed = r"sed 's/\(\[ *[0-9]*\.[0-9]*\] *\)vendor| /\1/' LOG >FILE";
    assert!(refusal.next().contains(sed), "{}", refusal.next());
    // Other lines have other times and tasks.
    let refusal = refused(&each(BOOT, |time, text| {
        format!("{} cpu0@06:43:01| {text}", bracket(time))
    }));
    let sed = "cpu[0-9]*@[0-9]*:[0-9]*:[0-9]*| ";
    assert!(refusal.next().contains(sed), "{}", refusal.next());
    // Userspace may quote the kernel.
    let quoted = "[    1.600000] systemd[1]: probe of foo.0 returned 0 after 249000 usecs\n";
    let log = read(&format!("{BOOT}{quoted}"));
    assert_eq!(log.events, read(BOOT).events);
    assert_eq!(log.notes, [Note::Behind { lines: 1, first: 9 }]);
}

/// Userspace shares the port, and has not ended its line yet.
#[test]
fn glued_to_userspace() {
    for before in [
        "Starting network: ",
        "50%\r",
        "login: root\u{7}",
        "[ OK ] Started x [1.5]",
    ] {
        let log = BOOT.replace("[    1.250000]", &format!("{before}[    1.250000]"));
        assert_eq!(read(&log), read(BOOT), "{before}");
    }
}

#[test]
fn lines_are_missing() {
    for notice in [
        // 4.4 to 4.14 do not end the line.
        "** 25 printk messages dropped ** [    1.123456] random: crng init done\n",
        "** 1 printk messages dropped ** [    1.250000] probe of x.0 returned 0 after 10 usecs\n",
        "** 25 printk messages dropped **\n",
        "** 25 printk messages dropped **\r\n",
        "2026-11-22T06:43:01.123456 ** 25 printk messages dropped **\n",
        "[    1.240000] ** 25 printk messages dropped **\n",
        "[    1.240000] systemd-journald[222]: Missed 17 kernel messages\n",
        "[    1.240000] systemd-journald[222]: /dev/kmsg buffer overrun, some messages lost.\n",
    ] {
        let (head, tail) = BOOT.split_at(BOOT.find("[    1.250").unwrap());
        let refusal = refused(&format!("{head}{notice}{tail}"));
        assert_eq!(
            (refusal.line, refusal.reason),
            (Some(3), Reason::Dropped),
            "{notice}"
        );
    }
    // Of another boot it does not matter.
    let log = format!("{BOOT}** 25 printk messages dropped **\n{BOOT}");
    assert_eq!(read(&log).events, read(BOOT).events);
}

/// Until a clock is registered, time has the grain of a jiffy.
#[test]
fn two_tries_within_a_jiffy() {
    let log = read(
        "[    0.010000] calling  of_platform_default_populate_init+0x0/0xb0 @ 1
[    0.010000] probe of soc:fixed returned -517 after 0 usecs
[    0.010000] probe of soc:fixed returned -517 after 0 usecs
[    0.010000] initcall of_platform_default_populate_init+0x0/0xb0 returned 0 after 0 usecs
",
    );
    assert_eq!(outcomes(&log), [("soc:fixed", DEFERRED); 2]);
    assert_eq!(log.events.len(), 4);
    // Two that took their time cannot have ended together: they hold the device's lock.
    let twice = "[    1.250000] probe of foo.0 returned 0 after 249000 usecs\n";
    let refusal = refused(&BOOT.replace(twice, &twice.repeat(2)));
    assert_eq!((refusal.line, refusal.reason), (Some(4), Reason::Twice));
}

#[test]
fn two_consoles() {
    let plain = read(BOOT);
    let twice: String = BOOT
        .lines()
        .map(|line| format!("{line}\n{line}\n"))
        .collect();
    let log = read(&twice);
    assert_eq!(log.events, plain.events);
    assert_eq!(log.notes, [Note::Copies(7)]);
    // With one more line that only one of them has, and three consoles.
    let gap = twice.replacen("[    2.000000] Run /sbin/init as init process\n", "", 1);
    assert_eq!(read(&gap).events, plain.events);
    let thrice: String = BOOT
        .lines()
        .map(|line| format!("{line}\n{line}\n{line}\n"))
        .collect();
    assert_eq!(read(&thrice).events, plain.events);
    // The second console prints what the first has printed before it was there, then both print.
    let (head, tail) = BOOT.split_at(BOOT.find("[    1.252").unwrap());
    let tail: String = tail
        .lines()
        .map(|line| format!("{line}\n{line}\n"))
        .collect();
    let log = read(&format!("{head}{head}{tail}"));
    assert_eq!(log.events, plain.events);
    assert!(log.notes.contains(&Note::Replayed(6)), "{:?}", log.notes);
    // A console that is taken over in the middle of a line prints it once more.
    let line = "[    1.252000] calling  bar_init+0x0/0x10 @ 1\n";
    for cut in [
        format!("[    1.252000] calling  bar_in** replaying previous printk message **\n{line}"),
        format!("{line}** replaying previous printk message **\n{line}"),
    ] {
        assert_eq!(
            read(&BOOT.replace(line, &cut)).events,
            plain.events,
            "{cut}"
        );
    }
}

#[test]
fn several_boots() {
    let second = BOOT.replace("foo", "baz");
    let syslog = |log: &str| {
        each(log, |time, text| {
            format!("Nov 22 06:43:01 host kernel: {} {text}", bracket(time))
        })
    };
    let devices = |log: &Log| {
        outcomes(log)
            .iter()
            .map(|(device, _)| (*device).to_owned())
            .collect::<Vec<_>>()
    };
    for (first, second) in [
        (BOOT.to_owned(), second.clone()),
        (syslog(BOOT), syslog(&second)),
    ] {
        let both = format!("{first}{second}");
        let last = read(&both);
        assert_eq!(devices(&last), ["baz.0", "bar.0"]);
        assert_eq!(
            last.notes,
            [Note::Boot {
                number: 2,
                of: 2,
                empty: 0
            }]
        );
        let first = log::parse(&both, Some(1)).unwrap();
        assert_eq!(devices(&first), ["foo.0", "bar.0"]);
        assert_eq!(log::parse(&both, Some(2)).unwrap().events, last.events);
        for wanted in [0, 3] {
            let refusal = log::parse(&both, Some(wanted)).unwrap_err();
            assert_eq!(refusal.reason, Reason::NoSuchBoot { wanted, has: 2 });
        }
    }
    // The same boot twice is two boots where a daemon keeps them.
    let kept = syslog(BOOT).repeat(2);
    assert_eq!(
        read(&kept).notes,
        [Note::Boot {
            number: 2,
            of: 2,
            empty: 0
        }]
    );
    // The last boot was without initcall_debug.
    let quiet = "[    0.000000] Linux version 6.9.1-test (me@host) #1 SMP\n[    0.500000] x\n";
    let log = read(&format!("{BOOT}{quiet}"));
    assert_eq!(log.events, read(BOOT).events);
    assert_eq!(
        log.notes,
        [Note::Boot {
            number: 1,
            of: 2,
            empty: 1
        }]
    );
    // What is wrong with another boot does not matter.
    let broken = syslog(BOOT).replace("[    1.253000]", "[    0.253000]");
    assert_eq!(
        read(&format!("{broken}{}", syslog(BOOT))).events,
        read(BOOT).events
    );
    // The first boot has lost its beginning, as in a ring.
    let (_, tail) = BOOT.split_once('\n').unwrap();
    assert_eq!(
        devices(&read(&format!("{tail}{second}"))),
        ["baz.0", "bar.0"]
    );
    // The second has: then nothing says that it is one.
    let (_, tail) = second.split_once('\n').unwrap();
    let refusal = refused(&format!("{BOOT}{tail}"));
    assert_eq!(refusal.line, Some(9));
    assert!(refusal.next().contains("sed -n '9,$p' LOG >FILE"));
}

#[test]
fn json_of_dmesg() {
    let messages = |more: &str| {
        let records = each(BOOT, |time, text| {
            format!(
                "      {{\n         \"pri\": 7,{more}\n         \"time\": {:>12},\n         \"msg\": \"{text}\"\n      }},",
                format!("{}.{:06}", time / 1_000_000, time % 1_000_000)
            )
        });
        format!(
            "{{\n   \"dmesg\": [\n{}\n   ]\n}}\n",
            records.trim_end().trim_end_matches(',')
        )
    };
    assert_eq!(read(&messages("")), read(BOOT));
    let log = read(&messages("\n         \"caller\": \"T42\","));
    let tasks = log.events.iter().filter(|event| {
        matches!(
            event.what,
            What::Initcall(Initcall::Probed { pid: Some(42), .. })
        )
    });
    assert_eq!(tasks.count(), 2);
    let whole = messages("");
    let damaged = refused(&whole[..whole.len() - 9]);
    assert!(matches!(damaged.reason, Reason::Json(_)), "{damaged}");
    assert!(damaged.next().contains("--json"));
    // A refusal names the line of the message.
    let refusal = refused(&whole.replace("1.253000", "0.253000"));
    assert_eq!(refusal.line, Some(31), "{refusal}");
    let wall = whole.replace("    1.000000", "\"Sun Nov 22 06:43:01 2026\"");
    assert_eq!(refused(&wall).reason, Reason::NoTime(Clock::Wall));
}

#[test]
fn json_with_a_console_in_it() {
    let docker = each(BOOT, |time, text| {
        format!(
            "{{\"log\":\"{} {text}\\r\\n\",\"stream\":\"stdout\",\"time\":\"2026\"}}",
            bracket(time)
        )
    });
    assert_eq!(read(&docker), read(BOOT));
    let cloud = BOOT.replace('\n', "\\r\\n");
    let cloud = format!("{{\n    \"InstanceId\": \"i-0\",\n    \"Output\": \"{cloud}\"\n}}\n");
    assert_eq!(read(&cloud), read(BOOT));
    assert_eq!(refused("{\"a\": 1}\n").reason, Reason::Nothing(1));
    for (collector, before, after) in [
        ("syslog-ng", "{\"PROGRAM\":\"kernel\",\"MESSAGE\":", "}"),
        ("rsyslog", "{\"msg\":", ",\"programname\":\"kernel\"}"),
        ("GELF", "{\"version\":\"1.1\",\"short_message\":", "}"),
        ("Loki", "{\"line\":", ",\"timestamp\":\"2026\"}"),
        ("Splunk", "{\"preview\":false,\"result\":{\"_raw\":", "}}"),
    ] {
        let log = each(BOOT, |time, text| {
            format!("{before}\"{} {text}\"{after}", bracket(time))
        });
        assert_eq!(read(&log), read(BOOT), "{collector}");
    }
    let lines: Vec<String> = BOOT.lines().map(|line| format!("{line:?}")).collect();
    for between in [", ", ",\n "] {
        assert_eq!(read(&format!("[{}]\n", lines.join(between))), read(BOOT));
    }
}

#[test]
fn yaml_of_lava() {
    let of = |record: fn(&str) -> String| {
        each(BOOT, |time, text| {
            record(&format!("{} {text}", bracket(time)))
        })
    };
    let json = of(|line| {
        format!(
            "- {{\"dt\": \"2026-01-04T12:00:03.100\", \"lvl\": \"target\", \"msg\": \"{line}\"}}"
        )
    });
    let own = "- {\"dt\": \"2026-01-04T12:00:03\", \"lvl\": \"debug\", \"msg\": \"start: 2 x\"}\n\
         - {\"dt\": \"2026-01-04T12:00:03\", \"lvl\": \"results\", \"msg\": {\"case\": \"x\"}}\n";
    assert_eq!(read(&format!("{own}{json}")), read(BOOT));
    let old = of(|line| format!("- {{dt: '2020-01-04T12:00:03.100', lvl: target, msg: '{line}'}}"));
    assert_eq!(read(&old), read(BOOT));
    let quoted =
        of(|line| format!("- {{dt: '2020-01-04T12:00:03.100', lvl: target, msg: \"{line}\"}}"));
    assert_eq!(read(&quoted), read(BOOT));
}

/// `/dev/kmsg`, and netconsole's extended form, in fragments too.
#[test]
fn records() {
    let plain = read(BOOT);
    let mut number = 100;
    let mut record = |form: &dyn Fn(u32, u64, &str) -> String| {
        each(BOOT, |time, text| {
            number += 1;
            form(number, time, text)
        })
    };
    for log in [
        record(&|number, time, text| {
            format!("7,{number},{time},-;{text}\n SUBSYSTEM=x\n DEVICE=+x:y")
        }),
        record(&|number, time, text| format!("7,{number},{time},-,caller=T1;{text}")),
        record(&|number, time, text| format!("Nov 22 06:43:01 7,{number},{time},-;{text}")),
        record(&|number, time, text| format!("6.9.1-test,7,{number},{time},-;{text}")),
        record(&|number, time, text| {
            let (head, tail) = text.split_at(9);
            let head_of = format!("7,{number},{time},-,ncfrag=0/{};{head}", text.len());
            format!(
                "{head_of}\n7,{number},{time},-,ncfrag=9/{};{tail}",
                text.len()
            )
        }),
    ] {
        let mut read = read(&log);
        for event in &mut read.events {
            if let What::Initcall(Initcall::Probed { pid, .. }) = &mut event.what {
                *pid = None;
            }
        }
        assert_eq!(read, plain, "{log}");
    }
    let lost = "7,1,1000000,-,ncfrag=0/40;calling\n7,1,1000000,-,ncfrag=20/40;x\n";
    assert_eq!(refused(lost).reason, Reason::Fragment);
    let lost = "7,1,1000000,-,ncfrag=0/40;probe of d returned\n7,2,1000001,-;x\n";
    assert_eq!(refused(lost).reason, Reason::Fragment);
    // The numbers begin anew with each boot.
    let boot = each(BOOT, |time, text| {
        format!("7,{},{time},-;{text}", time / 1000)
    });
    assert!(matches!(refused(&boot).reason, Reason::Gap { .. }));
    let boot = || {
        let mut number = 0;
        each(BOOT, |time, text| {
            number += 1;
            format!("7,{number},{time},-;{text}")
        })
    };
    let twice = boot() + &boot();
    assert_eq!(
        read(&twice).notes,
        [Note::Boot {
            number: 2,
            of: 2,
            empty: 0
        }]
    );
}

#[test]
fn the_last_line_has_no_end() {
    let whole = read(BOOT);
    let log = read(BOOT.trim_end());
    assert_eq!(
        (&log.events, &log.notes[..]),
        (&whole.events, &[Note::OpenEnd][..])
    );
    // Wherever else a log ends: half a line of ours is refused, a whole one is read.
    for (end, events) in [
        ("returned 0 after 249000 usecs", Some(2)),
        ("returned 0 after 249000 usec", None),
        ("returned 0 after 249", None),
        ("[    1.252000] calling  bar_init+0x0/0x10 @ 1", Some(4)),
        ("[    1.252000] calling  bar_init+0x0/0x10 @", None),
        ("[    1.252000] cal", None),
        ("[    1.252000]", None),
        ("[    1.25200", None),
        ("#1 SM", Some(0)),
    ] {
        let cut = &BOOT[..BOOT.find(end).unwrap() + end.len()];
        match (log::parse(cut, None), events) {
            (Ok(log), Some(events)) => {
                assert_eq!(log.events, whole.events[..events], "{end}");
                assert_eq!(log.notes, [Note::OpenEnd], "{end}");
            }
            (Err(refusal), Some(0)) => assert!(matches!(refusal.reason, Reason::Nothing(1))),
            (Err(refusal), None) => assert_eq!(refusal.reason, Reason::CutOff, "{end}"),
            (other, _) => panic!("{end}: {other:?}"),
        }
    }
}

#[test]
fn a_ring_begins_within_a_line() {
    for head in [
        "000000] calling  early_init+0x0/0x10 @ 1\n",
        "calling  early_init+0x0/0x10 @ 1\n",
        " of early.0 returned 0 after 12 usecs\n",
        "\u{fffd}y_init+0x0/0x10 returned 0 after 12 usecs\n",
    ] {
        let (_, tail) = BOOT.split_once('\n').unwrap();
        let log = read(&format!("{head}{tail}"));
        assert_eq!(log.events, read(BOOT).events, "{head}");
    }
    // Two such lines are no ring's.
    let two = "calling  a_init+0x0/0x10 @ 1\n".repeat(2);
    assert_eq!(refused(&format!("{two}{BOOT}")).line, Some(1));
}

/// A mailer has wrapped lines.
#[test]
fn wrapped() {
    for (at, line) in [
        (" after 249000", 3),
        (" usecs", 3),
        (" returned 0 after 251000", 4),
        (" @ 1", 2),
    ] {
        let log = BOOT.replacen(at, &format!("\n{}", &at[1..]), 1);
        let refusal = refused(&log);
        assert_eq!(
            (refusal.line, refusal.reason),
            (Some(line), Reason::CutOff),
            "{at}"
        );
    }
}

/// Suspend and resume (`drivers/base/power/main.c`): with `initcall_debug`, lines that look like
/// those of init functions.
#[test]
fn suspend_and_resume() {
    for lines in [
        // From the oldest to the newest.
        "[    3.000000] calling  usb1+ @ 1234\n[    3.100000] call usb1+ returned 0 after 97656 usecs\n",
        "[    3.000000] calling  usb1+ @ 1234, parent: 0000:00:1d.0\n[    3.100000] call usb1+ returned 0 after 97656 usecs\n",
        "[    3.000000] usb usb1: calling usb_dev_suspend+0x0/0x10 @ 1234, parent: 0000:00:1d.0\n\
         [    3.100000] usb usb1: usb_dev_suspend+0x0/0x10 returned 0 after 97656 usecs\n",
        "[    3.000000] PM: Calling irq_gc_suspend+0x0/0x70\n",
        "[    3.000000] PM: calling irq_gc_suspend+0x0/0x70 @ 1, parent: none\n",
    ] {
        assert_eq!(read(&format!("{BOOT}{lines}")), read(BOOT), "{lines}");
    }
}

/// `kernel/async.c`: until about 5.13 the end of async work had a result, and it was always 0.
#[test]
fn async_work() {
    let of = |returned: &str| {
        read(&format!(
            "[    1.000000] calling  3_sd_probe_async+0x0/0x1f0 [sd_mod] @ 66
[    1.000100] async_waiting @ 1
[    1.400000] initcall 3_sd_probe_async+0x0/0x1f0 [sd_mod] {returned} after 390522 usecs
[    1.400100] async_continuing @ 1 after 390625 usec
"
        ))
    };
    assert_eq!(of("returned 0"), of("returned"));
    assert!(matches!(
        of("returned 0").events[2].what,
        What::Initcall(Initcall::WorkEnded { cookie: 3, .. })
    ));
}

/// The clock of the lines may be set while an init function runs, or the kernel's own may stand
/// still until its timer runs: which of the two is right is not known.
#[test]
fn clocks_that_do_not_agree() {
    let log = BOOT.replace("after 251000", "after 10");
    assert_eq!(read(&log).notes, []);
    let log = log.replace("[    1.000000]", "[    0.000000]");
    let notes = read(&log).notes;
    assert_eq!(notes, [Note::Jumps { calls: 1, first: 4 }]);
    // The kernel has one variable for all: another call has begun meanwhile.
    let other = "[    0.900000] calling  m_init+0x0/0x10 [m] @ 9\n[    1.250000]";
    let log = log.replacen("[    1.250000]", other, 1);
    assert_eq!(read(&log).notes, []);
}

/// Items of `dmesg --json` without a text, and the output of a console by any name.
#[test]
fn other_json() {
    let of = |time: u32| {
        let text = format!("probe of d returned 0 after {time} usecs");
        format!("{{\"dmesg\":[{{\"pri\":7}},{{\"time\":{time}.0,\"msg\":\"{text}\"}}]}}\n")
    };
    assert_eq!(read(&(of(1) + &of(2))).events.len(), 2);
    let serial = format!("{{\"serial_0\":{BOOT:?},\"host\":\"x\"}}");
    assert_eq!(read(&serial).events, read(BOOT).events);
}

/// A probe within a probe ends first; both are there with their own length.
#[test]
fn nested_probes() {
    let log = read(
        "[    0.000000] Linux version 6.10.0 (me@host) #1 SMP
[    0.785000] calling  lpss_pci_driver_init+0x0/0x20 @ 1
[    0.786221] probe of dma64.0 returned 0 after 81 usecs
[    0.801676] probe of i2c_dw.0 returned 0 after 15424 usecs
[    0.801691] probe of 0000:00:15.0 returned 0 after 15973 usecs
[    0.817700] initcall lpss_pci_driver_init+0x0/0x20 returned 0 after 32700 usecs
",
    );
    let begins = log.events.iter().filter_map(|event| match &event.what {
        What::Initcall(Initcall::Probed { took, .. }) => Some(event.time - *took),
        _ => None,
    });
    let begins: Vec<_> = begins.collect();
    assert_eq!(begins, [Micros(786_140), Micros(786_252), Micros(785_718)]);
}

/// Two modules that are loaded at once have init functions of one name.
#[test]
fn init_functions_of_one_name() {
    let log = read(
        "[    1.000000] calling  init_module+0x0/0xff0 [a] @ 100
[    5.000000] calling  init_module+0x0/0xff0 [b] @ 101
[    7.000000] initcall init_module+0x0/0xff0 [a] returned 0 after 5999000 usecs
[    7.100000] initcall init_module+0x0/0xff0 [b] returned 0 after 2099000 usecs
",
    );
    assert_eq!(log.events.len(), 4);
}

#[test]
fn contradictions() {
    let said = |log: &str| match refused(log) {
        Refusal {
            line,
            reason: Reason::Contradiction(what),
            ..
        } => (line.unwrap(), what),
        other => panic!("{other}\n{log}"),
    };
    let (line, what) = said(&BOOT.replace("after 249000 usecs", "after 2490000 usecs"));
    assert_eq!(
        (line, what.as_str()),
        (
            3,
            "the probe took 2490.000 ms, and there were 1250.000 ms for it"
        )
    );
    assert_eq!(
        said(&BOOT.replace("after 251000 usecs", "after 351000 usecs")).0,
        4
    );
    let timing = |lines: &[&str]| -> String {
        let lines = (1..).zip(lines);
        lines
            .map(|(at, line)| format!("[    {at}.000000] async_probe: timing: {line}\n"))
            .collect()
    };
    let began = "probe_began dev=d.0 driver=d async=0 cpu=0 pid=9 task=insmod";
    let ended = "probe_ended dev=d.0 driver=d ret=0 ms=900.000";
    let removing = "removing dev=d.0 driver=d";
    read(&timing(&[began, ended, removing, began, ended]));
    // The log may begin within it.
    read(&timing(&[ended, removing]));
    read(&timing(&[removing, began]));
    for (lines, line) in [
        (
            vec![began, "probe_ended dev=d.0 driver=d ret=0 ms=1900.000"],
            2,
        ),
        (vec!["probe_ended dev=d.0 driver=d ret=0 ms=1900.000"], 1),
        (
            vec!["registered driver=d probe_type=force_synchronous ret=0 ms=1900.000"],
            1,
        ),
        (vec![began, began], 2),
        (vec![began, removing], 2),
        (vec![began, ended, began], 3),
        (vec![began, ended, removing, ended], 4),
        (vec![began, ended, removing, removing], 4),
        (
            vec![
                began,
                "probe_ended dev=d.0 driver=d ret=-2 ms=900.000",
                removing,
            ],
            3,
        ),
    ] {
        assert_eq!(said(&timing(&lines)).0, line, "{lines:?}");
    }
}

/// In a report, a probe that has failed with an errno that the log lacks has failed, and one of
/// which nothing is known is neither bound nor running.
#[test]
fn results_in_a_report() {
    let report = |log: &str| {
        let summary = lifecycle::summary::Summary::of("log", read(log));
        lifecycle::report::log::report(&summary, lifecycle::report::log::Detail::All)
    };
    let probe = "[    1.000000] probe of d.0 returned 0 after 9 usecs\n";
    let old = report(&format!(
        "[    0.000000] Linux version 5.10.0 (x) #1\n{probe}"
    ));
    assert!(
        old.contains("(0 bound, 1 failed)") && old.contains(" failed\n"),
        "{old}"
    );
    let unknown = report(probe);
    assert!(
        unknown.contains("(0 bound, 0 failed)") && unknown.contains(" ?\n"),
        "{unknown}"
    );
    assert!(!unknown.contains("running"), "{unknown}");
    let ret = |log: &str| {
        let summary = lifecycle::summary::Summary::of("log", read(log));
        serde_json::to_value(&summary.life.spans[0]).unwrap()["ret"].clone()
    };
    let old = format!("[    0.000000] Linux version 5.10.0 (x) #1\n{probe}");
    assert!(ret(&old).is_null());
    let new = "[    1.000000] probe of d.0 returned 19 after 9 usecs\n";
    assert_eq!(ret(new), -19);
}

/// What is to come out of a file of `tests/posted`, as its `EXPECTED` has it.
#[derive(Default)]
struct Expected<'a> {
    files: Vec<&'a str>,
    kernel: Option<&'a str>,
    notes: Vec<&'a str>,
    events: Vec<&'a str>,
    refused: Option<&'a str>,
}

const EXPECTED: &str = include_str!("posted/EXPECTED");

fn expected() -> Vec<Expected<'static>> {
    const PLAIN: [&str; 7] = [
        "1.000000 calling  foo_init+0x0/0x10 @ 1",
        "1.250000 probe of foo.0 returned 0 after 249000 usecs => Bound",
        "1.251000 initcall foo_init+0x0/0x10 returned 0 after 251000 usecs",
        "1.252000 calling  bar_init+0x0/0x10 @ 1",
        "1.253000 probe of bar.0 returned 517 after 900 usecs => Failed(Some(-517))",
        "1.254000 initcall bar_init+0x0/0x10 returned 0 after 2000 usecs",
        "2.000000 Run /sbin/init as init process",
    ];
    let mut all: Vec<Expected<'_>> = Vec::new();
    for line in EXPECTED.lines().filter(|line| !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "==" {
            all.push(Expected {
                files: rest.split(' ').collect(),
                kernel: Some("6.9.1-test"),
                ..Expected::default()
            });
            continue;
        }
        let Some(of) = all.last_mut() else { continue };
        match word {
            "plain" => of.events.extend(PLAIN),
            "kernel" => of.kernel = Some(rest).filter(|kernel| *kernel != "none"),
            "note" => of.notes.push(rest),
            "refused" => of.refused = Some(rest),
            "+" => of.events.push(rest),
            "-" => {
                let at = of.events.iter().position(|event| *event == rest);
                of.events.remove(at.unwrap_or_else(|| panic!("{line}")));
            }
            _ => assert_eq!(line, ""),
        }
    }
    all
}

/// An event as `EXPECTED` has it.
fn written(event: &Event) -> String {
    let (seconds, micros) = (event.time.seconds(), event.time.subsec_micros());
    let What::Initcall(initcall) = &event.what else {
        panic!("{event:?}");
    };
    let text = format!("{seconds}.{micros:06} {initcall}");
    match initcall {
        Initcall::Probed { outcome, .. } => format!("{text} => {outcome:?}"),
        _ => text,
    }
}

#[test]
fn files() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/posted");
    let mut files = 0;
    for mut of in expected() {
        of.events.sort_by(|a, b| {
            let time = |event: &str| event.split(' ').next().unwrap().parse::<f64>().unwrap();
            time(a).total_cmp(&time(b))
        });
        for name in &of.files {
            files += 1;
            let read = std::fs::read(format!("{directory}/{name}")).unwrap();
            let log = bytes::text(read).and_then(|text| log::parse(&text, None));
            match (log, of.refused) {
                (Ok(log), None) => {
                    let events: Vec<String> = log.events.iter().map(written).collect();
                    assert_eq!(events, of.events, "{name}");
                    assert_eq!(log.kernel.as_deref(), of.kernel, "{name}");
                    let notes: Vec<String> = log.notes.iter().map(Note::to_string).collect();
                    let as_expected = notes.len() == of.notes.len()
                        && notes.iter().zip(&of.notes).all(|(is, of)| is.contains(of));
                    assert!(as_expected, "{name}: {notes:?}");
                }
                (Err(refusal), Some(words)) => {
                    let said = format!("{refusal}\n{}", refusal.next());
                    let (line, words) = match words.strip_prefix("line ") {
                        Some(words) => words.split_once(": ").unwrap(),
                        None => ("", words),
                    };
                    let of = refusal.line.map(|line| line.to_string());
                    assert_eq!(of.unwrap_or_default(), line, "{name}: {said}");
                    assert!(said.contains(words), "{name}: {said}");
                }
                (Ok(log), Some(_)) => panic!("{name} is read: {:#?}", log.events),
                (Err(refusal), None) => panic!("{name}: {refusal}"),
            }
        }
    }
    let there = std::fs::read_dir(directory).unwrap().count();
    assert_eq!(files + 1, there, "a file is not in EXPECTED");
}
