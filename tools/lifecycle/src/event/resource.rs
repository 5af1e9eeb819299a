// SPDX-License-Identifier: GPL-2.0

//! What a module starts, runs and stops.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What can outlive the one that has started it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Resource {
    /// A work item, delayed or not, until it runs.
    Work,
    /// A timer, until it expires.
    Timer,
    /// The handler of an interrupt.
    Interrupt,
    /// An entry of a notifier chain.
    Notifier,
    /// A kernel thread.
    Thread,
    /// The callback of `request_firmware_nowait()`.
    Firmware,
    /// An async function, from when it is scheduled until it returns.
    Async,
    /// A character device, known by its first number.
    Character,
    /// A work queue. What is recorded is the lower half of its address, as the result.
    Queue,
    /// Memory of devres, which goes at the end of its device's binding. What is recorded is the lower
    /// half of its address, as the result.
    Memory,
    /// A region of memory or ports, known by its first address.
    Region,
    /// A file of a device in sysfs. What is compared is where its description is.
    Attribute,
    /// A shrinker, which the kernel calls when it needs memory.
    Shrinker,
    /// The handler of a key of the magic SysRq.
    SysrqKey,
    /// A stateless device link, known by its consumer and its supplier.
    Link,
    /// A reference to a module, which a module has taken or put.
    Reference,
    /// The callback of `call_rcu()`, until it runs.
    Rcu,
    /// That of `call_srcu()`.
    Srcu,
    /// That of `call_rcu_tasks()`.
    RcuTasks,
    /// That of `call_rcu_tasks_trace()`.
    RcuTasksTrace,
}

impl Resource {
    /// The function that waits for all callbacks of this kind of RCU.
    pub fn barrier(self) -> Option<&'static str> {
        match self {
            Self::Rcu => Some("rcu_barrier()"),
            Self::Srcu => Some("srcu_barrier()"),
            Self::RcuTasks => Some("rcu_barrier_tasks()"),
            Self::RcuTasksTrace => Some("rcu_barrier_tasks_trace()"),
            _ => None,
        }
    }
}

/// What happens to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Step {
    /// It is there from now on.
    Starts,
    /// Its function runs; work, a timer or a callback is not pending any more.
    Runs,
    /// It is taken back.
    Stops,
}

/// What a reader is told.
impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Work => "work item",
            Self::Timer => "timer",
            Self::Interrupt => "interrupt handler",
            Self::Notifier => "notifier",
            Self::Thread => "kernel thread",
            Self::Firmware => "firmware callback",
            Self::Async => "async function",
            Self::Character => "character device",
            Self::Queue => "work queue",
            Self::Memory => "memory of devres",
            Self::Region => "region",
            Self::Attribute => "sysfs file",
            Self::Shrinker => "shrinker",
            Self::SysrqKey => "SysRq key",
            Self::Link => "stateless device link",
            Self::Reference => "reference to the module",
            Self::Rcu => "RCU callback",
            Self::Srcu => "SRCU callback",
            Self::RcuTasks => "RCU Tasks callback",
            Self::RcuTasksTrace => "RCU Tasks Trace callback",
        })
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Starts => "starts",
            Self::Runs => "runs",
            Self::Stops => "stops",
        })
    }
}
