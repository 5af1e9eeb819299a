// SPDX-License-Identifier: GPL-2.0

//! Properties of the parser, and of what is made of its events, that hold for every log.

use lifecycle::diff::{Diff, Facts};
use lifecycle::event::{Call, Initcall, Outcome, SmolStr, Symbol, KERNEL_PREFIX, USER_PREFIX};
use lifecycle::laws::{one_at_a_time, Verdict};
use lifecycle::parse::bytes;
use lifecycle::parse::dmesg::{parse, Parser};
use lifecycle::parse::log::{self, Log};
use lifecycle::parse::refusal::Reason;
use lifecycle::report;
use lifecycle::report::log::Detail;
use lifecycle::simulate::what_if;
use lifecycle::summary::Summary;
use lifecycle::{Event, Life, Micros, ProbeType, Probing, What};
use proptest::prelude::*;

fn name() -> impl Strategy<Value = SmolStr> {
    "[a-zA-Z0-9_.:=-]{1,20}".prop_map(Into::into)
}

/// The kernel prints names of tasks escaped, so that only printable ASCII comes out.
fn task() -> impl Strategy<Value = SmolStr> {
    "[ -~]{0,15}".prop_map(Into::into)
}

fn ret() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), i32::MIN..0]
}

/// Shorter than the time since 1970: a longer one is not printk's.
fn micros() -> impl Strategy<Value = Micros> {
    (0..1_000_000_000_000_000_u64).prop_map(Micros)
}

fn call() -> impl Strategy<Value = Call> {
    proptest::sample::select(Call::ALL.to_vec())
}

fn probe_type() -> impl Strategy<Value = ProbeType> {
    proptest::sample::select(ProbeType::ALL.to_vec())
}

fn what() -> impl Strategy<Value = What> {
    prop_oneof![
        (name(), probe_type(), ret(), micros()).prop_map(|(driver, probe_type, ret, took)| {
            What::Registered {
                driver,
                probe_type,
                ret,
                took,
            }
        }),
        (name(), name(), any::<(bool, u32, u32)>(), task()).prop_map(
            |(device, driver, (asynchronous, cpu, pid), task)| What::ProbeBegan {
                device,
                driver,
                asynchronous,
                cpu,
                pid,
                task,
            }
        ),
        (name(), name(), any::<u64>(), ret(), micros()).prop_map(
            |(device, driver, bytes, ret, took)| What::FirmwareArrived {
                device,
                driver,
                bytes,
                ret,
                took,
            }
        ),
        (name(), name(), ret(), micros()).prop_map(|(device, driver, ret, took)| {
            What::ProbeEnded {
                device,
                driver,
                ret,
                took,
            }
        }),
        (name(), name(), ret(), micros()).prop_map(|(device, driver, ret, took)| What::Ready {
            device,
            driver,
            ret,
            took,
        }),
        (name(), name()).prop_map(|(device, driver)| What::Removing { device, driver }),
        (name(), name()).prop_map(|(device, driver)| What::Unbound { device, driver }),
        (name(), name()).prop_map(|(device, driver)| What::DevresReleased { device, driver }),
        (name(), micros()).prop_map(|(driver, took)| What::Unregistered { driver, took }),
        (call(), name(), any::<u32>(), any::<Option<bool>>()).prop_map(
            |(call, on, pid, async_probe)| What::CallBegan {
                call,
                on,
                pid,
                async_probe
            }
        ),
        (call(), name(), any::<u32>(), ret())
            .prop_map(|(call, on, pid, ret)| { What::CallReturned { call, on, pid, ret } }),
    ]
}

fn symbol() -> impl Strategy<Value = Symbol> {
    let text = prop_oneof![
        "[a-z][a-z_0-9]{0,9}\\+0x[0-9a-f]/0x[0-9a-f]",
        "0x[0-9a-f]{16}"
    ];
    (text, proptest::option::of("[a-z_]{1,9}")).prop_map(|(text, module)| Symbol {
        text: text.into(),
        module: module.map(Into::into),
    })
}

