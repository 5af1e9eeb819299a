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

use std::fmt;

use super::arch::{Arch, ARCHES};
use super::resource::{Resource, Step, WATCHES};

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
pub enum Value {
    /// Name of the device.
    Device,
    /// Where the device is in memory: its identity, as names are unique on one bus only.
    At,
    /// Name of the driver.
    Driver,
    /// Where the driver is in memory.
    By,
    /// Where the bus is in memory.
    Bus,
    /// What the driver asks of the driver core.
    ProbeType,
    /// The drivers that the command line wants to be probed asynchronously.
    Asked,
    /// A module, a firmware file, or what a uevent says.
    Name,
    /// The function that is scheduled.
    Function,
    /// The async domain; 0 for all that are registered.
    Domain,
    /// The caller.
    Caller,
    /// A NUMA node; -1 for none.
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

const DEVICE: (&str, &str, Value) = ("dev", "+0(+0($arg1)):string", Value::Device);
const AT: (&str, &str, Value) = ("at", "$arg1:x64", Value::At);
const DRIVER: (&str, &str, Value) = ("drv", "+0(+0($arg1)):string", Value::Driver);
const BY: (&str, &str, Value) = ("by", "$arg1:x64", Value::By);
const BUS: (&str, &str, Value) = ("bus", "$arg1:x64", Value::Bus);
const CALLER: (&str, &str, Value) = ("from", "$caller:symbol", Value::Caller);

/// All that every recording has.
pub const DEFINITIONS: &[Definition] = &[
    Definition {
        point: Point::Probe,
        event: "probe",
        function: "really_probe",
        file: "drivers/base/dd.c",
        fetch: &[
            DEVICE,
            AT,
            ("drv", "+0(+0($arg2)):string", Value::Driver),
            ("by", "$arg2:x64", Value::By),
        ],
        returns: Returns::Result,
    },
    Definition {
        point: Point::Bound,
        event: "bound",
        function: "driver_bound",
        file: "drivers/base/dd.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::Release,
        event: "release",
        function: "device_release_driver_internal",
        file: "drivers/base/dd.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::Remove,
        event: "remove",
        function: "device_remove",
        file: "drivers/base/dd.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::Cleanup,
        event: "cleanup",
        function: "device_unbind_cleanup",
        file: "drivers/base/dd.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::Detach,
        event: "detach",
        function: "driver_detach",
        file: "drivers/base/dd.c",
        fetch: &[DRIVER, BY],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::Register,
        event: "register",
        function: "driver_register",
        file: "drivers/base/driver.c",
        fetch: &[
            DRIVER,
            BY,
            ("bus", "+8($arg1):x64", Value::Bus),
            ("type", "+36($arg1):u32", Value::ProbeType),
            // None where the driver is built in.
            ("mod", "+24(+16($arg1)):string", Value::Name),
            // `driver_async_probe=` on the command line.
            ("asked", "@async_probe_drv_names:string", Value::Asked),
        ],
        returns: Returns::Result,
    },
    Definition {
        point: Point::Unregister,
        event: "unregister",
        function: "driver_unregister",
        file: "drivers/base/driver.c",
        fetch: &[DRIVER, BY],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::Bus,
        event: "bus",
        function: "bus_register",
        file: "drivers/base/bus.c",
        fetch: &[("name", "+0(+0($arg1)):string", Value::Name), BUS],
        returns: Returns::Result,
    },
    Definition {
        point: Point::BusGone,
        event: "bus_gone",
        function: "bus_unregister",
        file: "drivers/base/bus.c",
        fetch: &[("name", "+0(+0($arg1)):string", Value::Name), BUS],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::Bind,
        event: "bind",
        function: "device_driver_attach",
        file: "drivers/base/dd.c",
        fetch: &[
            ("dev", "+0(+0($arg2)):string", Value::Device),
            ("at", "$arg2:x64", Value::At),
            DRIVER,
            BY,
            CALLER,
        ],
        returns: Returns::Result,
    },
    Definition {
        point: Point::Attach,
        event: "attach",
        function: "device_attach",
        file: "drivers/base/dd.c",
        fetch: &[DEVICE, AT, CALLER],
        returns: Returns::Result,
    },
    Definition {
        point: Point::Firmware,
        event: "firmware",
        function: "_request_firmware",
        file: "drivers/base/firmware_loader/main.c",
        fetch: &[
            ("name", "+0($arg2):string", Value::Name),
            ("dev", "+0(+0($arg3)):string", Value::Device),
            ("at", "$arg3:x64", Value::At),
        ],
        returns: Returns::Result,
    },
    Definition {
        point: Point::Init,
        event: "init",
        function: "do_init_module",
        file: "kernel/module/main.c",
        fetch: &[("mod", "+24($arg1):string", Value::Name)],
        returns: Returns::Result,
    },
    Definition {
        point: Point::Rmmod,
        event: "rmmod",
        function: "sys_delete_module",
        file: "kernel/module/main.c",
        // The first argument of the system call, in `struct pt_regs`.
        fetch: &[("mod", "+0(+112($arg1)):ustring", Value::Name)],
        returns: Returns::Result,
    },
    Definition {
        point: Point::FreeModule,
        event: "free_module",
        function: "free_module",
        file: "kernel/module/main.c",
        fetch: &[("mod", "+24($arg1):string", Value::Name)],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::Flush,
        event: "flush",
        function: "async_synchronize_cookie_domain",
        file: "kernel/async.c",
        fetch: &[("domain", "$arg2:x64", Value::Domain), CALLER],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::Add,
        event: "add",
        function: "device_add",
        file: "drivers/base/core.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Result,
    },
    Definition {
        point: Point::Del,
        event: "del",
        function: "device_del",
        file: "drivers/base/core.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::Uevent,
        event: "uevent",
        // `kobject_uevent_env()` itself is built without ftrace and refuses probes.
        function: "dev_uevent",
        file: "drivers/base/core.c",
        fetch: &[
            DEVICE,
            AT,
            // None where sysfs's `uevent` is read.
            ("action", "+0(+24($arg2)):string", Value::Name),
        ],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::Schedule,
        event: "schedule",
        function: "async_schedule_node_domain",
        file: "kernel/async.c",
        fetch: &[
            ("func", "$arg1:symbol", Value::Function),
            ("at", "$arg2:x64", Value::At),
            ("domain", "$arg4:x64", Value::Domain),
        ],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::ScheduleDevice,
        event: "schedule_device",
        function: "async_schedule_dev_nocall",
        file: "kernel/async.c",
        fetch: &[
            ("func", "$arg1:symbol", Value::Function),
            ("at", "$arg2:x64", Value::At),
        ],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::Queue,
        event: "queue",
        function: "queue_work_node",
        file: "kernel/workqueue.c",
        fetch: &[("node", "$arg1:s32", Value::Node)],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::Run,
        event: "run",
        function: "async_run_entry_fn",
        file: "kernel/async.c",
        fetch: &[],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::DriverAttach,
        event: "driver_attach",
        function: "__driver_attach_async_helper",
        file: "drivers/base/dd.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::DeviceAttach,
        event: "device_attach",
        function: "__device_attach_async_helper",
        file: "drivers/base/dd.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Nothing,
    },
    Definition {
        point: Point::Freed,
        event: "freed",
        function: "device_release",
        file: "drivers/base/core.c",
        fetch: &[DEVICE, AT],
        returns: Returns::Unseen,
    },
    Definition {
        point: Point::Thread,
        event: "thread",
        function: "kthread_create_on_node",
        file: "kernel/kthread.c",
        fetch: &[CALLER],
        returns: Returns::Result,
    },
];

/// Those that every recording has, and those that only that of a checked driver has.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.iter().chain(WATCHES)
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
        let mut lines = Vec::new();
        match self.returns {
            Returns::Unseen => {}
            Returns::Nothing => lines.push(format!("r{at_once}:{group}/{event}_end {function}")),
            Returns::Result => lines.push(format!(
                "r{at_once}:{group}/{event}_end {function} ret=$retval:s32"
            )),
        }
        let fetch = self
            .fetch
            .iter()
            .map(|(key, expression, _)| format!(" {key}={}", arch.expression(expression)));
        lines.push(format!(
            "p:{group}/{event} {function}{}",
            fetch.collect::<String>()
        ));
        lines
    }
}

