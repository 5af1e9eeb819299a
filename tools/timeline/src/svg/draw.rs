// SPDX-License-Identifier: GPL-2.0

//! Draws lanes and their bars.

use std::collections::BTreeMap;

use lifecycle::life::Life;
use svg::node::element::path::Data;
use svg::node::element::{Group, Line, Path, Rectangle, Text, Title};

use super::layout::{among, place, Place, Strip, GUTTER, MARGIN, RIGHT, WIDTH};
use crate::fold::{spread, Shown};
use crate::lane::{Lane, Of, Size};
use crate::look;
use crate::scale::Scale;
use crate::words;
use crate::Part;

/// The least width of a bar, so that a bar without length is seen.
pub(super) const NARROWEST: f64 = 1.0;

/// The baseline of a label below the upper edge of its bar: near its middle, above what is drawn at
/// its lower edge.
const ON: f64 = 11.2;

/// The width of a character.
pub(super) const CHARACTER: f64 = 7.23;

/// A length, rounded to a thousandth of a unit, which is finer than screens and paper.
pub(super) fn px(length: f64) -> f64 {
    (length * 1000.0).round() / 1000.0
}

/// Text without the characters that XML cannot have; a log may have them.
pub(super) fn clean(text: &str) -> String {
    let legal = |c: char| !c.is_control() && !matches!(c, '\u{fffe}' | '\u{ffff}');
    let clean = |c| match c {
        '\n' => c,
        c if legal(c) => c,
        _ => '\u{fffd}',
    };
    text.chars().map(clean).collect()
}

/// Text at a place, in a class.
pub(super) fn text(x: f64, y: f64, class: &str, content: &str) -> Text {
    Text::new(clean(content))
        .set("x", px(x))
        .set("y", px(y))
        .set("class", class)
}

/// A straight line.
pub(super) fn line(x1: f64, y1: f64, x2: f64, y2: f64, class: &str) -> Line {
    Line::new()
        .set("x1", px(x1))
        .set("y1", px(y1))
        .set("x2", px(x2))
        .set("y2", px(y2))
        .set("class", class)
}

/// A text shortened to so many characters: its beginning and its end.
pub(super) fn shorten(text: &str, characters: usize) -> String {
    let all: Vec<char> = text.chars().collect();
    if all.len() <= characters {
        return text.to_owned();
    }
    let head = characters.saturating_sub(1) * 2 / 3;
    let tail = characters.saturating_sub(1) - head;
    let head: String = all[..head].iter().collect();
    let tail: String = all[all.len() - tail..].iter().collect();
    format!("{head}…{tail}")
}

/// The number of characters that fit into a width.
pub(super) fn room(width: f64) -> usize {
    // CAST: a width in a picture is positive and small.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let characters = (width / CHARACTER).max(0.0) as usize;
    characters
}

/// The names of the parts, each where it begins and as far as the next one, and a line there.
pub(super) fn parts(scale: &Scale, parts: &[Part], top: f64, bottom: f64) -> Group {
    let mut group = Group::new().set("class", "parts");
    for (at, part) in parts.iter().enumerate() {
        let x = scale.x(part.begin);
        let end = parts.get(at + 1).map_or(RIGHT, |next| scale.x(next.begin));
        let name = shorten(&part.name, room(end - x - 6.0));
        group = group
            .add(line(x, top + 2.0, x, bottom, "part"))
            .add(text(x + 4.0, top + 13.0, "name", &name).add(Title::new(clean(&part.name))));
    }
    group
}

/// Draws a strip: one lane, or many that are alike.
pub(super) fn strip(timeline: &Life, scale: &Scale, strip: &Strip) -> Group {
    let mut group = Group::new().set("class", "lane");
    if let Some(of) = strip.heading {
        group = group
            .add(text(MARGIN, strip.top - 7.0, "heading", of.heading()))
            .add(line(
                MARGIN,
                strip.top - 2.0,
                WIDTH - MARGIN,
                strip.top - 2.0,
                "edge",
            ));
    }
    match &strip.shown {
        Shown::One(lane) => one(timeline, scale, strip, lane, group),
        Shown::Many(lanes, all) => many(timeline, scale, strip, lanes, *all, group),
    }
}

