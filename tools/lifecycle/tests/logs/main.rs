// SPDX-License-Identifier: GPL-2.0

//! Logs of real kernels, and what is made of them: timelines, reports and differences.

mod boots;
mod diff;
mod life;
mod report;
mod samples;
