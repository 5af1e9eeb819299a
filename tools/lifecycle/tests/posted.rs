// SPDX-License-Identifier: GPL-2.0

//! Logs of the shapes in which people post them: each is read with the right values, or refused for
//! the true reason. `posted` has files, and `forms.txt` changes of the plain log in it.

use std::fmt::Debug;

use lifecycle::event::Initcall;
use lifecycle::parse::bytes;
use lifecycle::parse::log::{self, Log};
use lifecycle::parse::note::Note;
use lifecycle::parse::recording;
use lifecycle::report::log::{report, Detail};
use lifecycle::summary::Summary;
use lifecycle::{Event, What};

/// What `dmesg` prints.
const PLAIN: &str = include_str!("posted/plain");

fn read(log: &str) -> Log {
    log::parse(log, None).unwrap_or_else(|error| panic!("{error}\n{log}"))
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

/// Times that are not closed, as where a terminal has left the ends of lines out.
#[test]
fn a_line_of_brackets() {
    let log =
        "[    1.000000 ".repeat(200_000) + "\n[    2.000000] probe of d returned 0 after 1 usecs\n";
    assert_eq!(read(&log).events.len(), 1);
}

/// It takes a part of each call. One call that takes longer by its lines does not tell.
#[test]
fn a_slow_console() {
    let notes = |calls: usize| {
        let call = |at: usize| {
            format!(
                "[    {at}.000000] calling  f{at}+0x0/0x1 @ 1\n\
                 [    {at}.010000] initcall f{at}+0x0/0x1 returned 0 after 2000 usecs\n"
            )
        };
        let log = (0..calls).map(call).collect::<String>();
        let notes: Vec<String> = read(&log).notes.iter().map(Note::to_string).collect();
        notes.join("\n")
    };
    let slow = "init functions take 300.000 ms in sum by the times of their lines, and 60.000 ms";
    assert!(notes(30).contains(slow), "{}", notes(30));
    assert!(!notes(10).contains("init functions take"));
}

/// In a report, a probe that has failed with an errno that the log lacks has failed, and one of
/// which nothing is known is neither bound nor running.
#[test]
fn results_in_a_report() {
    let of = |log: &str| {
        let summary = Summary::of("log", read(log));
        let ret = serde_json::to_value(&summary.life.spans[0]).unwrap()["ret"].clone();
        (report(&summary, Detail::All), ret)
    };
    let probe = "[    1.000000] probe of d.0 returned 0 after 9 usecs\n";
    let (old, ret) = of(&format!(
        "[    0.000000] Linux version 5.10.0 (x) #1\n{probe}"
    ));
    assert!(
        old.contains("(0 bound, 1 failed)") && old.contains(" failed\n"),
        "{old}"
    );
    assert!(ret.is_null());
    let (unknown, _) = of(probe);
    assert!(
        unknown.contains("(0 bound, 0 failed)") && unknown.contains(" ?\n"),
        "{unknown}"
    );
    assert!(!unknown.contains("running"), "{unknown}");
    assert_eq!(of(&probe.replace("returned 0", "returned 19")).1, -19);
}

/// What has begun in lines that the log lacks is in the report, too, with the kernel's own measure.
/// An init function whose end it lacks does not go on.
#[test]
fn halves() {
    let log = "[    9.000000] initcall a_init+0x0/0x10 [a] returned 0 after 8000000 usecs\n\
               [    9.000000] initcall b_init+0x0/0x10 [b] returned 0 after 7000000 usecs\n\
               [    9.500010] async_continuing @ 1 after 400010 usec\n";
    let summary = Summary::of("log", read(log));
    let spans = summary.life.spans.iter();
    let expected = [
        ("a_init [a]", 1_000_000),
        ("b_init [b]", 2_000_000),
        ("", 9_090_399),
    ];
    let mut spans: Vec<_> = spans.map(|of| (of.on.as_str(), of.begin.0)).collect();
    spans.sort_by_key(|(_, begin)| *begin);
    assert_eq!(spans, expected);
    assert_eq!(summary.calls.len(), 2);
    let log = PLAIN.replace("initcall foo_init", "x");
    let summary = Summary::of("log", read(&log));
    let took = summary.calls.iter().map(|call| call.took.0);
    assert_eq!(took.collect::<Vec<_>>(), [252_000, 2_000, 746_000]);
}

/// What is to come out of files of `posted`, or of changes of the plain log.
#[derive(Default)]
struct Expected<'a> {
    /// The names of the files, or what the changes are about.
    head: &'a str,
    logs: Vec<&'a str>,
    boot: Option<usize>,
    kernel: Option<&'a str>,
    task: Option<&'a str>,
    notes: Vec<&'a str>,
    events: Vec<&'a str>,
    refused: Vec<&'a str>,
}

