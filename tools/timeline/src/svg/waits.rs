// SPDX-License-Identifier: GPL-2.0

//! Draws the waits: a strip on the bar of the task that waits, and an arrow from the end of each
//! probe that it waits for.

use lifecycle::life::{Life, Wait};
use svg::node::element::path::Data;
use svg::node::element::{Group, Path, Rectangle, Title};

use super::draw::{clean, px, NARROWEST};
use super::layout::{Layout, Place, EDGE};
use crate::scale::Scale;
use crate::words;

/// A wait for more probes than this has one arrow: that of the probe that ended last.
const ARROWS: usize = 12;

pub(super) fn waits(timeline: &Life, scale: &Scale, layout: &Layout) -> Group {
    let mut group = Group::new().set("class", "waits");
    for wait in &timeline.waits {
        let Some(waiter) = layout.in_task.get(&wait.span) else {
            continue;
        };
        let title = clean(&words::lines(&words::wait_details(timeline, wait)));
        group = group.add(strip(timeline, scale, wait, *waiter).add(Title::new(title.clone())));
        let only_last = wait.more + wait.on.len() > ARROWS;
        for (at, probe) in wait.on.iter().enumerate() {
            let last = at + 1 == wait.on.len();
            let Some(from) = layout.in_device.get(probe).filter(|_| last || !only_last) else {
                continue;
            };
            let arrow = arrow(timeline, scale, wait, *probe, *from, *waiter, last);
            group = group.add(arrow.add(Title::new(title.clone())));
        }
    }
    group
}

fn classes(wait: &Wait, class: &str) -> String {
    let inferred = if wait.inferred { " inferred" } else { "" };
    format!("{class}{inferred}")
}

fn strip(timeline: &Life, scale: &Scale, wait: &Wait, waiter: Place) -> Rectangle {
    let x = scale.x(wait.begin);
    let width = scale.x(wait.end.unwrap_or(timeline.end)) - x;
    let height = EDGE.min(waiter.height);
    Rectangle::new()
        .set("class", classes(wait, "wait"))
        .set("x", px(x))
        .set("y", px(waiter.bottom() - height))
        .set("width", px(width.max(NARROWEST)))
        .set("height", px(height))
}

fn arrow(
    timeline: &Life,
    scale: &Scale,
    wait: &Wait,
    probe: usize,
    from: Place,
    waiter: Place,
    last: bool,
) -> Path {
    let end = wait.end.unwrap_or(timeline.end);
    let below = waiter.bottom() < from.top;
    let to = if below { waiter.bottom() } else { waiter.top };
    let data = Data::new()
        .move_to((px(scale.x(timeline.end_of(probe))), px(from.middle())))
        .line_to((px(scale.x(end)), px(to)));
    let class = if last { "arrow" } else { "arrow lesser" };
    let path = Path::new()
        .set("class", classes(wait, class))
        .set("d", data);
    if last {
        path.set("marker-end", "url(#head)")
    } else {
        path
    }
}
