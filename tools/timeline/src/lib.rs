// SPDX-License-Identifier: GPL-2.0

//! Pictures of a [`Life`](lifecycle::Life): the times at which devices were probed and tasks were
//! at work, and which task waited for which probe.
//!
//! [`svg`] draws it for documents, [`page`] makes a page that can be zoomed, and [`trace`] writes
//! the Trace Event Format, which Perfetto opens. All three have the same bars in the same lanes
//! (`lane.rs`); the first folds lanes that are alike (`fold.rs`).
//!
//! A timeline goes in, text comes out; only [`files`] does I/O.

use lifecycle::Micros;

pub mod files;
mod fold;
mod json;
mod lane;
pub mod look;
pub mod page;
mod scale;
pub mod svg;
pub mod trace;
pub mod words;

/// The text above a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// The title.
    pub title: String,
    /// The kernel and the machine; empty if they are not known.
    pub identity: String,
    /// The parts of the log, where the caller knows them: the designs of a comparison.
    pub parts: Vec<Part>,
}

/// A part of the log; it ends where the next part begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The time of its beginning.
    pub begin: Micros,
    /// Its name.
    pub name: String,
}