fn initcall() -> impl Strategy<Value = What> {
    // Names of devices have spaces in them, of drivers too.
    let spaced = || "[a-zA-Z0-9_.:-]{1,9}( [a-z]{1,9})?";
    let one = prop_oneof![
        (symbol(), any::<u32>()).prop_map(|(function, pid)| Initcall::Calling { function, pid }),
        (symbol(), any::<i32>(), micros()).prop_map(|(function, ret, took)| {
            Initcall::Returned {
                function,
                ret,
                took,
            }
        }),
        (
            spaced(),
            proptest::option::of(spaced()),
            any::<i32>(),
            micros()
        )
            .prop_map(|(device, driver, ret, took)| Initcall::Probed {
                device: device.into(),
                driver: driver.map(Into::into),
                ret,
                outcome: Outcome::since_5_14(ret),
                took,
                pid: None,
            }),
        (any::<u64>(), symbol(), any::<u32>()).prop_map(|(cookie, function, pid)| {
            Initcall::WorkBegan {
                cookie,
                function,
                pid,
            }
        }),
        (any::<u64>(), symbol(), micros()).prop_map(|(cookie, function, took)| {
            Initcall::WorkEnded {
                cookie,
                function,
                took,
            }
        }),
        any::<u32>().prop_map(|pid| Initcall::Waiting { pid }),
        (any::<u32>(), micros()).prop_map(|(pid, took)| Initcall::Continuing { pid, took }),
        "/[a-z]{1,9}".prop_map(|program| Initcall::RunInit {
            program: program.into()
        }),
    ];
    one.prop_map(What::Initcall)
}

/// Of a driver that prints its timing, or of a kernel with `initcall_debug`.
fn any_event() -> impl Strategy<Value = Event> {
    let what = prop_oneof![what(), initcall()];
    (micros(), what).prop_map(|(time, what)| Event { time, what })
}

/// Events in the order of their times.
fn in_order(
    event: impl Strategy<Value = Event>,
    size: std::ops::Range<usize>,
) -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event, size).prop_map(|mut events| {
        events.sort_by_key(|event| event.time);
        events
    })
}

/// Events of an hour, none of which took longer than a minute: the tables have room for that.
fn plausible() -> impl Strategy<Value = Vec<Event>> {
    const MINUTE: u64 = 60_000_000;
    prop::collection::vec(any_event(), 0..20).prop_map(|mut events| {
        for event in &mut events {
            event.time.0 %= 60 * MINUTE;
            if let Some(took) = took(&mut event.what) {
                took.0 %= MINUTE;
            }
        }
        events
    })
}

/// How long it took, if it says so.
fn took(what: &mut What) -> Option<&mut Micros> {
    match what {
        What::Registered { took, .. }
        | What::FirmwareArrived { took, .. }
        | What::ProbeEnded { took, .. }
        | What::Ready { took, .. }
        | What::Unregistered { took, .. }
        | What::Initcall(
            Initcall::Returned { took, .. }
            | Initcall::Probed { took, .. }
            | Initcall::WorkEnded { took, .. }
            | Initcall::Continuing { took, .. },
        ) => Some(took),
        _ => None,
    }
}

/// The events of few devices, drivers and tasks, close to each other, so that they belong together.
fn entangled() -> impl Strategy<Value = Vec<Event>> {
    let few = |name: &mut SmolStr| *name = ["a", "b"][name.len() % 2].into();
    prop::collection::vec((any_event(), 0_u64..1000), 0..40).prop_map(move |mut events| {
        let mut time = Micros(1_000_000);
        for (event, later) in &mut events {
            time = time + Micros(*later);
            event.time = time;
            if let Some(took) = took(&mut event.what) {
                took.0 %= 2000;
            }
            match &mut event.what {
                What::ProbeBegan {
                    device,
                    driver,
                    pid,
                    ..
                } => {
                    few(device);
                    few(driver);
                    *pid %= 4;
                }
                What::FirmwareArrived { device, driver, .. }
                | What::ProbeEnded { device, driver, .. }
                | What::Ready { device, driver, .. }
                | What::Removing { device, driver }
                | What::Unbound { device, driver }
                | What::DevresReleased { device, driver } => {
                    few(device);
                    few(driver);
                }
                What::Registered { driver, .. } | What::Unregistered { driver, .. } => few(driver),
                What::CallBegan { call, on, pid, .. }
                | What::CallReturned { call, on, pid, .. } => {
                    *call = [Call::Insmod, Call::Unbind][on.len() % 2];
                    few(on);
                    *pid %= 4;
                }
                What::Initcall(initcall) => few_initcalls(initcall),
                What::Loaded { .. } | What::Recorded(_) => {}
            }
        }
        events.into_iter().map(|(event, _)| event).collect()
    })
}

fn few_initcalls(initcall: &mut Initcall) {
    match initcall {
        Initcall::Calling { function, pid } => {
            function.text = "f+0x0/0x1".into();
            *pid %= 4;
        }
        Initcall::Returned { function, .. } => function.text = "f+0x0/0x1".into(),
        Initcall::Probed { device, .. } => *device = ["a", "b"][device.len() % 2].into(),
        Initcall::WorkBegan {
            cookie,
            function,
            pid,
        } => {
            function.text = "__driver_attach_async_helper+0x0/0x1".into();
            *cookie %= 4;
            *pid %= 4;
        }
        Initcall::WorkEnded { cookie, .. } => *cookie %= 4,
        Initcall::Waiting { pid } | Initcall::Continuing { pid, .. } => *pid %= 4,
        Initcall::RunInit { .. } => {}
    }
}

