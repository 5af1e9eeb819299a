// SPDX-License-Identifier: GPL-2.0

//! The legend, and the patterns that bars are filled with.

use lifecycle::life::Life;
use svg::node::element::{Circle, Definitions, Group, Marker, Path, Pattern, Rectangle};

use super::draw::{line, px, text, CHARACTER};
use super::layout::{float, MARGIN, WIDTH};
use crate::look;

/// An entry for each look that occurs: the class of its swatch, and its meaning.
pub(super) fn entries(timeline: &Life) -> Vec<(String, &'static str)> {
    let occurs = |(look, _): &(&str, _)| timeline.spans.iter().any(|bar| look::look(bar) == *look);
    let looks = look::LOOKS.into_iter().filter(occurs);
    let mut entries: Vec<(String, &'static str)> = looks
        .map(|(look, meaning)| (format!("bar {look}"), meaning))
        .collect();
    if timeline.spans.iter().any(look::failed) {
        entries.push(("bar failed".to_owned(), "failed"));
    }
    if timeline.spans.iter().any(|bar| bar.end.is_none()) {
        entries.push(("bar open".to_owned(), "the log ends first"));
    }
    if timeline.waits.iter().any(|wait| !wait.inferred) {
        entries.push(("wait".to_owned(), "waits for probes"));
    }
    if timeline.waits.iter().any(|wait| wait.inferred) {
        entries.push(("wait inferred".to_owned(), "waits for probes (inferred)"));
    }
    entries
}

/// The swatch of an entry.
pub(super) fn swatch(class: &str, x: f64, y: f64) -> Rectangle {
    Rectangle::new()
        .set("class", class)
        .set("x", px(x))
        .set("y", px(y))
        .set("width", 24)
        .set("height", 13)
}

/// The legend, from `top` on, and where it ends.
pub(super) fn legend(timeline: &Life, top: f64) -> (Group, f64) {
    let (mut x, mut y) = (MARGIN, top);
    let mut legend = Group::new().set("class", "legend");
    for (class, words) in entries(timeline) {
        let width = 30.0 + float(words.chars().count()) * CHARACTER + 14.0;
        if x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + 20.0);
        }
        legend = legend
            .add(swatch(&class, x, y - 10.0))
            .add(text(x + 29.0, y, "note", words));
        x += width;
    }
    (legend, y + 10.0)
}

/// Stripes: the angle, their distance, and the name of the pattern.
const STRIPES: &[(f64, f64, &str)] = &[
    (45.0, 6.0, "sync"),
    (90.0, 4.0, "remove"),
    (-45.0, 4.0, "failed"),
    (45.0, 3.5, "wait"),
];

/// The patterns and the head of the arrows.
pub(super) fn definitions() -> Definitions {
    let mut definitions = Definitions::new();
    for (angle, distance, name) in STRIPES {
        definitions = definitions.add(
            pattern(name, *distance)
                .set("patternTransform", format!("rotate({angle})"))
                .add(line(0.0, 0.0, *distance, 0.0, &format!("{name}-line"))),
        );
    }
    definitions
        .add(
            pattern("second", 4.0).add(
                Circle::new()
                    .set("class", "second-dot")
                    .set("cx", 2)
                    .set("cy", 2)
                    .set("r", 0.8),
            ),
        )
        .add(
            Marker::new()
                .set("id", "head")
                .set("viewBox", "0 0 8 8")
                .set("refX", 7)
                .set("refY", 4)
                .set("markerWidth", 8)
                .set("markerHeight", 8)
                .set("markerUnits", "userSpaceOnUse")
                .set("orient", "auto")
                .add(Path::new().set("class", "head").set("d", "M0 0L8 4L0 8z")),
        )
}

fn pattern(name: &str, distance: f64) -> Pattern {
    Pattern::new()
        .set("id", name)
        .set("width", distance)
        .set("height", distance)
        .set("patternUnits", "userSpaceOnUse")
        .add(
            Rectangle::new()
                .set("class", format!("{name}-ground"))
                .set("width", distance)
                .set("height", distance),
        )
}
