// SPDX-License-Identifier: GPL-2.0

//! The legend, and the patterns that bars are filled with.

use lifecycle::life::Life;
use svg::node::element::{Circle, Definitions, Group, Line, Marker, Path, Pattern, Rectangle};

use super::draw::{line, px, text, CHARACTER};
use crate::look::{self, Look};

/// An entry for each look that occurs: the class of its swatch, and its meaning.
pub(super) fn entries(timeline: &Life) -> Vec<(String, &'static str)> {
    let mut entries: Vec<(String, &'static str)> = Look::ALL
        .into_iter()
        .filter(|look| timeline.spans.iter().any(|bar| Look::of(bar) == *look))
        .map(|look| (format!("bar {}", look.class()), look.legend()))
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

/// The legend, from `top` on between `left` and `right`, and where it ends.
pub(super) fn legend(timeline: &Life, left: f64, top: f64, right: f64) -> (Group, f64) {
    let (mut x, mut y) = (left, top);
    let mut legend = Group::new().set("class", "legend");
    for (class, words) in entries(timeline) {
        // CAST: a legend is short.
        #[allow(clippy::cast_precision_loss)]
        let width = 30.0 + words.chars().count() as f64 * CHARACTER + 14.0;
        if x + width > right {
            (x, y) = (left, y + 20.0);
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
                .add(stripe(*distance, name)),
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

fn stripe(distance: f64, name: &str) -> Line {
    line(0.0, 0.0, distance, 0.0, &format!("{name}-line"))
}
