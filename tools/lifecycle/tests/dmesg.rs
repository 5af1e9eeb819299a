// SPDX-License-Identifier: GPL-2.0

//! Properties of the parser, and of what is made of its events, that hold for every log.

use lifecycle::diff::{Diff, Facts};
use lifecycle::event::{Call, KERNEL_PREFIX, USER_PREFIX};
use lifecycle::parse::bytes;
use lifecycle::parse::dmesg::{parse, Parser};
use lifecycle::parse::log::{self, Log};
use lifecycle::report;
use lifecycle::report::log::Detail;
use lifecycle::simulate::what_if;
use lifecycle::summary::Summary;
use lifecycle::{Event, Micros, ProbeType};
use proptest::prelude::*;
use proptest::sample::select;

/// What lines are made of.
#[derive(Clone, Copy)]
struct Range {
    /// The names there are; none for any.
    names: &'static [&'static str],
    tasks: u32,
    /// How long something takes at the most, in microseconds.
    longest: u64,
}

/// Anything, but for times that are longer than the one since 1970: such a one is not printk's.
const ANY: Range = Range {
    names: &[],
    tasks: u32::MAX,
    longest: 1_000_000_000_000_000,
};

/// No longer than a minute: the tables have room for that.
const PLAUSIBLE: Range = Range {
    longest: 60_000_000,
    ..ANY
};

/// Few devices, drivers and tasks, and short times, so that lines belong together.
const FEW: Range = Range {
    names: &["a", "b"],
    tasks: 4,
    longest: 2000,
};

impl Range {
    /// Any of this form, or one of `few`.
    fn of(self, any: &'static str, few: &'static [&str]) -> BoxedStrategy<String> {
        match self.names {
            [] => any.boxed(),
            _ => select(few).prop_map(str::to_owned).boxed(),
        }
    }

    fn name(self) -> BoxedStrategy<String> {
        self.of("[a-zA-Z0-9_.:=-]{1,20}", self.names)
    }

    fn pid(self) -> BoxedStrategy<u32> {
        (0..=self.tasks).boxed()
    }

    fn took(self) -> BoxedStrategy<Micros> {
        (0..self.longest).prop_map(Micros).boxed()
    }

    /// The driver and the device of a line.
    fn binding(self) -> BoxedStrategy<String> {
        let names = (self.name(), self.name());
        let text = names.prop_map(|(device, driver)| format!("dev={device} driver={driver}"));
        text.boxed()
    }

    /// How it ended.
    fn done(self) -> BoxedStrategy<String> {
        let done = (ret(), self.took());
        done.prop_map(|(ret, took)| format!("ret={ret} ms={took}"))
            .boxed()
    }
}

fn ret() -> impl Strategy<Value = i32> {
    prop_oneof![Just(0), i32::MIN..0]
}

/// The text of a line of a driver that prints its timing, or of userspace.
fn timing(of: Range) -> impl Strategy<Value = String> {
    let calls = match of.names {
        [] => Call::ALL.to_vec(),
        _ => vec![Call::Insmod, Call::Unbind],
    };
    let call = (select(calls), of.name(), of.pid())
        .prop_map(|(call, on, pid)| format!("call={call} on={on} pid={pid}"))
        .boxed();
    let asks = select(&["", " async_probe=0", " async_probe=1"][..]);
    // The kernel prints names of tasks escaped, so that only printable ASCII comes out.
    let began = (of.binding(), any::<(bool, u32)>(), of.pid(), "[ -~]{0,15}");
    let kernel = prop_oneof![
        (of.name(), select(&ProbeType::ALL[..]), of.done()).prop_map(
            |(driver, probe_type, done)| {
                format!("registered driver={driver} probe_type={probe_type} {done}")
            }
        ),
        began.prop_map(|(binding, (is_async, cpu), pid, task)| {
            let is_async = u8::from(is_async);
            format!("probe_began {binding} async={is_async} cpu={cpu} pid={pid} task={task}")
        }),
        (of.binding(), any::<u64>(), of.done()).prop_map(|(binding, bytes, done)| {
            format!("firmware_arrived {binding} bytes={bytes} {done}")
        }),
        (
            select(&["probe_ended", "ready"][..]),
            of.binding(),
            of.done()
        )
            .prop_map(|(end, binding, done)| format!("{end} {binding} {done}")),
        (
            select(&["removing", "unbound", "devres_released"][..]),
            of.binding()
        )
            .prop_map(|(step, binding)| format!("{step} {binding}")),
        (of.name(), of.took())
            .prop_map(|(driver, took)| { format!("unregistered driver={driver} ms={took}") }),
    ];
    let user = prop_oneof![
        (call.clone(), asks).prop_map(|(call, asks)| format!("call_began {call}{asks}")),
        (call, ret()).prop_map(|(call, ret)| format!("call_returned {call} ret={ret}")),
    ];
    prop_oneof![
        9 => kernel.prop_map(|text| format!("{KERNEL_PREFIX}{text}")),
        2 => user.prop_map(|text| format!("{USER_PREFIX}{text}")),
    ]
}

