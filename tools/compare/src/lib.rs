// SPDX-License-Identifier: GPL-2.0

//! The comparison of the designs: what is measured, what it must not exceed, and how it is shown.
//!
//! The program `measure` runs in the guest and prints one [`Measured`] per line. The lab collects
//! them into a [`Comparison`], which is `out/compare.json`, the tables in the terminal and those in
//! `Documentation/designs.rst`.

pub mod comparison;
pub mod design;
pub mod limits;
pub mod measured;
pub mod tables;

pub use comparison::Comparison;
pub use design::Design;
pub use measured::Measured;
