// SPDX-License-Identifier: GPL-2.0

//! The places of lanes and bars.

use std::collections::HashMap;

use lifecycle::life::Life;

use crate::fold::{fold, Shown};
use crate::lane::{lanes, Of, Size};

/// The width of the picture.
pub(super) const WIDTH: f64 = 1200.0;
/// The margin around the picture.
pub(super) const MARGIN: f64 = 16.0;
/// The x of the end of the log.
pub(super) const RIGHT: f64 = WIDTH - 28.0;
/// The x of the beginning of the log, right of the names of the lanes.
pub(super) const GUTTER: f64 = 230.0;
/// The height of a row of bars.
pub(super) const ROW: f64 = 20.0;
/// The height of a bar in its row.
pub(super) const BAR: f64 = 17.0;
/// The height of a bar at an edge of its row.
pub(super) const EDGE: f64 = 4.0;
/// The gap between two lanes.
const GAP: f64 = 3.0;
/// The height of the heading of the lanes of a kind.
const HEADING: f64 = 23.0;
/// The height of the space below the lanes.
pub(super) const BOTTOM: f64 = 24.0;
/// The height of a strip of many lanes: for each of them, and the least and the largest height.
const EACH: f64 = 1.0;
const LEAST: f64 = 58.0;
const MOST: f64 = 240.0;

/// The places of all strips, from above.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) strips: Vec<Strip>,
    pub(super) bottom: f64,
    /// The place of each bar in the lane of its device, and in that of its task.
    pub(super) in_device: HashMap<usize, Place>,
    pub(super) in_task: HashMap<usize, Place>,
}

/// A lane, or many that are alike.
#[derive(Debug)]
pub(super) struct Strip {
    pub(super) top: f64,
    pub(super) height: f64,
    /// The heading above it, if it is the first of its kind.
    pub(super) heading: Option<Of>,
    pub(super) shown: Shown,
}

/// The upper and the lower edge of a bar.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) top: f64,
    pub(super) height: f64,
}

impl Place {
    pub(super) fn middle(self) -> f64 {
        self.top + self.height / 2.0
    }

    pub(super) fn bottom(self) -> f64 {
        self.top + self.height
    }
}

/// A number of rows, of lanes or of characters.
pub(super) fn float(number: usize) -> f64 {
    // CAST: a log has fewer of them than 2^52.
    #[allow(clippy::cast_precision_loss)]
    let number = number as f64;
    number
}

/// The place of a bar in a lane that begins at `top`.
pub(super) fn place(top: f64, row: usize, size: Size) -> Place {
    let top = top + float(row) * ROW + (ROW - BAR) / 2.0;
    match size {
        Size::Full => Place { top, height: BAR },
        Size::Above => Place {
            top: top - 1.0,
            height: EDGE - 1.0,
        },
        Size::Below => Place {
            top: top + BAR - EDGE,
            height: EDGE,
        },
    }
}

/// The place of the lane of this number among many in a strip.
pub(super) fn among(top: f64, height: f64, number: usize, all: usize) -> Place {
    Place {
        top: top + float(number) * height / float(all),
        height: height / float(all),
    }
}

impl Layout {
    /// Lays out the lanes below `top`.
    pub(super) fn new(timeline: &Life, top: f64) -> Self {
        let mut layout = Self {
            strips: Vec::new(),
            bottom: top,
            in_device: HashMap::new(),
            in_task: HashMap::new(),
        };
        let mut last = None;
        for shown in fold(timeline, lanes(timeline)) {
            let of = shown.of();
            let heading = (last != Some(of)).then_some(of);
            last = Some(of);
            if heading.is_some() {
                layout.bottom += HEADING;
            }
            let top = layout.bottom;
            let places = match of {
                Of::Device => &mut layout.in_device,
                Of::Caller | Of::Worker => &mut layout.in_task,
            };
            let height = match &shown {
                Shown::One(lane) => {
                    for placed in &lane.bars {
                        places.insert(placed.bar, place(top, placed.row, placed.size));
                    }
                    float(lane.rows) * ROW
                }
                Shown::Many(lanes, _) => {
                    let height = (float(lanes.len()) * EACH).clamp(LEAST, MOST);
                    for (number, lane) in lanes.iter().enumerate() {
                        let place = among(top, height, number, lanes.len());
                        places.extend(lane.bars.iter().map(|placed| (placed.bar, place)));
                    }
                    height
                }
            };
            layout.strips.push(Strip {
                top,
                height,
                heading,
                shown,
            });
            layout.bottom = top + height + GAP;
        }
        layout
    }
}