/// The text of a line of a kernel with `initcall_debug`.
fn initcall(of: Range) -> impl Strategy<Value = String> {
    // Names of devices have spaces in them, of drivers too.
    const SPACED: &str = "[a-zA-Z0-9_.:-]{1,9}( [a-z]{1,9})?";
    const FUNCTION: &str =
        "([a-z][a-z_0-9]{0,9}\\+0x[0-9a-f]/0x[0-9a-f]|0x[0-9a-f]{16})( \\[[a-z_]{1,9}\\])?";
    let function = of.of(FUNCTION, &["f+0x0/0x1"]);
    let cookie = prop_oneof![(0..4_u64).boxed(), any::<u64>().boxed()];
    let helper = of.of(FUNCTION, &["__driver_attach_async_helper+0x0/0x1"]);
    let work = (cookie, helper).prop_map(|(cookie, function)| format!("{cookie}_{function}"));
    let work = work.boxed();
    let usecs = of.took().prop_map(|took| took.0).boxed();
    let driver = prop_oneof![
        Just(String::new()),
        SPACED.prop_map(|name| format!(" with driver {name}"))
    ];
    let probed = (
        of.of(SPACED, &["a", "b"]),
        driver,
        any::<i32>(),
        usecs.clone(),
    );
    prop_oneof![
        (function.clone(), of.pid())
            .prop_map(|(function, pid)| format!("calling  {function} @ {pid}")),
        (function, any::<i32>(), usecs.clone()).prop_map(|(function, ret, took)| {
            format!("initcall {function} returned {ret} after {took} usecs")
        }),
        probed.prop_map(|(device, driver, ret, took)| {
            format!("probe of {device}{driver} returned {ret} after {took} usecs")
        }),
        (work.clone(), of.pid()).prop_map(|(work, pid)| format!("calling  {work} @ {pid}")),
        (work, usecs.clone())
            .prop_map(|(work, took)| format!("initcall {work} returned after {took} usecs")),
        of.pid().prop_map(|pid| format!("async_waiting @ {pid}")),
        (of.pid(), usecs)
            .prop_map(|(pid, took)| { format!("async_continuing @ {pid} after {took} usec") }),
        "/[a-z]{1,9}".prop_map(|program| format!("Run {program} as init process")),
    ]
}

/// The event that this line tells.
fn event_at(time: Micros, text: &str) -> Event {
    let line = format!("[{:>12}] {text}", time.printk());
    let event = Parser::default().line(&line).unwrap().expect(&line);
    assert_eq!(event.to_string(), line);
    event
}

/// Of a driver that prints its timing, or of a kernel with `initcall_debug`.
fn text(of: Range) -> impl Strategy<Value = String> {
    prop_oneof![timing(of), initcall(of)]
}

fn any_event() -> impl Strategy<Value = Event> {
    (ANY.took(), text(ANY)).prop_map(|(time, text)| event_at(time, &text))
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

/// Events of an hour.
fn plausible() -> impl Strategy<Value = Vec<Event>> {
    let event = (0..3_600_000_000_u64, text(PLAUSIBLE));
    let event = event.prop_map(|(time, text)| event_at(Micros(time), &text));
    prop::collection::vec(event, 0..20)
}

/// Events close to each other, of few devices, drivers and tasks.
fn entangled() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec((text(FEW), 0_u64..1000), 0..40).prop_map(|lines| {
        let mut time = Micros(1_000_000);
        let events = lines.into_iter().map(|(text, later)| {
            time = time + Micros(later);
            event_at(time, &text)
        });
        events.collect()
    })
}

fn event() -> impl Strategy<Value = Event> {
    let line = (ANY.took(), timing(ANY));
    line.prop_map(|(time, text)| event_at(time, &text))
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
}
