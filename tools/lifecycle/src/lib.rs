// SPDX-License-Identifier: GPL-2.0

//! What logs tell of asynchronous probing.
//!
//! The kernel side prints its events (`Documentation/dmesg-timing.rst`), userspace adds when its
//! own calls began and returned; [`parse`] reads them, recordings and `initcall_debug` into a list
//! of [`Event`]s. A [`Life`] is what such a list shows; [`laws`] judge it, [`summary`] measures it
//! and [`report`] prints what was measured.
//!
//! Nothing in this crate does I/O or looks at a clock: the same log gives the same answer on every
//! machine.

pub mod designs;
pub mod diff;
pub mod driver;
pub mod errno;
pub mod event;
pub mod ktap;
pub mod kunit;
pub mod laws;
pub mod life;
pub mod micros;
pub mod parse;
pub mod probe_type;
pub mod probing;
pub mod report;
pub mod series;
pub mod simulate;
pub mod steps;
pub mod summary;

pub use event::{Event, What};
pub use life::Life;
pub use micros::Micros;
pub use probe_type::ProbeType;
pub use probing::Probing;
