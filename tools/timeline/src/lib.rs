// SPDX-License-Identifier: GPL-2.0

//! Pictures of a [`Life`](lifecycle::Life): who was busy with what, when, and who waited
//! for whom.
//!
//! [`svg`] draws it for documents, [`page`] makes a page to look around in, and [`trace`] writes
//! the Trace Event Format, which Perfetto opens. All three have the same bars in the same lanes
//! ([`lane`]); the first folds lanes that are alike ([`fold`]).
//!
//! A timeline goes in, text comes out; only [`files`] does I/O.

use lifecycle::Micros;

pub mod files;
pub mod fold;
pub mod lane;
pub mod look;
pub mod page;
pub mod scale;
pub mod svg;
pub mod trace;
pub mod words;

/// What stands above a picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Heading {
    /// What was done.
    pub title: String,
    /// On what: kernel, processors, clock. Empty if that is not known.
    pub identity: String,
    /// What was done one after the other, where the caller knows it: the designs of a comparison.
    pub parts: Vec<Part>,
}

/// A part of what was done, until the next part begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// When it begins.
    pub begin: Micros,
    /// Its name.
    pub name: String,
}