impl Point {
    /// Its definition.
    pub fn definition(self) -> &'static Definition {
        all()
            .find(|definition| definition.point == self)
            .unwrap_or(&DEFINITIONS[0])
    }
}

/// The name of its event.
impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.definition().event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn the_table_is_whole() {
        let points: BTreeSet<_> = DEFINITIONS.iter().map(|one| one.point).collect();
        let names: BTreeSet<_> = all().flat_map(Definition::events).collect();
        assert_eq!(points.len(), DEFINITIONS.len());
        // One name each, and no return has the name of another point.
        let events: usize = all().map(|one| one.events().count()).sum();
        assert_eq!(names.len(), events);
        for one in DEFINITIONS {
            assert_eq!(one.point.definition().event, one.event);
            assert_eq!(one.point.to_string(), one.event);
        }
    }

    #[test]
    fn kprobe_events() {
        let x86 = Arch::named("x86_64").unwrap();
        assert_eq!(
            Point::Firmware.definition().kprobes(x86, "life", 8),
            [
                "r8:life/firmware_end _request_firmware ret=$retval:s32",
                "p:life/firmware _request_firmware name=+0(%si):string dev=+0(+0(%dx)):string at=%dx:x64",
            ]
        );
        assert_eq!(
            Point::Freed.definition().kprobes(x86, "life", 8),
            ["p:life/freed device_release dev=+0(+0(%di)):string at=%di:x64"]
        );
    }
}
