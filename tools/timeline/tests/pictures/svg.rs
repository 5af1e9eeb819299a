// SPDX-License-Identifier: GPL-2.0

//! The SVG picture.

use lifecycle::{Event, Micros};
use proptest::prelude::*;
use timeline::svg::svg;
use timeline::{words, Heading, Part};

use crate::drawing::{self, Drawing};
use crate::{expected, random, samples};

/// Nothing is drawn narrower.
const NARROWEST: f64 = 1.0;

/// Half of what a coordinate is rounded to, for both ends of a bar, and what the ticks are off.
const TOLERANCE: f64 = 0.005;

fn draw(events: &[Event]) -> String {
    let heading = Heading {
        title: "a <title> & more".to_owned(),
        identity: "Linux".to_owned(),
        parts: vec![],
    };
    svg(&expected::life(events), &heading)
}

/// Compares a picture with the events of its log; the error is the first difference.
fn check(events: &[Event], svg: &str) -> Result<(), String> {
    let drawing = Drawing::read(svg);
    bars(events, &drawing)?;
    waits(events, &drawing)
}

/// Each bar of the timeline is drawn at the times of its events, no other is, and each has a text.
fn bars(events: &[Event], drawing: &Drawing) -> Result<(), String> {
    let mut expected = expected::bars(events);
    // Those in lanes of their own first: the others are of the lanes that are left.
    let mut drawn: Vec<&drawing::Bar> = drawing.bars.iter().collect();
    drawn.sort_by_key(|bar| bar.lane.is_none());
    for bar in drawn {
        let told = |begin: Micros| {
            let begin = format!("begin: {:.3} ms", (begin.as_f64() - drawing.zero) / 1000.0);
            bar.lane.is_none() || bar.title.contains(&begin)
        };
        let at = expected.iter().position(|one| {
            one.section == bar.section
                && bar.lane.as_ref().is_none_or(|lane| *lane == one.lane)
                && one.class == bar.class
                && is_at(drawing, bar, one.begin, one.end)
                && told(one.begin)
        });
        let at = at.ok_or(format!("no events for {bar:?}"))?;
        expected.swap_remove(at);
    }
    // What is at the edge of others is not drawn where many lanes are in the place of one.
    let many: Vec<&String> = drawing
        .bars
        .iter()
        .filter(|bar| bar.lane.is_none())
        .map(|bar| &bar.section)
        .collect();
    let at_edge = |class: &str| {
        ["firmware", "flush", "work"]
            .iter()
            .any(|of| class.starts_with(of))
    };
    expected.retain(|one| !(at_edge(&one.class) && many.contains(&&one.section)));
    match expected.first() {
        Some(missing) => Err(format!("not drawn: {missing:?}")),
        None => Ok(()),
    }
}

fn is_at(drawing: &Drawing, bar: &drawing::Bar, begin: Micros, end: Micros) -> bool {
    let x = drawing.x(begin.as_f64());
    let width = (drawing.x(end.as_f64()) - x).max(NARROWEST);
    (bar.x - x).abs() < TOLERANCE && (bar.width - width).abs() < TOLERANCE
}