fn expected(text: &str) -> Vec<Expected<'_>> {
    const EVENTS: [&str; 7] = [
        "1.000000 calling  foo_init+0x0/0x10 @ 1",
        "1.250000 probe of foo.0 returned 0 after 249000 usecs => Bound",
        "1.251000 initcall foo_init+0x0/0x10 returned 0 after 251000 usecs",
        "1.252000 calling  bar_init+0x0/0x10 @ 1",
        "1.253000 probe of bar.0 returned 517 after 900 usecs => Failed(Some(-517))",
        "1.254000 initcall bar_init+0x0/0x10 returned 0 after 2000 usecs",
        "2.000000 Run /sbin/init as init process",
    ];
    let mut all: Vec<Expected<'_>> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word == "==" {
            all.push(Expected {
                head: rest,
                kernel: Some("6.9.1-test"),
                ..Expected::default()
            });
            continue;
        }
        let Some(of) = all.last_mut() else { continue };
        match word {
            "log" => of.logs.push(rest),
            "boot" => of.boot = Some(rest.parse().unwrap()),
            "plain" => of.events.extend(EVENTS),
            "kernel" => of.kernel = Some(rest).filter(|kernel| *kernel != "none"),
            "task" => of.task = Some(rest),
            "note" => of.notes.push(rest),
            "refused" => of.refused.push(rest),
            "+" => of.events.push(rest),
            "-" => {
                let at = of.events.iter().position(|event| *event == rest);
                of.events.remove(at.unwrap_or_else(|| panic!("{line}")));
            }
            _ => assert_eq!(line, ""),
        }
    }
    for of in &mut all {
        of.events.sort_by_key(|event| {
            let (time, _) = event.split_once(' ').unwrap();
            time.replace('.', "").parse::<u64>().unwrap()
        });
    }
    all
}

/// An event as in the files of what is expected.
fn written(event: &Event) -> String {
    let text = format!("{} {}", event.time.printk(), event.what);
    match &event.what {
        What::Initcall(Initcall::Probed { outcome, .. }) => format!("{text} => {outcome:?}"),
        _ => text,
    }
}

/// The tasks that probes ran in, each of which is there for more probes than one.
fn tasks(log: &Log) -> Vec<String> {
    let tasks = log.events.iter().filter_map(|event| match &event.what {
        What::Initcall(Initcall::Probed { pid, .. }) => Some((*pid)?.to_string()),
        _ => None,
    });
    let mut tasks: Vec<String> = tasks.collect();
    tasks.dedup();
    tasks
}

/// Whether that is so; else why not.
fn demand(holds: bool, seen: &dyn Debug) -> Result<(), String> {
    holds.then_some(()).ok_or_else(|| format!("{seen:#?}"))
}

impl Expected<'_> {
    /// Demands that this comes out of a log.
    fn check(&self, log: Vec<u8>) -> Result<(), String> {
        let refusal = match bytes::text(log).and_then(|text| log::parse(&text, self.boot)) {
            Ok(log) => {
                demand(self.refused.is_empty(), &log)?;
                let events: Vec<String> = log.events.iter().map(written).collect();
                demand(events == self.events, &events)?;
                demand(
                    self.kernel == Some("any") || log.kernel.as_deref() == self.kernel,
                    &log.kernel,
                )?;
                let tasks = tasks(&log);
                let task = self.task.map_or(vec![], |task| vec![task.to_owned()]);
                demand(tasks == task, &tasks)?;
                let notes: Vec<String> = log.notes.iter().map(Note::to_string).collect();
                let as_expected = notes.len() == self.notes.len()
                    && notes
                        .iter()
                        .zip(&self.notes)
                        .all(|(is, of)| is.contains(of));
                return demand(as_expected, &notes);
            }
            Err(refusal) => refusal,
        };
        let said = format!("{:?}\n{refusal}\n{}", refusal.reason, refusal.next());
        demand(!self.refused.is_empty(), &said)?;
        let line = refusal.line.map(|line| format!("line {line}: "));
        self.refused.iter().try_for_each(|words| {
            let words = line
                .as_ref()
                .and_then(|line| words.strip_prefix(line))
                .unwrap_or(words);
            demand(said.contains(words), &said)
        })
    }
}

