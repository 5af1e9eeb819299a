// SPDX-License-Identifier: GPL-2.0

//! The benchmark of the designs: what is measured, what it must not exceed, and how it is shown.
//!
//! The program `measure` runs in the guest and prints one [`Measured`] per line. The lab collects
//! them into a [`Benchmark`], which is `out/bench.json`, the tables in the terminal and those in
//! `Documentation/designs.rst`.

pub mod benchmark;
pub mod design;
pub mod limits;
pub mod measured;
pub mod tables;

pub use benchmark::Benchmark;
pub use design::Design;
pub use measured::Measured;
