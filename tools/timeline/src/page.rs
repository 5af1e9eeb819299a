// SPDX-License-Identifier: GPL-2.0

//! A timeline as an HTML page that can be zoomed and searched: one file, which loads no other.

use lifecycle::life::Life;
use lifecycle::Micros;
use serde::Serialize;

use crate::json::{json, list};
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
    let values = [
        ("title", escape(&heading.title)),
        (
            "subtitle",
            escape(&words::subtitle(timeline, &heading.identity)),
        ),
        ("style", format!("{}{STYLE}", svg::style())),
        ("legend", svg::legend(timeline)),
        ("script", SCRIPT.to_owned()),
    ];
    let (before, after) = PAGE.split_once("{{data}}").unwrap_or((PAGE, ""));
    let mut page = fill(before, &values);
    data(&mut page, timeline, heading);
    page + &fill(after, &values)
}

/// All that the page shows, as an object of JSON.
fn data(text: &mut String, timeline: &Life, heading: &Heading) {
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
    let lanes = lanes(timeline);
    let lanes = lanes.iter().map(|lane| lane_data(timeline, lane));
    *text += &format!(
        "{{\"begin\":{},\"end\":{}",
        json(&timeline.begin),
        json(&timeline.end)
    );
    // When each part begins, and its name.
    *text += ",\"parts\":";
    list(text, parts.map(|part| (part.begin, &part.name)));
    // The text that stands in a chart without lanes.
    *text += &format!(",\"nothing\":{}", json(&words::NOTHING));
    *text += ",\"lanes\":";
    list(text, lanes);
    *text += ",\"bars\":";
    list(text, bars);
    *text += ",\"waits\":";
    list(text, waits);
    text.push('}');
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
