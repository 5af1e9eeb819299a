// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze`: tells from a kernel's log who probed what, how long it took, and who waited for
//! whom.
//!
//! It needs a log and nothing else: no kernel, no root file system, no virtual machine.

pub mod boot_line;
pub mod cli;
pub mod collect;
pub mod diff;
pub mod error;
pub mod file;
pub mod interrupt;
pub mod log;
pub mod output;
pub mod record;
pub mod report;
pub mod timeline;
pub mod what_if;
