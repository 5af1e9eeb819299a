// SPDX-License-Identifier: GPL-2.0

//! What a log shows, ready to be drawn or summed up: bars in lanes, waits and marks.
//!
//! [`Timeline::of`] makes it of the events of any log: lines of the dmesg interface, a recording, or
//! what `initcall_debug` prints. A log that has more to tell makes a finer timeline; nothing in it
//! is guessed but the waits that say so ([`Wait::inferred`]).
//!
//! Each bar, wait and mark names the events that it was made of, by their places in the log. All
//! times are since boot. Lists refer to each other by index.

mod builder;
mod dmesg;
mod initcall;
mod recorded;
mod waits;

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::event::Call;
use crate::{Event, Micros};

/// The version of this format. It changes when a reader of the one before would go wrong.
pub const VERSION: u32 = 1;

/// All that a log shows.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeline {
    /// [`VERSION`].
    pub version: u32,
    /// When the first thing in it happened.
    pub begin: Micros,
    /// When the last did.
    pub end: Micros,
    /// The devices, in the order in which they appear.
    pub devices: Vec<Device>,
    /// The tasks, in the order in which they appear.
    pub tasks: Vec<Task>,
    /// What took time. Most bars are in the lanes of a device and of a task.
    pub bars: Vec<Bar>,
    /// Who waited for whom, in the order in which the waiting began.
    pub waits: Vec<Wait>,
    /// What took no time, in the order of the log.
    pub marks: Vec<Mark>,
}

/// A device. Names are all that a dmesg has, and they are unique on one bus only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    /// Its name.
    pub name: String,
    /// The drivers that tried it, in this order.
    pub drivers: Vec<String>,
    /// Its bars, in the order in which they begin.
    pub bars: Vec<usize>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number; none for what a log without numbers has done.
    pub pid: Option<u32>,
    /// Its name, if the log has it: the last one.
    pub name: Option<String>,
    /// Its bars, in the order in which they begin.
    pub bars: Vec<usize>,
}

/// Something that took time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bar {
    /// What it is.
    pub kind: Kind,
    /// What it is about: a device, driver, module, file or function.
    pub on: String,
    /// When it began.
    pub begin: Micros,
    /// When it ended; none if the log ends first.
    pub end: Option<Micros>,
    /// How long it took by the kernel's own measure, if that was printed. `end` and `begin` are when
    /// the lines were, which is a little later.
    pub took: Option<Micros>,
    /// The device in whose lane it is.
    pub device: Option<usize>,
    /// The driver.
    pub driver: Option<String>,
    /// The task in whose lane it is.
    pub task: Option<usize>,
    /// The CPU that it began on.
    pub cpu: Option<u32>,
    /// Whether a worker of the kernel's async pool did it, of a probe.
    pub asynchronous: Option<bool>,
    /// Its result, if it has one: 0 or a negative errno.
    pub ret: Option<i32>,
    /// The bar that it is within, of the same task.
    pub parent: Option<usize>,
    /// The events that it was made of, in the order of the log.
    pub events: Vec<usize>,
}

/// The kinds of bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A device waits for its probe: from when it was scheduled, or else from the registration of
    /// the driver or the addition of the device, whatever came last. In no task's lane.
    Waiting,
    /// A driver tries a device.
    Probe,
    /// A firmware file is requested.
    Firmware,
    /// What a probe in two phases left to be done. In no task's lane.
    SecondPhase,
    /// The driver's remove callback, the end of its data, and devres.
    Remove,
    /// A module's init, until its loader may return.
    Init,
    /// An init function, of a module or of the kernel.
    Initcall,
    /// What the kernel does after its last initcall, until it runs init: it waits for async work,
    /// above all (`init/main.c`, `kernel_init()`).
    Boot,
    /// The system call that unloads a module.
    Rmmod,
    /// A driver is registered.
    Register,
    /// A driver is unregistered.
    Unregister,
    /// A device is given a driver by hand.
    Bind,
    /// A device is given whatever driver fits.
    Attach,
    /// A device's driver is taken off it.
    Release,
    /// A device is added.
    Add,
    /// A device is removed.
    Del,
    /// Somebody waits for async work.
    Flush,
    /// A worker runs one piece of async work.
    AsyncWork,
    /// Userspace's call, as userspace saw it.
    Call(Call),
}

/// A task could not go on because of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wait {
    /// The task.
    pub task: Option<usize>,
    /// What it was about to do, outermost: `insmod of unrelated`.
    pub doing: String,
    /// The bar of that.
    pub bar: usize,
    /// What it waited at.
    pub through: Through,
    /// When the waiting began.
    pub begin: Micros,
    /// When it ended; none if the log ends first.
    pub end: Option<Micros>,
    /// What it waited for, probes or other async work, in the order in which that ended: the last
    /// one decided.
    pub on: Vec<usize>,
    /// The log does not show the waiting, only that it fits.
    pub inferred: bool,
    /// The events that show it, in the order of the log.
    pub events: Vec<usize>,
}

/// What a task can wait at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// It waited for async work; the function that asked for that, `do_init_module`.
    Flush(String),
    /// It waited for async work; the log does not say where.
    AsyncWork,
    /// It waited for the lock of the device that is being probed.
    DeviceLock,
    /// It waited to unregister a driver that somebody was giving devices: who looks through the
    /// drivers of a bus keeps the one that probes on the list (`klist_remove()`), who writes to its
    /// `bind` keeps that file.
    DriverInUse,
}

/// Prints what it is: `flush of async work by do_init_module`.
impl fmt::Display for Through {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flush(by) => write!(f, "flush of async work by {by}"),
            Self::AsyncWork => f.pad("async work"),
            Self::DeviceLock => f.pad("lock of the device"),
            Self::DriverInUse => f.pad("driver in use"),
        }
    }
}

/// Something that took no time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// What it is.
    pub kind: MarkKind,
    /// What it is about: a device, module or function, or the action of a uevent.
    pub on: String,
    /// When.
    pub time: Micros,
    /// The device in whose lane it is.
    pub device: Option<usize>,
    /// The task in whose lane it is.
    pub task: Option<usize>,
    /// The event that it was made of.
    pub event: usize,
}

/// The kinds of marks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MarkKind {
    /// An async function is scheduled.
    Scheduled,
    /// A device has a driver.
    Bound,
    /// The driver data has been dropped.
    Unbound,
    /// A uevent is put together.
    Uevent,
    /// A device's memory goes.
    Freed,
    /// A module's memory goes.
    ModuleFreed,
}

impl Timeline {
    /// The timeline of a log.
    pub fn of(events: &[Event]) -> Self {
        builder::Builder::new(events).build()
    }

    /// The bars of a kind.
    pub fn bars_of(&self, kind: Kind) -> impl Iterator<Item = usize> + '_ {
        let bars = self.bars.iter().enumerate();
        bars.filter(move |(_, bar)| bar.kind == kind)
            .map(|(at, _)| at)
    }

    /// When a bar ends, or the log.
    pub fn end_of(&self, bar: usize) -> Micros {
        self.bars[bar].end.unwrap_or(self.end)
    }

    /// How long a bar took; until the end of the log if it has not ended.
    pub fn length(&self, bar: usize) -> Micros {
        let of = &self.bars[bar];
        of.took.unwrap_or(self.end_of(bar) - of.begin)
    }
}
