// SPDX-License-Identifier: GPL-2.0

//! The trace, held against the Trace Event Format and against the events of the log.

use std::collections::{BTreeMap, BTreeSet};

use lifecycle::{Event, Micros};
use proptest::prelude::*;
use serde_json::Value;
use timeline::trace::trace;
use timeline::Heading;

use crate::expected::{self, Bar};
use crate::{random, samples};

/// What a reader of the format sees.
#[derive(Debug, Default)]
struct Read {
    slices: Vec<Bar>,
    flows: usize,
}

fn write(events: &[Event]) -> String {
    let heading = Heading {
        title: "a \"title\"".to_owned(),
        identity: "Linux".to_owned(),
        parts: vec![],
    };
    trace(&expected::life(events), &heading)
}

/// Reads a trace; panics at everything that the format does not allow.
fn read(json: &str) -> Result<Read, String> {
    let file: Value = serde_json::from_str(json).unwrap();
    assert_eq!(file["displayTimeUnit"], "ms");
    let events = file["traceEvents"].as_array().unwrap();
    let number = |event: &Value, key: &str| event[key].as_u64().unwrap();
    let text = |event: &Value, key: &str| event[key].as_str().unwrap().to_owned();
    let mut processes = BTreeMap::new();
    let mut threads = BTreeMap::new();
    let mut orders = BTreeSet::new();

    // By process and thread: from when to when, and the event.
    type Slices = BTreeMap<(u64, u64), Vec<(u64, u64, Value)>>;
    let mut slices = Slices::new();
    let mut starts = BTreeMap::new();
    let mut ends = BTreeMap::new();
    for event in events {
        let keys: BTreeSet<&str> = event
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        for key in ["name", "cat", "ph", "ts", "pid", "tid"] {
            assert!(keys.contains(key), "no {key}: {event}");
        }
        let track = (number(event, "pid"), number(event, "tid"));
        let more = |more: &[&str]| {
            let common = ["name", "cat", "ph", "ts", "pid", "tid", "args"];
            let known = keys
                .iter()
                .all(|key| common.contains(key) || more.contains(key));
            assert!(
                known && more.iter().all(|key| keys.contains(key)),
                "{event}"
            );
        };
        match text(event, "ph").as_str() {
            "M" => {
                more(&[]);
                let args = &event["args"];
                match text(event, "name").as_str() {
                    "process_name" => {
                        assert_eq!(processes.insert(track.0, text(args, "name")), None);
                    }
                    "thread_name" => {
                        assert_eq!(threads.insert(track, text(args, "name")), None);
                    }
                    "process_sort_index" | "thread_sort_index" => {
                        number(args, "sort_index");
                        orders.insert((text(event, "name"), track));
                    }
                    name => panic!("metadata {name}"),
                }
            }
            "X" => {
                more(&["dur"]);
                let begin = number(event, "ts");
                let end = begin + number(event, "dur");
                slices
                    .entry(track)
                    .or_default()
                    .push((begin, end, event.clone()));
            }
            "i" => {
                more(&["s"]);
                assert_eq!(event["s"], "t");
            }
            // Readers bind a flow to the slice of the track that began last.
            "s" => {
                more(&["id"]);
                let on = slices[&track].last().unwrap().clone();
                assert_eq!(number(event, "ts"), on.0);
                assert_eq!(starts.insert(number(event, "id"), on), None);
            }
            "f" => {
                more(&["id", "bp"]);
                assert_eq!(event["bp"], "e");
                let on = slices[&track].last().unwrap().clone();
                assert_eq!(number(event, "ts"), on.0);
                assert_eq!(ends.insert(number(event, "id"), on), None);
            }
            ph => panic!("phase {ph}"),
        }
    }
    // A thread's number is its own, whatever its process.
    let numbers: BTreeSet<u64> = threads.keys().map(|(_, tid)| *tid).collect();
    assert_eq!(numbers.len(), threads.len());
    assert!(!numbers.contains(&0));
    assert_eq!(orders.len(), processes.len() + threads.len());
    let mut all = Vec::new();
    for (track, slices) in &slices {
        // They come in order, and lie within each other or apart.
        let mut open: Vec<u64> = Vec::new();
        let mut last = 0;
        for (begin, end, event) in slices {
            assert!(last <= *begin, "{event}");
            last = *begin;
            while open.last().is_some_and(|end| end <= begin) {
                open.pop();
            }
            assert!(open.last().is_none_or(|around| end <= around), "{event}");
            open.push(*end);
            if event["cat"] == "wait" {
                continue;
            }
            let lane = &threads[track];
            let lane = lane
                .strip_suffix(')')
                .and_then(|lane| lane.rsplit_once(" ("));
            all.push(Bar {
                section: processes[&track.0].clone(),
                lane: lane
                    .map_or(threads[track].as_str(), |(lane, _)| lane)
                    .to_owned(),
                class: event["cat"].as_str().unwrap().to_owned(),
                begin: Micros(*begin),
                end: Micros(*end),
            });
        }
    }
    assert!(starts.keys().eq(ends.keys()));
    for (id, (begin, end, from)) in &starts {
        let (woken, _, to) = &ends[id];
        assert!(begin <= woken, "flow {id} goes back");
        let (from, to) = (text(from, "name"), text(to, "name"));
        if !from.starts_with("probe of ") || !to.starts_with("waited for ") || end > woken {
            return Err(format!("flow {id} from {from}, {end}, to {to}, {woken}"));
        }
    }
    Ok(Read {
        slices: all,
        flows: starts.len(),
    })
}

/// All that the events tell is there, on the right track, and nothing else of the same kinds.
fn check(events: &[Event], json: &str) -> Result<(), String> {
    let mut expected = expected::bars(events);
    for bar in &mut expected {
        bar.class = bar.class.split(' ').next().unwrap().to_owned();
        bar.end = bar.end.max(bar.begin);
    }
    expected::compare(read(json)?.slices, expected)
}

#[test]
fn all_samples() {
    for (name, events) in samples::all() {
        check(&events, &write(&events)).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    }
}

#[test]
fn cut_off_anywhere() {
    let events = lifecycle::parse::recording::parse(samples::RECORDED).unwrap();
    for cut in (0..=events.len()).step_by(3) {
        let events = &events[..cut];
        check(events, &write(events)).unwrap_or_else(|wrong| panic!("{cut}: {wrong}"));
    }
}

#[test]
fn the_convoy_has_flows() {
    let events = lifecycle::parse::dmesg::parse(samples::CONVOY).unwrap();
    assert_eq!(read(&write(&events)).unwrap().flows, 16);
}

#[test]
fn a_wrong_trace_is_found() {
    let events = lifecycle::parse::dmesg::parse(samples::CONVOY).unwrap();
    let json = write(&events);
    check(&events, &json).unwrap();
    // The first probe of the log ends later, or is another device's.
    for (right, wrong) in [
        (
            "\"ts\":7360656,\"dur\":1004318",
            "\"ts\":7360656,\"dur\":1004319",
        ),
        (
            "\"name\":\"slow_platform.0\"",
            "\"name\":\"slow_platform.9\"",
        ),
    ] {
        assert!(json.contains(right), "{right}");
        assert!(
            check(&events, &json.replacen(right, wrong, 1)).is_err(),
            "{right}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn random_logs(log in random::log()) {
        let events = lifecycle::parse::dmesg::parse(&log).unwrap();
        let checked = check(&events, &write(&events));
        prop_assert!(checked.is_ok(), "{}\n{log}", checked.unwrap_err());
    }
}
