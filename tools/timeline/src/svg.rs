// SPDX-License-Identifier: GPL-2.0

//! A timeline as a picture: SVG without scripts and fonts of its own, in light and dark, for the
//! screen and for paper.

mod draw;
mod layout;
mod legend;
mod waits;

use lifecycle::life::Life;
use svg::node::element::{Group, Rectangle, Style, Title};
use svg::Document;

use crate::scale::Scale;
use crate::words;
use crate::Heading;
use draw::{px, text};
use layout::{Layout, BOTTOM, GUTTER, MARGIN, RIGHT, ROW, WIDTH};

/// The largest number of ticks of the axis.
const TICKS: u32 = 10;

/// The height of the names of the parts.
const PART: f64 = 18.0;

/// The style sheet for light, dark and paper.
pub fn style() -> String {
    format!(
        "{}@media screen and (prefers-color-scheme: dark) {{\n{}}}\n",
        include_str!("look.css"),
        include_str!("dark.css")
    )
}

/// Draws a timeline.
pub fn svg(timeline: &Life, heading: &Heading) -> String {
    let (legend, below_legend) = legend::legend(timeline, 66.0);
    let parts = if heading.parts.is_empty() { 0.0 } else { PART };
    let layout = Layout::new(timeline, below_legend + parts + 26.0);
    let scale = Scale::new(timeline.begin, timeline.end, GUTTER, RIGHT - GUTTER);
    let height = layout.bottom + BOTTOM + if layout.strips.is_empty() { ROW } else { 0.0 };
    let mut picture = Document::new()
        .set("viewBox", (0, 0, WIDTH, px(height)))
        .set("width", WIDTH)
        .set("height", px(height))
        .set("role", "img")
        // The style is first, as the licence is at its top: pictures are committed, too.
        .add(Style::new(style()))
        .add(Title::new(draw::clean(&heading.title)))
        .add(legend::definitions())
        .add(
            Rectangle::new()
                .set("class", "paper")
                .set("width", "100%")
                .set("height", "100%"),
        )
        .add(text(MARGIN, 25.0, "title", &heading.title))
        .add(text(
            MARGIN,
            44.0,
            "note",
            &words::subtitle(timeline, &heading.identity),
        ))
        .add(legend)
        .add(draw::parts(
            &scale,
            &heading.parts,
            below_legend,
            layout.bottom,
        ))
        .add(axis(&scale, below_legend + parts, &layout));
    if layout.strips.is_empty() {
        picture = picture.add(text(GUTTER, layout.bottom + ROW, "note", words::NOTHING));
    }
    // A strip may have a hundred thousand bars, and its nodes take more memory than its text.
    const END: &str = "\n</svg>";
    let mut text = picture.to_string();
    text.truncate(text.len() - END.len());
    for strip in &layout.strips {
        text += &format!("\n{}", draw::strip(timeline, &scale, strip));
    }
    text + &format!("\n{}{END}\n", waits::waits(timeline, &scale, &layout))
}

/// The legend as a list in HTML, which wraps on a narrow screen, with the patterns that the style
/// sheet refers to.
pub fn legend(timeline: &Life) -> String {
    let definitions = Document::new()
        .set("width", 0)
        .set("height", 0)
        .set("aria-hidden", "true")
        .add(legend::definitions());
    let entries = legend::entries(timeline).into_iter().map(|(class, words)| {
        let swatch = Document::new()
            .set("width", 26)
            .set("height", 15)
            .set("aria-hidden", "true")
            .add(legend::swatch(&class, 1.0, 1.0));
        format!("<li>{swatch} {words}</li>\n")
    });
    let entries: String = entries.collect();
    format!("{definitions}\n<ul id=\"legend\">\n{entries}</ul>")
}

/// The grid, with its times above it, and in a high picture below it, too.
fn axis(scale: &Scale, top: f64, layout: &Layout) -> Group {
    let mut axis = Group::new().set("class", "axis");
    for tick in scale.ticks(TICKS) {
        let x = scale.x(tick.time);
        axis = axis
            .add(draw::line(x, top + 18.0, x, layout.bottom, "grid"))
            .add(text(x, top + 13.0, "note middle tick", &tick.label));
        if layout.bottom - top > 20.0 * ROW {
            axis = axis.add(text(
                x,
                layout.bottom + 14.0,
                "note middle tick",
                &tick.label,
            ));
        }
    }
    axis
}
