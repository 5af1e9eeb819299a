// SPDX-License-Identifier: GPL-2.0

//! The page: its data, held against the events of the log. What its script makes of them is looked
//! at by hand.

use lifecycle::{Event, Micros};
use serde_json::Value;
use timeline::page::page;
use timeline::Heading;

use crate::expected::{self, Bar};
use crate::samples;

fn write(events: &[Event]) -> String {
    let heading = Heading {
        title: "</title><script>alert(1)</script>".to_owned(),
        identity: "Linux {{data}}".to_owned(),
        parts: vec![],
    };
    page(&expected::life(events), &heading)
}

/// The data in a page.
fn data(page: &str) -> Value {
    let (_, after) = page
        .split_once("<script id=\"data\" type=\"application/json\">")
        .unwrap();
    let (data, _) = after.split_once("</script>").unwrap();
    serde_json::from_str(data).unwrap()
}

fn check(events: &[Event], data: &Value) -> Result<(), String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let time = |value: &Value| Micros(value.as_u64().unwrap());
    let mut bars = vec![];
    for lane in data["lanes"].as_array().unwrap() {
        for placed in lane["bars"].as_array().unwrap() {
            let bar = &data["bars"][usize::try_from(placed[0].as_u64().unwrap()).unwrap()];
            bars.push(Bar {
                section: text(&lane["of"]),
                lane: text(&lane["name"]),
                class: text(&bar["class"]),
                begin: time(&bar["begin"]),
                end: time(&bar["end"]),
            });
        }
    }
    expected::compare(bars, expected::bars(events))
}

#[test]
fn all_samples() {
    for (name, events) in samples::all() {
        let data = data(&write(&events));
        check(&events, &data).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        let waits = expected::life(&events).waits.len();
        assert_eq!(data["waits"].as_array().unwrap().len(), waits);
    }
}

#[test]
fn a_wrong_page_is_found() {
    let events = lifecycle::parse::dmesg::parse(samples::CONVOY).unwrap();
    let mut data = data(&write(&events));
    check(&events, &data).unwrap();
    data["bars"][0]["end"] = 1.into();
    assert!(check(&events, &data).is_err());
}

/// Nothing is loaded from anywhere, and nothing from the log or the heading becomes markup.
#[test]
fn it_is_one_file_and_text_stays_text() {
    let log = samples::CONVOY.replace("slow_platform.3", "</script><script>alert(1)");
    let events = lifecycle::parse::dmesg::parse(&log).unwrap();
    let page = write(&events);
    assert!(!page.contains("alert(1)<") && !page.contains("<script>alert"));
    assert_eq!(page.matches("<script").count(), 2);
    assert!(page.contains("Linux {{data}}"));
    for load in ["src=", "href=", "@import", "url(http", "fetch(", "import("] {
        assert!(!page.contains(load), "{load}");
    }
    check(&events, &data(&page)).unwrap();
}
