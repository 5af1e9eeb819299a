// SPDX-License-Identifier: GPL-2.0

//! Recordings: what the kernel did with any driver, seen by kprobe events.
//!
//! [`span`] puts the beginnings and returns of functions together, [`async_probe`] what is scheduled
//! and what comes of it.

pub mod async_probe;
pub mod span;

pub use crate::event::{Fetched, Point, Recorded, Side};
pub use async_probe::{async_probes, AsyncProbe};
pub use span::{spans, Span};