fn event() -> impl Strategy<Value = Event> {
    (micros(), what()).prop_map(|(time, what)| Event { time, what })
}

/// What others print, which the parser passes over.
fn noise() -> impl Strategy<Value = String> {
    "[b-z][ -~]{0,30}"
}

fn dmesg(events: &[Event]) -> String {
    events.iter().map(|event| format!("{event}\n")).collect()
}

fn kmsg(events: &[Event], first: u64) -> String {
    (first..)
        .zip(events)
        .map(|(number, event)| {
            let text = event.what.to_string().replace('\\', "\\x5c");
            format!("6,{number},{},-;{text}\n", event.time.0)
        })
        .collect()
}

/// A device's whole life, `n` times over, its events in order.
fn lives(device: usize, rets: &[i32]) -> Vec<What> {
    let device: SmolStr = format!("d.{device}").into();
    let driver: SmolStr = "d".into();
    let mut lives = Vec::new();
    for ret in rets {
        let (device, driver) = (device.clone(), driver.clone());
        lives.push(What::ProbeBegan {
            device: device.clone(),
            driver: driver.clone(),
            asynchronous: true,
            cpu: 0,
            pid: 1,
            task: "kworker/u8:1".into(),
        });
        lives.push(What::ProbeEnded {
            device: device.clone(),
            driver: driver.clone(),
            ret: *ret,
            took: Micros(1),
        });
        if *ret == 0 {
            lives.push(What::Removing {
                device: device.clone(),
                driver: driver.clone(),
            });
            lives.push(What::Unbound {
                device: device.clone(),
                driver: driver.clone(),
            });
            lives.push(What::DevresReleased { device, driver });
        }
    }
    lives
}

