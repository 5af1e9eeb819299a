// SPDX-License-Identifier: GPL-2.0

//! Records what the running kernel does with any driver, by kprobe events.
//!
//! [`Recorder`] makes the kprobes and an instance of tracefs of its own, and takes all of it back.
//! [`boot`] reads what the kernel has recorded of its boot by itself, with `kprobe_event=` on its
//! command line. Both return the text of a recording, sealed, which `lifecycle` reads.

pub mod boot;
pub mod config;
pub mod error;
mod recorder;
mod tracefs;

pub use error::Error;
pub use recorder::{put_away, Recorder};
