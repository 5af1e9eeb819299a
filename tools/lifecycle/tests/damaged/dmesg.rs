// SPDX-License-Identifier: GPL-2.0

//! What `dmesg` prints, and the records of `/dev/kmsg`.

use lifecycle::event::Call;
use lifecycle::laws::designs::{self, Insmod, Probes, Promise};
use lifecycle::laws::{self, convoy, firmware_in_probe, one_at_a_time, register_returns};
use lifecycle::parse::dmesg::{parse, SKEW};
use lifecycle::parse::refusal::{Reason, Refusal};
use lifecycle::{Event, Life, Probing};

use super::{again, swapped, without};

/// A driver's whole life, with the calls of userspace.
const LIFE: &str = include_str!("../logs/convoy_with_calls.txt");

/// Of any kernel that has `initcall_debug`.
const INITCALL_DEBUG: &str = include_str!("../logs/initcall_debug.txt");

/// Until the power was cut off.
const POWER_OFF: &str = include_str!("../recordings/power_off.txt");

/// The lines without the licence.
fn lines(log: &str) -> Vec<&str> {
    log.split_inclusive('\n').skip(1).collect()
}

/// The same as `/dev/kmsg` has it.
fn records(log: &str) -> Vec<String> {
    let records = parse(log).unwrap().into_iter().zip(100..);
    records
        .map(|(event, number)| format!("6,{number},{},-;{}\n", event.time.0, event.what))
        .collect()
}

/// What the laws say of the life: those that hold, and which devices are not done.
#[derive(Debug, PartialEq)]
struct Verdict {
    hold: Vec<&'static str>,
    under_way: Vec<String>,
}

fn judge(events: &[Event]) -> Verdict {
    const REQUESTS: usize = 5;
    const DRIVER: &str = "slow_platform";
    const MODULE: &str = "slow_platform_driver";
    let life = Life::new(events.to_vec(), Probing::Once);
    let promise = Promise {
        call: Insmod::Waits,
        probes: Probes::InParallel,
    };
    let laws = [
        (
            "one_at_a_time",
            !matches!(one_at_a_time::LAW.verdict(&life), laws::Verdict::Broken(_)),
        ),
        (
            "firmware_in_probe",
            firmware_in_probe::LAW.demand(&life, REQUESTS).is_ok(),
        ),
        (
            "register_returns",
            register_returns::check_slow(&life, DRIVER, 4).is_ok(),
        ),
        (
            "insmod_waits",
            designs::check(&life, Call::Insmod, MODULE, DRIVER, 4, promise).is_ok(),
        ),
        ("convoy", convoy::LAW.demand(&life, 1).is_ok()),
    ];
    let hold = laws.into_iter().filter(|(_, holds)| *holds);
    Verdict {
        hold: hold.map(|(law, _)| law).collect(),
        under_way: one_at_a_time::under_way(&life)
            .into_iter()
            .map(str::to_owned)
            .collect(),
    }
}

/// Whether the damage is seen: the log is refused, or the verdict is not the same.
fn is_seen(log: &str) -> bool {
    parse(log).map_or(true, |events| {
        judge(&events) != judge(&parse(LIFE).unwrap())
    })
}

fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let mut words = line.split_whitespace();
    words.find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// The device or the task whose life the line is about. What the second phase of a probe prints has
/// an order of its own.
fn subject(line: &str) -> Option<&str> {
    value(line, "dev").or_else(|| value(line, "pid"))
}

#[test]
fn cut_within_a_line() {
    for (log, step) in [(LIFE, 1), (POWER_OFF, 1), (INITCALL_DEBUG, 499)] {
        let events = parse(log).unwrap();
        for cut in (1..log.len()).step_by(step) {
            if log[..cut].ends_with('\n') {
                continue;
            }
            match parse(&log[..cut]) {
                Err(error) => assert_eq!(error.reason, Reason::CutOff, "at {cut}"),
                // Of a last line of `initcall_debug` only the number of the task may be cut, and a
                // line of others may be anything.
                Ok(read) => {
                    let (last, before) = read
                        .split_last()
                        .map_or((None, &read[..]), |(last, before)| (Some(last), before));
                    assert_eq!(before, &events[..before.len()], "at {cut}");
                    let Some(last) = last else { continue };
                    let is = events[before.len()].to_string();
                    assert!(is.starts_with(&last.to_string()), "at {cut}: {last}, {is}");
                    assert!(
                        last == &events[before.len()]
                            || is.contains("] calling  ")
                            || is.contains("] async_waiting @ "),
                        "at {cut}: {is}"
                    );
                }
            }
        }
    }
}

