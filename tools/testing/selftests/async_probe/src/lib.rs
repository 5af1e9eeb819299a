// SPDX-License-Identifier: GPL-2.0

//! What the selftests have in common.
//!
//! Each program under `src/programs` is one topic: it makes a list of [`ktap::Test`]s and hands it
//! to [`ktap::run`]. Every test gets a [`Bench`], on which it loads modules, binds devices and
//! reads the log; whatever it leaves behind is cleaned up after it.
//!
//! The programs run as root on any machine that has the modules. They look for them in the
//! directory that the environment variable `ASYNC_PROBE_MODULES` names, in `modules/` beside the
//! program, in `/modules` and below `/lib/modules/$(uname -r)`.

pub mod bench;
pub mod failure;
pub mod firmware_dir;
pub mod hotplug;
pub mod kernel;
pub mod kmemleak;
pub mod kmsg;
pub mod ktap;
pub mod last;
pub mod lockdep;
pub mod modules;
pub mod order;
pub mod power_off;
pub mod random;
pub mod recorder;
pub mod samples;
pub mod slow;
pub mod sysfs;
pub mod test_modules;
pub mod uevents;

pub use bench::Bench;
pub use failure::{ensure, Failure};
pub use ktap::Test;
pub use order::Order;
