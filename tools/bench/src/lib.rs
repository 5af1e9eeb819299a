// SPDX-License-Identifier: GPL-2.0

//! The benchmark: what is measured, what it must not exceed, what has become worse, and how it is
//! shown.
//!
//! The program `measure` runs in the guest and prints one [`Measured`] per line. The lab collects
//! them into a [`Benchmark`], which is `out/bench.json`, the tables in the terminal and those in
//! the documentation.

pub mod benchmark;
pub mod cost;
pub mod design;
pub mod document;
pub mod identity;
pub mod limits;
pub mod measured;
pub mod regression;
pub mod tables;

pub use benchmark::Benchmark;
pub use design::Design;
pub use identity::Identity;
pub use lifecycle::designs::Design as Bus;
pub use measured::Measured;
