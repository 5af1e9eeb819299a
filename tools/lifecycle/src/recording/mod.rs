// SPDX-License-Identifier: GPL-2.0

//! Recordings: what the kernel did with any driver, seen by kprobe events.
//!
//! [`point`] lists the places in the kernel that are recorded, [`text`] reads and writes
//! recordings, [`span`] puts the beginnings and returns of functions together, [`async_probe`] what
//! is scheduled and what comes of it.
//!
//! No recording that is cut off, or has lines gone, added, changed or moved, is read: the checksum at
//! its end tells. Behind a checksum that has been made again, events are still counted and the times
//! are in order, so that a line that is gone, there once more or in another's place is noticed; only
//! the order of what happened in one microsecond is then not known. A recording of another version, of a kernel
//! whose series is not in [`crate::series::SERIES`], with an event that is not in [`point::DEFINITIONS`], with
//! a key that the event does not have, or of another function, is refused, and the error names it.

pub mod async_probe;
pub mod point;
pub mod span;
pub mod text;

use std::fmt;

use crate::ProbeType;
pub use async_probe::{async_probes, AsyncProbe};
pub use point::Point;
pub use span::{spans, Span};
pub use text::{parse, Error, Reason};

/// A task passed a place in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// The name of the task.
    pub task: String,
    /// The task.
    pub pid: u32,
    /// The CPU it ran on.
    pub cpu: u32,
    /// The place.
    pub point: Point,
    /// Which end of the function.
    pub side: Side,
}

/// The two ends of a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Side {
    /// It begins.
    Begins(Fetched),
    /// It returns.
    Returns {
        /// To whom: a symbol, or an address in a module that was gone when the log was read.
        caller: String,
        /// Its result, where it has one.
        ret: Option<i32>,
    },
}

/// What was fetched at the beginning of a function. What the point has no use for is `None`, and so
/// is a string that was not there: the name of a device that has none yet, for one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fetched {
    /// Name of the device.
    pub device: Option<String>,
    /// Where the device is in memory, or the data of scheduled work.
    pub at: Option<u64>,
    /// Name of the driver.
    pub driver: Option<String>,
    /// Where the driver is in memory.
    pub by: Option<u64>,
    /// Where the bus is in memory.
    pub bus: Option<u64>,
    /// What the driver asks of the driver core.
    pub probe_type: Option<ProbeType>,
    /// The drivers that the command line wants to be probed asynchronously.
    pub asked: Option<String>,
    /// Name of a module, of a bus or of a firmware file, or the action of a uevent.
    pub name: Option<String>,
    /// The function that is scheduled.
    pub function: Option<String>,
    /// The async domain; 0 for all that are registered.
    pub domain: Option<u64>,
    /// The caller.
    pub caller: Option<String>,
    /// The NUMA node that work is queued for; -1 for none.
    pub node: Option<i32>,
}

/// Prints `task-pid [cpu] event key=value …`.
impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            task,
            pid,
            cpu,
            point,
            side,
        } = self;
        write!(f, "{task}-{pid} [{cpu:03}] {point}")?;
        match side {
            Side::Begins(fetched) => text::write_fetched(f, point.definition(), fetched),
            Side::Returns { caller, ret } => {
                write!(f, "_end to={caller}")?;
                ret.map_or(Ok(()), |ret| write!(f, " ret={ret}"))
            }
        }
    }
}