#[test]
fn files() {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/posted");
    let (mut files, mut wrong) = (0, Vec::new());
    for of in expected(include_str!("posted/EXPECTED")) {
        for name in of.head.split(' ') {
            files += 1;
            let log = std::fs::read(format!("{directory}/{name}")).unwrap();
            let wrongly = |seen| wrong.push(format!("{name}: {seen}"));
            of.check(log).unwrap_or_else(wrongly);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let there = std::fs::read_dir(directory).unwrap().count();
    assert_eq!(files + 1, there, "a file is not in EXPECTED");
}

/// The words of a line of changes, and its strings.
fn words(changes: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = changes;
    while !rest.is_empty() && !rest.starts_with('#') {
        let length = match rest.starts_with('"') {
            true => {
                let mut strings = serde_json::Deserializer::from_str(rest).into_iter::<String>();
                words.push(strings.next().unwrap().expect(rest));
                strings.byte_offset()
            }
            false => {
                let length = rest.find(' ').unwrap_or(rest.len());
                words.push(rest[..length].to_owned());
                length
            }
        };
        rest = rest[length..].trim_start();
    }
    words
}

/// The log with each line changed as in a template.
fn each(log: &str, template: &str) -> String {
    let lines = (1..).zip(log.lines()).map(|(number, line)| {
        let (time, text) = line[1..].split_once("] ").unwrap();
        let micros: u64 = time.replace('.', "").trim().parse().unwrap();
        template
            .replace("{number}", &i32::to_string(&number))
            .replace("{time}", time)
            .replace("{micros}", &micros.to_string())
            .replace("{bytes}", &format!("{:?}", text.as_bytes()))
            .replace("{text}", text)
            + "\n"
    });
    lines.collect()
}

/// The plain log with these changes.
fn changed(changes: &str) -> String {
    let words = words(changes);
    let mut words = words.iter();
    let mut before = String::new();
    let mut log = PLAIN.to_owned();
    while let Some(word) = words.next() {
        let mut next = || words.next().expect(changes);
        let place = |of: &str| {
            log.find(of)
                .unwrap_or_else(|| panic!("no {of:?}: {changes}"))
        };
        log = match word.as_str() {
            "each" => each(&log, next()),
            "all" | "one" => {
                let (from, to) = (next(), next());
                place(from);
                log.replacen(from, to, if word == "one" { 1 } else { usize::MAX })
            }
            "head" => next().to_owned() + &log,
            "tail" => log + next(),
            "end" => {
                let last = next();
                log[..place(last) + last.len()].to_owned()
            }
            "from" => log[place(next())..].to_owned(),
            "text" => next().to_owned(),
            "recording" => {
                let whole = include_str!("recordings/platform_and_bus.txt");
                whole[..whole.rfind("# lifecycle: end").unwrap()].to_owned()
            }
            "seal" => recording::seal(log),
            "and" => {
                before += &log;
                PLAIN.to_owned()
            }
            _ => panic!("what is `{word}`? {changes}"),
        };
    }
    before + &log
}

#[test]
fn forms() {
    let mut wrong = Vec::new();
    for of in expected(include_str!("forms.txt")) {
        assert!(!of.logs.is_empty(), "no log: {}", of.head);
        for changes in &of.logs {
            let log = changed(changes);
            assert!(log != PLAIN, "{changes}");
            let wrongly = |seen| wrong.push(format!("{}: {changes}: {seen}", of.head));
            of.check(log.into_bytes()).unwrap_or_else(wrongly);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
