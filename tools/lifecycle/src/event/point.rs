// SPDX-License-Identifier: GPL-2.0

//! The places in the kernel that are recorded, and what is fetched there.
//!
//! One table for both sides: the recorder makes kprobe events of it
//! (`Documentation/trace/kprobetrace.rst`), the parser reads what they print. Each event has the
//! name of its point; the return of the function has `_end` after it.
//!
//! Only the beginnings of `struct kobject`, `struct device`, `struct device_driver`,
//! `struct bus_type`, `struct module` and `struct kobj_uevent_env` are relied on, which no
//! configuration changes.

use super::arch::{Arch, ARCHES};
use super::resource::{Resource, Step};

/// A function of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    /// A driver tries a device, with its lock held.
    Probe,
    /// A probe has bound its device.
    Bound,
    /// A device is to lose its driver; waits for its lock.
    Release,
    /// The driver's remove callback is about to run.
    Remove,
    /// Driver data and devres go: after a remove, or after a failed probe.
    Cleanup,
    /// A driver is to lose all of its devices.
    Detach,
    /// A driver is registered.
    Register,
    /// A driver is unregistered.
    Unregister,
    /// A bus is registered.
    Bus,
    /// A bus is unregistered.
    BusGone,
    /// A device is to get this driver and no other: sysfs `bind`, or a driver's own.
    Bind,
    /// A device is to get a driver: sysfs `drivers_probe`, or a bus's own.
    Attach,
    /// A firmware file is requested.
    Firmware,
    /// A module is initialised, until its loader may return.
    Init,
    /// A module is to be unloaded: the system call.
    Rmmod,
    /// A module's memory goes.
    FreeModule,
    /// A task waits for async work.
    Flush,
    /// A device is added.
    Add,
    /// A device is removed.
    Del,
    /// A uevent of a device is put together, to be sent at once.
    Uevent,
    /// Async work is scheduled.
    Schedule,
    /// Async work for a device is scheduled, never run by the caller.
    ScheduleDevice,
    /// Work is queued with a node that it should run on.
    Queue,
    /// A worker runs one piece of async work.
    Run,
    /// The async probe of a device by a driver that has just been registered.
    DriverAttach,
    /// The async probe of a device that has just been added.
    DeviceAttach,
    /// A device's memory goes.
    Freed,
    /// A kernel thread is created. Its result is the lower half of a pointer, or an errno.
    Thread,
    /// A module is asked for by the kernel itself.
    RequestModule,
    /// A module's resource, where a driver is checked.
    Of(Resource, Step),
}

/// A value that is fetched.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // As the field of `Fetched` of the same name.
pub enum Value {
    Device,
    At,
    Driver,
    By,
    Bus,
    ProbeType,
    Asked,
    Name,
    Function,
    Domain,
    Caller,
    Node,
}

/// One event's definition.
#[derive(Clone, Copy, Debug)]
pub struct Definition {
    /// The point.
    pub point: Point,
    /// Its name in the log.
    pub event: &'static str,
    /// The kernel's function; the name of a system call without what the architecture puts before it.
    pub function: &'static str,
    /// Where it stands.
    pub file: &'static str,
    /// What is fetched when it begins, in this order: key, expression, meaning.
    pub fetch: &'static [(&'static str, &'static str, Value)],
    /// Whether its return is recorded.
    pub returns: Returns,
}

/// What is recorded of a function's return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returns {
    /// Nothing.
    Unseen,
    /// That it returned.
    Nothing,
    /// Its result too.
    Result,
}

impl Definition {
    /// Whether it is recorded only where the function that it fetches is in a module.
    pub fn is_filtered(&self) -> bool {
        let of_function = |(_, _, value): &(_, _, Value)| *value == Value::Function;
        matches!(self.point, Point::Of(..)) && self.fetch.iter().any(of_function)
    }

    /// Whether a symbol of any architecture is that of the function.
    pub fn is_in(&self, symbol: &str) -> bool {
        symbol == self.function || ARCHES.iter().any(|arch| self.symbol(arch) == symbol)
    }

    /// The symbol of the function.
    pub fn symbol(&self, arch: &Arch) -> String {
        arch.symbol(self.function)
    }

    /// The name of the event of the return.
    pub fn end(&self) -> String {
        format!("{}_end", self.event)
    }

    /// The names of its events.
    pub fn events(&self) -> impl Iterator<Item = String> {
        let end = (self.returns != Returns::Unseen).then(|| self.end());
        [Some(self.event.to_owned()), end].into_iter().flatten()
    }

    /// What to write to `kprobe_events`, line by line, in this order: the probe that is made last
    /// is the first to run, and only the first to run sees the caller on the stack.
    ///
    /// `at_once` is how many tasks may be in the function at the same time.
    pub fn kprobes(&self, arch: &Arch, group: &str, at_once: u32) -> Vec<String> {
        let (event, function) = (self.event, self.symbol(arch));
        let result = match self.returns {
            Returns::Unseen => None,
            Returns::Nothing => Some(""),
            Returns::Result => Some(" ret=$retval:s32"),
        };
        let end = |result| format!("r{at_once}:{group}/{event}_end {function}{result}");
        let mut fetched = String::new();
        for (key, expression, _) in self.fetch {
            fetched += &format!(" {key}={}", arch.expression(expression));
        }
        let begin = format!("p:{group}/{event} {function}{fetched}");
        result.map(end).into_iter().chain([begin]).collect()
    }
}