/// A log that ends after a line is shorter and true: what it has no end of is not judged.
#[test]
fn cut_after_a_line() {
    let lines = lines(LIFE);
    let after = |text: &str, nth: usize| {
        let mut places = lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.contains(text));
        places.nth(nth).unwrap().0 + 1
    };
    let ends = [
        ("one_at_a_time", 0),
        ("firmware_in_probe", after("firmware_arrived", 4)),
        ("register_returns", after("probe_ended", 3)),
        (
            "insmod_waits",
            after("call_returned call=insmod on=slow_platform_driver", 0),
        ),
        ("convoy", after("call_returned call=insmod on=unrelated", 0)),
    ];
    for cut in 0..=lines.len() {
        let verdict = judge(&parse(&lines[..cut].concat()).unwrap());
        let ended: Vec<_> = ends
            .iter()
            .filter(|(_, end)| *end <= cut)
            .map(|(law, _)| *law)
            .collect();
        assert_eq!(verdict.hold, ended, "after {cut} lines");

        // What is under way: probes that have begun and not ended, removes likewise.
        let mut open: Vec<_> = (0..4).map(|n| format!("slow_platform.{n}")).collect();
        open.retain(|device| {
            let count = |event: &str| {
                let text = format!(" {event} dev={device} ");
                lines[..cut]
                    .iter()
                    .filter(|line| line.contains(&text))
                    .count()
            };
            count("probe_began") > count("probe_ended")
                || count("removing") > count("devres_released")
        });
        assert_eq!(verdict.under_way, open, "after {cut} lines");
    }
}

#[test]
fn any_two_lines_swapped() {
    let lines = lines(LIFE);
    let events = parse(LIFE).unwrap();
    for (at, two) in lines.windows(2).enumerate() {
        let log = swapped(&lines, at);
        if events[at + 1].time - events[at].time > SKEW {
            let error = parse(&log).unwrap_err();
            assert_eq!(error.reason, Reason::OutOfOrder(events[at + 1].time));
        } else if subject(two[0]) == subject(two[1]) {
            assert!(is_seen(&log), "{two:?}");
        }
    }
}

#[test]
fn any_line_there_twice() {
    let refused = |log: &str, at: usize| match parse(log) {
        Err(Refusal {
            line,
            reason: Reason::Twice,
            ..
        }) => assert_eq!(line, Some(at + 2)),
        other => panic!("line {at} twice: {other:?}"),
    };
    for (log, step) in [(LIFE, 1), (POWER_OFF, 1), (INITCALL_DEBUG, 7)] {
        let lines = lines(log);
        for at in (0..lines.len()).step_by(step) {
            if parse(lines[at]).unwrap().is_empty() {
                continue;
            }
            refused(&again(&lines, at, at), at);
        }
    }
    // Wherever it is there once more.
    let lines = lines(LIFE);
    for from in 0..lines.len() {
        for to in 0..=lines.len() {
            assert!(parse(&again(&lines, from, to)).is_err(), "{from} at {to}");
        }
    }
}

/// What a console's log has lost is noticed where something has no beginning or no end.
#[test]
fn any_line_gone() {
    let lines = lines(LIFE);
    let unseen: Vec<_> = (0..lines.len())
        .filter(|at| !is_seen(&without(&lines, *at)))
        .map(|at| lines[at].split_once(": ").unwrap().1)
        .map(|text| text.split(" driver=").next().unwrap().trim_end())
        .collect();
    assert_eq!(
        unseen,
        [
            // The end of the log may be before these.
            "timing: unregistered",
            "call_returned call=rmmod on=slow_platform_driver pid=111 ret=0",
        ]
    );
}

#[test]
fn records_are_numbered() {
    let records = records(LIFE);
    let records: Vec<_> = records.iter().map(String::as_str).collect();
    assert_eq!(parse(&records.concat()), parse(LIFE));
    let is_missed = |log: String| {
        let reason = parse(&log).unwrap_err().reason;
        assert!(matches!(reason, Reason::Gap { .. }), "{reason}");
    };
    for at in 1..records.len() - 1 {
        is_missed(without(&records, at));
        is_missed(swapped(&records, at));
        is_missed(again(&records, at, at));
    }
}