fn one(timeline: &Life, scale: &Scale, strip: &Strip, lane: &Lane, group: Group) -> Group {
    let name = shorten(&lane.name, room(GUTTER - MARGIN - 8.0));
    let mut group =
        group.add(text(MARGIN, strip.top + 14.0, "name", &name).add(Title::new(clean(&lane.name))));
    // Inner bars are drawn last, on top of outer ones.
    let mut bars = lane.bars.clone();
    bars.sort_by_key(|placed| placed.size == Size::Below);
    for placed in &bars {
        let place = place(strip.top, placed.row, placed.size);
        group = group.add(bar(timeline, scale, placed.bar, place));
    }
    for (at, placed) in lane.bars.iter().enumerate() {
        if placed.size != Size::Full {
            continue;
        }
        let place = place(strip.top, placed.row, placed.size);
        let (x, width) = extent(timeline, scale, placed.bar);
        let labels = words::labels(timeline, placed.bar, lane.of == Of::Device);
        let fits = |width| {
            let fits = move |label: &&String| label.chars().count() <= room(width);
            labels.iter().find(fits)
        };
        let y = place.top + ON;
        if let Some(label) = fits(width - 7.0) {
            group = group.add(text(x + 4.0, y, "on", label));
        } else if look::failed(&timeline.spans[placed.bar]) {
            // The label of a failed bar that is too narrow stands beside it, before the next bar.
            let next = lane.bars[at + 1..]
                .iter()
                .find(|next| next.row == placed.row && next.size == Size::Full);
            let next = next.map_or(RIGHT, |next| extent(timeline, scale, next.bar).0);
            if let Some(label) = fits(next - x - width - 7.0) {
                group = group.add(text(x + width + 3.0, y, "on", label));
            }
        }
    }
    group
}

/// The x and the width of a bar.
fn extent(timeline: &Life, scale: &Scale, at: usize) -> (f64, f64) {
    let x = scale.x(timeline.spans[at].begin);
    let width = scale.x(timeline.end_of(at)) - x;
    (x, width.max(NARROWEST))
}

fn bar(timeline: &Life, scale: &Scale, at: usize, place: Place) -> Rectangle {
    let (x, width) = extent(timeline, scale, at);
    let details = words::lines(&words::details(timeline, at));
    Rectangle::new()
        .set(
            "class",
            format!("bar {}", look::classes(&timeline.spans[at])),
        )
        .set("x", px(x))
        .set("y", px(place.top))
        .set("width", px(width))
        .set("height", px(place.height))
        .add(Title::new(clean(&details)))
}

/// Draws each of many lanes as a thin line.
fn many(
    timeline: &Life,
    scale: &Scale,
    strip: &Strip,
    lanes: &[Lane],
    all: usize,
    group: Group,
) -> Group {
    let mut paths: BTreeMap<String, Data> = BTreeMap::new();
    for (number, lane) in lanes.iter().enumerate() {
        let place = among(strip.top, strip.height, number, lanes.len());
        for placed in lane.bars.iter().filter(|placed| placed.size == Size::Full) {
            let (x, width) = extent(timeline, scale, placed.bar);
            let path = paths
                .remove(&look::classes(&timeline.spans[placed.bar]))
                .unwrap_or_default();
            paths.insert(
                look::classes(&timeline.spans[placed.bar]),
                path.move_to((px(x), px(place.top)))
                    .horizontal_line_by(px(width))
                    .vertical_line_by(px(place.height))
                    .horizontal_line_by(px(-width))
                    .close(),
            );
        }
    }
    let of = match lanes[0].of {
        Of::Device => "probes",
        Of::Caller | Of::Worker => "bars",
    };
    let mut lines = vec![
        pattern(lanes),
        if all == lanes.len() {
            format!("{all} alike")
        } else {
            format!("{} of {all} alike", lanes.len())
        },
    ];
    if let Some([shortest, median, longest]) = spread(timeline, lanes) {
        lines.push(format!("{of} {shortest} to"));
        lines.push(format!("{longest}, median {median} ms"));
    }
    let mut group = group;
    let title = clean(&lines.join("\n"));
    for (class, path) in paths {
        group = group.add(
            Path::new()
                .set("class", format!("bar many {class}"))
                .set("d", path)
                .add(Title::new(title.clone())),
        );
    }
    let mut y = strip.top + 11.0;
    for (at, line) in lines.iter().enumerate() {
        let class = if at == 0 { "name" } else { "note" };
        let line = shorten(line, room(GUTTER - MARGIN - 4.0));
        group = group.add(text(MARGIN, y, class, &line));
        y += 14.0;
    }
    group
}

/// The beginning that the names of these lanes have in common.
fn pattern(lanes: &[Lane]) -> String {
    let first = &lanes[0].name;
    let common = lanes.iter().fold(first.len(), |common, lane| {
        let same = first.chars().zip(lane.name.chars());
        let same = same.take_while(|(a, b)| a == b);
        common.min(same.map(|(a, _)| a.len_utf8()).sum())
    });
    format!("{}*", &first[..common])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shortened() {
        assert_eq!(shorten("slow_platform.0", 15), "slow_platform.0");
        assert_eq!(shorten("slow_platform.123", 10), "slow_p…123");
        assert_eq!(shorten("ab", 1), "…");
    }

    #[test]
    fn no_illegal_characters() {
        assert_eq!(
            clean("a\u{1}b\u{7f}\n\u{ffff}<"),
            "a\u{fffd}b\u{fffd}\n\u{fffd}<"
        );
    }
}