/// Each arrow goes from the end of a probe to the end of the waiting that it is the arrow of, and
/// one of each waiting is the last.
fn waits(events: &[Event], drawing: &Drawing) -> Result<(), String> {
    let expected = expected::bars(events);
    for arrow in &drawing.arrows {
        let probe = expected.iter().find(|one| {
            let drawn = drawing.bars.iter().filter(|bar| bar.section == "devices");
            let mut lane = drawn.filter(|bar| {
                bar.lane.as_ref().is_none_or(|lane| *lane == one.lane)
                    && bar.y < arrow.from.1
                    && arrow.from.1 < bar.y + bar.height
            });
            one.section == "devices"
                && (one.class.starts_with("async") || one.class.starts_with("sync"))
                && (drawing.x(one.end.as_f64()) - arrow.from.0).abs() < TOLERANCE
                && lane.next().is_some()
        });
        if probe.is_none() {
            return Err(format!("no probe ends where this begins: {arrow:?}"));
        }
        let strip = drawing.strips.iter().find(|strip| {
            (strip.x + strip.width - arrow.to.0).abs() < TOLERANCE + NARROWEST
                && strip.title == arrow.title
                && (strip.y - 20.0..=strip.y + 20.0).contains(&arrow.to.1)
        });
        if strip.is_none() {
            return Err(format!("no wait ends where this arrow does: {arrow:?}"));
        }
    }
    for strip in &drawing.strips {
        let mut arrows = drawing
            .arrows
            .iter()
            .filter(|arrow| arrow.title == strip.title);
        if !arrows.any(|arrow| !arrow.class.contains("lesser")) {
            return Err(format!("a wait without an arrow: {strip:?}"));
        }
    }
    for (lane, begin, end) in expected::flushes(events) {
        let strip = drawing.strips.iter().find(|strip| {
            strip.lane.as_ref().is_none_or(|name| *name == lane)
                && is_at(drawing, strip, begin, end)
        });
        if strip.is_none() {
            return Err(format!(
                "{lane} waits from {begin} to {end}, and it is not drawn"
            ));
        }
    }
    Ok(())
}

#[test]
fn all_samples() {
    for (name, events) in samples::all() {
        check(&events, &draw(&events)).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
    }
}

#[test]
fn cut_off_anywhere() {
    let events = lifecycle::parse::recording::parse(samples::RECORDED).unwrap();
    for cut in (0..=events.len()).step_by(3) {
        let events = &events[..cut];
        check(events, &draw(events)).unwrap_or_else(|wrong| panic!("{cut}: {wrong}"));
    }
}

/// Both insmods of the convoy wait for the eight probes, and the arrow of the last is marked.
#[test]
fn the_convoy_is_drawn() {
    let events = lifecycle::parse::dmesg::parse(samples::CONVOY).unwrap();
    let drawing = Drawing::read(&draw(&events));
    assert_eq!(drawing.strips.len(), 2);
    assert_eq!(drawing.arrows.len(), 16);
    let arrows = drawing.arrows.iter();
    assert_eq!(
        arrows
            .filter(|arrow| !arrow.class.contains("lesser"))
            .count(),
        2
    );
}

/// One bar that is a hundredth of a unit off, an arrow that is, and a bar too few are found.
#[test]
fn a_wrong_picture_is_found() {
    let events = lifecycle::parse::dmesg::parse(samples::CONVOY).unwrap();
    let svg = draw(&events);
    let drawing = Drawing::read(&svg);
    check(&events, &svg).unwrap();
    let probe = drawing
        .bars
        .iter()
        .find(|bar| bar.class == "async")
        .unwrap();
    for (right, wrong) in [
        (probe.x, probe.x + 0.01),
        (probe.width, probe.width - 0.01),
        (drawing.arrows[0].from.0, drawing.arrows[0].from.0 + 0.02),
        (drawing.strips[0].width, drawing.strips[0].width + 3.0),
    ] {
        let wrong = svg.replacen(&right.to_string(), &wrong.to_string(), 1);
        assert_ne!(wrong, svg);
        assert!(check(&events, &wrong).is_err(), "{right}");
    }
    let begin = svg.find("<rect class=\"bar async\" height=\"17\"").unwrap();
    let end = begin + svg[begin..].find("</rect>").unwrap() + "</rect>".len();
    let without = format!("{}{}", &svg[..begin], &svg[end..]);
    assert!(check(&events, &without)
        .unwrap_err()
        .starts_with("not drawn"));
    let failed = svg.replacen("bar async", "bar async failed", 2);
    assert!(check(&events, &failed).is_err());
}

