// SPDX-License-Identifier: GPL-2.0

//! Recordings: what the kernel did with any driver, seen by kprobe events.
//!
//! [`span`] puts the beginnings and returns of functions together.

pub mod span;

pub use crate::event::{Fetched, Point, Recorded, Side};
pub use span::{spans, Span};
