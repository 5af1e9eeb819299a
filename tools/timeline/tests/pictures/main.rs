// SPDX-License-Identifier: GPL-2.0

//! Pictures held against the events of their logs: real logs, logs that are cut off, random ones.

mod drawing;
mod expected;
mod page;
mod random;
mod samples;
mod svg;
mod trace;