proptest! {
    #[test]
    fn what_is_printed_is_read(events in in_order(any_event(), 0..20)) {
        prop_assert_eq!(parse(&dmesg(&events)).unwrap(), events);
    }

    #[test]
    fn what_is_recorded_is_read(
        events in in_order(any_event(), 0..20),
        first in any::<u32>(),
    ) {
        prop_assert_eq!(parse(&kmsg(&events, first.into())).unwrap(), events);
    }

    #[test]
    fn others_lines_change_nothing(
        events in in_order(event(), 0..20),
        noise in prop::collection::vec(proptest::option::of(noise()), 20),
    ) {
        let mut log = String::new();
        for (event, noise) in events.iter().zip(noise) {
            log += &format!("{event}\n");
            if let Some(noise) = noise {
                let time = event.to_string();
                log += &format!("{}] {noise}\n", time.split_once(']').unwrap().0);
            }
        }
        prop_assert_eq!(parse(&log).unwrap(), events);
    }

    /// Whatever a log says, there is a report on it that fits, and no difference to itself.
    #[test]
    fn any_log_has_a_report(
        events in prop_oneof![plausible(), entangled()],
    ) {
        let summary = Summary::of("log", Log { events, ..Log::default() });
        let diff = Diff::of(Facts::of(&summary), Facts::of(&summary));
        prop_assert!(diff.changes.is_empty());
        for detail in [Detail::Folded, Detail::All] {
            for text in [report::log::report(&summary, detail), report::diff::report(&diff, detail)] {
                let widest = text.lines().map(|line| line.chars().count()).max();
                prop_assert!(widest <= Some(80), "{}", text);
            }
        }
        for driver in [vec![], vec!["slow".to_owned()]] {
            let answer = what_if(&summary.life, &driver);
            for goal in &answer.goals {
                prop_assert!(goal.then.least <= goal.then.likely && goal.then.likely <= goal.then.most);
            }
            let text = report::what_if::report(&summary, &answer, Detail::All);
            let widest = text.lines().filter(|line| !line.contains("driver_async_probe="));
            prop_assert!(widest.map(|line| line.chars().count()).max() <= Some(80), "{}", text);
        }
        let timeline = &summary.life;
        for (at, bar) in timeline.spans.iter().enumerate() {
            prop_assert!(timeline.begin <= bar.begin && timeline.end_of(at) <= timeline.end);
            let outer = bar.parent.map(|outer| &timeline.spans[outer]);
            prop_assert!(outer.is_none_or(|outer| outer.begin <= bar.begin));
        }
        for wait in &timeline.waits {
            prop_assert!(!wait.on.is_empty());
        }
    }

    #[test]
    fn never_panics(log in any::<String>(), bytes in any::<Vec<u8>>()) {
        let _ = parse(&log);
        let _ = log::parse(&log, Some(1));
        let _ = log::parse(&String::from_utf8_lossy(&bytes), None);
        let _ = bytes::text(bytes);
    }

    /// Damage reaches deeper where the line looks like one of ours.
    #[test]
    fn never_panics_on_damaged_lines(
        event in event(),
        at in any::<prop::sample::Index>(),
        damage in any::<String>(),
    ) {
        for line in [event.to_string(), kmsg(&[event], 1)] {
            let cuts: Vec<_> = line.char_indices().map(|(cut, _)| cut).collect();
            let (head, tail) = line.split_at(*at.get(&cuts));
            let _ = parse(&format!("{head}{damage}{tail}\n"));
            let _ = Parser::default().line(&format!("{head}{damage}"));
        }
    }

    /// A log that is cut anywhere but after a line feed is refused, and says so.
    #[test]
    fn a_cut_line_is_refused(
        events in in_order(event(), 1..10),
        records in any::<bool>(),
        at in any::<prop::sample::Index>(),
    ) {
        let log = if records { kmsg(&events, 5) } else { dmesg(&events) };
        let cut = at.index(log.len());
        let head = &log[..cut];
        match parse(head) {
            Ok(read) => {
                prop_assert!(head.is_empty() || head.ends_with('\n'));
                prop_assert_eq!(&read[..], &events[..read.len()]);
                prop_assert!(read.len() < events.len());
            }
            Err(error) => {
                prop_assert!(!head.ends_with('\n'));
                prop_assert_eq!(error.reason, Reason::CutOff);
            }
        }
    }

    /// A log that is cut between two lines of a device's probe or remove is seen to be unfinished.
    #[test]
    fn a_cut_life_is_unfinished(
        devices in prop::collection::vec(
            prop::collection::vec(prop_oneof![Just(0), Just(-2)], 1..3), 1..5),
        turns in prop::collection::vec(any::<prop::sample::Index>(), 60),
        at in any::<prop::sample::Index>(),
    ) {
        let mut lives: Vec<_> = devices
            .iter()
            .enumerate()
            .map(|(device, rets)| lives(device, rets).into_iter().peekable())
            .collect();
        let mut log = Vec::new();
        let mut settled = vec![true];
        for turn in turns {
            lives.retain_mut(|life| life.peek().is_some());
            if lives.is_empty() {
                break;
            }
            let life = turn.index(lives.len());
            if let Some(what) = lives[life].next() {
                log.push(Event { time: Micros(log.len() as u64), what });
            }
            // Whether every device is between two steps of its life at this point.
            let mut last = std::collections::BTreeMap::new();
            for event in &log {
                last.insert(event.what.device().unwrap().to_owned(), event.what.clone());
            }
            settled.push(last.values().all(|what| matches!(
                what,
                What::ProbeEnded { .. } | What::DevresReleased { .. }
            )));
        }
        let cut = at.index(log.len() + 1);
        let read = parse(&dmesg(&log[..cut])).unwrap();
        let life = Life::new(read, Probing::Once);
        prop_assert!(!matches!(one_at_a_time::LAW.verdict(&life), Verdict::Broken(_)));
        prop_assert_eq!(one_at_a_time::under_way(&life).is_empty(), settled[cut]);
    }

    #[test]
    fn a_missing_record_is_missed(
        events in in_order(event(), 3..20),
        at in any::<prop::sample::Index>(),
    ) {
        let log = kmsg(&events, 100);
        let missing = 1 + at.index(events.len() - 2);
        let log: String = log
            .split_inclusive('\n')
            .enumerate()
            .filter(|(line, _)| *line != missing)
            .map(|(_, line)| line)
            .collect();
        let found = 100 + missing as u64 + 1;
        prop_assert_eq!(
            parse(&log).unwrap_err().reason,
            Reason::Gap { expected: found - 1, found }
        );
    }

    /// A word of a line that is misspelt is never skipped.
    #[test]
    fn a_misspelt_event_is_refused(event in event(), letter in "[A-Z]") {
        let line = event.to_string();
        let at = [KERNEL_PREFIX, USER_PREFIX]
            .into_iter()
            .find_map(|prefix| Some(line.find(prefix)? + prefix.len()))
            .unwrap();
        let (head, text) = line.split_at(at);
        let misspelt = format!("{head}{letter}{text}\n");
        prop_assert!(matches!(parse(&misspelt).unwrap_err().reason, Reason::UnknownEvent(_)));
    }
}