/// Hundreds of devices make a picture that is not higher than two pages, in which the slowest and
/// those that failed have lanes of their own.
#[test]
fn many_devices_are_folded() {
    let events = lifecycle::parse::dmesg::parse(&samples::many(512)).unwrap();
    let svg = draw(&events);
    let drawing = Drawing::read(&svg);
    let lanes: std::collections::BTreeSet<&str> = drawing
        .bars
        .iter()
        .filter(|bar| bar.section == "devices")
        .filter_map(|bar| bar.lane.as_deref())
        .collect();
    for shown in ["d.99", "d.199", "d.299", "d.511"] {
        assert!(lanes.contains(shown), "{shown} in {lanes:?}");
    }
    let slowest = (0..511).filter(|device| device % 100 != 99);
    let slowest = slowest.max_by_key(|device| device * 13 % 1000).unwrap();
    assert!(lanes.contains(format!("d.{slowest}").as_str()), "{lanes:?}");
    assert!(lanes.len() < 16, "{lanes:?}");
    let worker = |bar: &&drawing::Bar| bar.section == "workers" && bar.lane.is_some();
    let failed = drawing.bars.iter().filter(worker);
    assert!(failed.filter(|bar| bar.class == "async failed").count() >= 3);
    let height = drawing.bars.iter().map(|bar| bar.y).fold(0.0, f64::max);
    assert!(height < 1600.0, "{height}");
}

/// The parts are named where they begin, and the bars stay where they are.
#[test]
fn parts_are_named() {
    let events = lifecycle::parse::dmesg::parse(samples::CONVOY).unwrap();
    let life = expected::life(&events);
    let middle = Micros((life.begin.0 + life.end.0) / 2);
    let part = |begin, name: &str| Part {
        begin,
        name: name.to_owned(),
    };
    let heading = Heading {
        parts: vec![part(life.begin, "prefer & <async>"), part(middle, "sync")],
        ..Heading::default()
    };
    let svg = svg(&life, &heading);
    check(&events, &svg).unwrap();
    let drawing = Drawing::read(&svg);
    let names: Vec<(&str, f64)> = drawing
        .parts
        .iter()
        .map(|(name, x)| (name.as_str(), *x))
        .collect();
    let [("prefer & <async>", first), ("sync", second)] = names[..] else {
        panic!("{names:?}");
    };
    for (x, time) in [(first, life.begin), (second, middle)] {
        // Beside the line where it begins.
        assert!((x - 4.0 - drawing.x(time.as_f64())).abs() < TOLERANCE);
    }
    assert!(Drawing::read(&draw(&events)).parts.is_empty());
}

#[test]
fn a_picture_of_nothing_says_so() {
    let heading = Heading::default();
    let nothing = expected::life(&[]);
    let picture = svg(&nothing, &heading);
    assert!(picture.contains(words::NOTHING), "{picture}");
    let page = timeline::page::page(&nothing, &heading);
    assert!(page.contains(words::NOTHING));
    let events = lifecycle::parse::dmesg::parse(samples::CONVOY).unwrap();
    assert!(!draw(&events).contains(words::NOTHING));
}

#[test]
fn whatever_is_in_a_log_is_text() {
    let log = samples::CONVOY
        .replace("slow_platform.3", "<script>&\"'")
        .replace("kworker/u8:1", "kworker/u8:1\u{1}\u{7f}]]> -->");
    let events = lifecycle::parse::dmesg::parse(&log).unwrap();
    let svg = draw(&events);
    assert!(!svg.contains("<script"));
    let drawing = Drawing::read(&svg);
    let lane = |lane: &str| {
        drawing
            .bars
            .iter()
            .any(|bar| bar.lane.as_deref() == Some(lane))
    };
    assert!(lane("<script>&\"'"));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn random_logs(log in random::log()) {
        let events = lifecycle::parse::dmesg::parse(&log).unwrap();
        let checked = check(&events, &draw(&events));
        prop_assert!(checked.is_ok(), "{}\n{log}", checked.unwrap_err());
    }
}
