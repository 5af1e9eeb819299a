// SPDX-License-Identifier: GPL-2.0

//! A timeline as an HTML page that can be zoomed and searched: one file, which loads no other.

use lifecycle::life::Life;
use lifecycle::Micros;
use serde::Serialize;
use serde_json::json;

use crate::json::list;
use crate::lane::{lanes, Lane, Of, Size};
use crate::look;
use crate::svg;
use crate::words;
use crate::Heading;

const PAGE: &str = include_str!("page/page.html");
const STYLE: &str = include_str!("page/page.css");
const SCRIPT: &str = include_str!("page/page.js");

/// A lane; none of them is folded.
#[derive(Debug, Serialize)]
struct LaneData {
    of: &'static str,
    name: String,
    rows: usize,
    /// Of each bar: its number, its row, its size in the row, and its labels, the longest first.
    bars: Vec<(usize, usize, &'static str, Vec<String>)>,
    marks: Vec<(Micros, String)>,
}

#[derive(Debug, Serialize)]
struct BarData {
    class: String,
    begin: Micros,
    end: Micros,
    details: Vec<(&'static str, String)>,
}

#[derive(Debug, Serialize)]
struct WaitData {
    bar: usize,
    begin: Micros,
    end: Micros,
    on: Vec<usize>,
    inferred: bool,
    details: Vec<(&'static str, String)>,
}

/// Makes the page.
pub fn page(timeline: &Life, heading: &Heading) -> String {
    let style = format!("{}{STYLE}", svg::style());
    fill(
        PAGE,
        &[
            ("title", escape(&heading.title)),
            (
                "subtitle",
                escape(&words::subtitle(timeline, &heading.identity)),
            ),
            ("style", style),
            ("legend", svg::legend(timeline)),
            ("data", data(timeline, heading)),
            ("script", SCRIPT.to_owned()),
        ],
    )
}

/// All that the page shows, as an object of JSON. No tag may begin within a script.
fn data(timeline: &Life, heading: &Heading) -> String {
    let parts = heading.parts.iter();
    let bars = (0..timeline.spans.len()).map(|at| BarData {
        class: look::classes(&timeline.spans[at]),
        begin: timeline.spans[at].begin,
        end: timeline.end_of(at),
        details: words::details(timeline, at),
    });
    let waits = timeline.waits.iter().map(|wait| WaitData {
        bar: wait.span,
        begin: wait.begin,
        end: wait.end.unwrap_or(timeline.end),
        on: wait.on.clone(),
        inferred: wait.inferred,
        details: words::wait_details(timeline, wait),
    });
    let mut text = String::from("{");
    let mut add = |name: &str, value: String| {
        let comma = if text.len() > 1 { "," } else { "" };
        text += &format!("{comma}\"{name}\":");
        match value.contains('<') {
            true => text += &value.replace('<', "\\u003c"),
            false => text += &value,
        }
    };
    add("begin", json!(timeline.begin).to_string());
    add("end", json!(timeline.end).to_string());
    // When each part begins, and its name.
    add("parts", list(parts.map(|part| (part.begin, &part.name))));
    // The text that stands in a chart without lanes.
    add("nothing", json!(words::NOTHING).to_string());
    add(
        "lanes",
        list(lanes(timeline).iter().map(|lane| lane_data(timeline, lane))),
    );
    add("bars", list(bars));
    add("waits", list(waits));
    text + "}"
}

fn lane_data(timeline: &Life, lane: &Lane) -> LaneData {
    let bars = lane.bars.iter().map(|placed| {
        let size = match placed.size {
            Size::Full => "full",
            Size::Above => "above",
            Size::Below => "below",
        };
        let labels = words::labels(timeline, placed.bar, lane.of == Of::Device);
        (placed.bar, placed.row, size, labels)
    });
    let marks = lane.marks.iter().filter_map(|at| {
        let mark = &timeline.spans[*at];
        Some((mark.begin, words::mark(mark)?))
    });
    LaneData {
        of: lane.of.heading(),
        name: lane.name.clone(),
        rows: lane.rows,
        bars: bars.collect(),
        marks: marks.collect(),
    }
}

/// Replaces the `{{name}}`s of a template by values. A `{{name}}` within a value stays.
fn fill(template: &str, values: &[(&str, String)]) -> String {
    let length: usize = values.iter().map(|(_, value)| value.len()).sum();
    let mut filled = String::with_capacity(template.len() + length);
    let mut rest = template;
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}").unwrap_or((after, ""));
        let value = values.iter().find(|(key, _)| *key == name);
        filled.push_str(before);
        filled.push_str(value.map_or("", |(_, value)| value));
        rest = after;
    }
    filled + rest
}

/// Text in HTML.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
