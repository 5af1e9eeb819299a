// SPDX-License-Identifier: GPL-2.0

//! What a recording says of one place in the kernel.

use std::fmt;

use smol_str::SmolStr;

use super::point::{Definition, Point, Value};
use crate::probe_type::ProbeType;

/// A task passed a place in the kernel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Recorded {
    /// The name of the task.
    pub task: SmolStr,
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
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// It begins.
    Begins(Box<Fetched>),
    /// It returns.
    Returns {
        /// To whom: a symbol, or an address in a module that was gone when the log was read.
        caller: SmolStr,
        /// Its result, where it has one.
        ret: Option<i32>,
    },
}

/// What was fetched at the beginning of a function. What the point has no use for is `None`, and so
/// is a string that was not there: the name of a device that has none yet, for one.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fetched {
    /// Name of the device.
    pub device: Option<SmolStr>,
    /// Where the device is in memory: its identity, as names are unique on one bus only. Or the
    /// data of scheduled work.
    pub at: Option<u64>,
    /// Name of the driver.
    pub driver: Option<SmolStr>,
    /// Where the driver is in memory.
    pub by: Option<u64>,
    /// Where the bus is in memory.
    pub bus: Option<u64>,
    /// What the driver asks of the driver core.
    pub probe_type: Option<ProbeType>,
    /// The drivers that the command line wants to be probed asynchronously.
    pub asked: Option<SmolStr>,
    /// Name of a module, of a bus or of a firmware file, or the action of a uevent.
    pub name: Option<SmolStr>,
    /// The function that is scheduled.
    pub function: Option<SmolStr>,
    /// The async domain; 0 for all that are registered.
    pub domain: Option<u64>,
    /// The caller.
    pub caller: Option<SmolStr>,
    /// The NUMA node that work is queued for; -1 for none.
    pub node: Option<i32>,
}

/// Prints `task-pid [cpu] event key=value …`.
impl fmt::Display for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let point = self.point;
        write!(f, "{}-{} [{:03}] {point}", self.task, self.pid, self.cpu)?;
        match &self.side {
            Side::Begins(fetched) => write_fetched(f, point.definition(), fetched),
            Side::Returns { caller, ret } => {
                write!(f, "_end to={caller}")?;
                ret.map_or(Ok(()), |ret| write!(f, " ret={ret}"))
            }
        }
    }
}

/// Prints ` key=value key=value`, as tracefs does.
pub(crate) fn write_fetched(
    f: &mut fmt::Formatter<'_>,
    definition: &Definition,
    fetched: &Fetched,
) -> fmt::Result {
    let quoted = |f: &mut fmt::Formatter<'_>, text: &Option<SmolStr>| match text {
        Some(text) => write!(f, "\"{text}\""),
        None => f.write_str("(fault)"),
    };
    for (key, _, value) in definition.fetch {
        write!(f, " {key}=")?;
        match value {
            Value::Device => quoted(f, &fetched.device)?,
            Value::Driver => quoted(f, &fetched.driver)?,
            Value::Name => quoted(f, &fetched.name)?,
            Value::At => write!(f, "{:#x}", fetched.at.unwrap_or(0))?,
            Value::By => write!(f, "{:#x}", fetched.by.unwrap_or(0))?,
            Value::Bus => write!(f, "{:#x}", fetched.bus.unwrap_or(0))?,
            Value::ProbeType => {
                write!(f, "{}", fetched.probe_type.map_or(0, |of| of as usize))?;
            }
            Value::Asked => quoted(f, &fetched.asked)?,
            Value::Domain => write!(f, "{:#x}", fetched.domain.unwrap_or(0))?,
            Value::Function => f.write_str(fetched.function.as_deref().unwrap_or("0x0"))?,
            Value::Caller => f.write_str(fetched.caller.as_deref().unwrap_or("0x0"))?,
            Value::Node => write!(f, "{}", fetched.node.unwrap_or(-1))?,
        }
    }
    Ok(())
}
