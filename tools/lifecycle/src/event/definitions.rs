// SPDX-License-Identifier: GPL-2.0

//! The table of all points.
//!
//! [`WATCHES`] are recorded where a driver is checked, and only if the function that is to run is
//! in a module: `func` is compared with where modules begin. They are passed so often that all of
//! them would fill the buffers.

use std::fmt;

use super::point::{Definition, Point, Returns, Value};
use super::resource::{Resource, Step};

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
        fetch: &[("mod", "+0($sys1):ustring", Value::Name)],
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

type Fetch = &'static [(&'static str, &'static str, Value)];

const fn watch(
    resource: Resource,
    step: Step,
    event: &'static str,
    (function, file): (&'static str, &'static str),
    fetch: Fetch,
) -> Definition {
    Definition {
        point: Point::Of(resource, step),
        event,
        function,
        file,
        fetch,
        returns: Returns::Unseen,
    }
}

const WORKQUEUE: &str = "kernel/workqueue.c";
const TIMER: &str = "kernel/time/timer.c";

/// A work item, of which `func` is the third member (`struct work_struct`).
const WORK: Fetch = &[
    ("at", "$arg1:x64", Value::At),
    ("func", "+24($arg1):x64", Value::Function),
];
const SECOND_WORK: Fetch = &[
    ("at", "$arg2:x64", Value::At),
    ("func", "+24($arg2):x64", Value::Function),
];
const THIRD_WORK: Fetch = &[
    ("at", "$arg3:x64", Value::At),
    ("func", "+24($arg3):x64", Value::Function),
];

/// A notifier, of which `notifier_call` is the first member (`struct notifier_block`).
const NOTIFIER: Fetch = &[
    ("at", "$arg2:x64", Value::At),
    ("func", "+0($arg2):x64", Value::Function),
];

/// A kobject, which is the beginning of its device, and the attribute or group, which begins with
/// its name.
const ATTRIBUTE: Fetch = &[
    ("name", "+0(+0($arg2)):string", Value::Name),
    ("at", "$arg1:x64", Value::At),
    ("func", "$arg2:x64", Value::Function),
];
const SYSFS_FILE: &str = "fs/sysfs/file.c";
const SYSFS_GROUP: &str = "fs/sysfs/group.c";

/// A handler of an interrupt: `handler` and `dev_id` are the first two members, `thread_fn` is the
/// fifth (`struct irqaction`).
const HANDLER: Fetch = &[
    ("irq", "$arg1:s32", Value::Node),
    ("at", "+8($arg2):x64", Value::At),
    ("func", "+0($arg2):x64", Value::Function),
];
const THREADED_HANDLER: Fetch = &[
    ("irq", "$arg1:s32", Value::Node),
    ("at", "+8($arg2):x64", Value::At),
    ("func", "+32($arg2):x64", Value::Function),
];
const IRQ_PROC: &str = "kernel/irq/proc.c";

/// A module, and the function that has called.
const REFERENCE: Fetch = &[
    ("name", "+24($arg1):string", Value::Name),
    ("func", "$caller:x64", Value::Function),
];

use Resource as R;
use Step::{Runs, Starts, Stops};

/// All of these places. The first of a resource and a step gives the name of the point.
pub const WATCHES: &[Definition] = &[
    watch(
        R::Work,
        Starts,
        "work",
        ("__queue_work", WORKQUEUE),
        THIRD_WORK,
    ),
    watch(
        R::Work,
        Starts,
        "delayed_work",
        ("__queue_delayed_work", WORKQUEUE),
        THIRD_WORK,
    ),
    watch(
        R::Work,
        Runs,
        "work_runs",
        ("process_one_work", WORKQUEUE),
        SECOND_WORK,
    ),
    watch(
        R::Work,
        Stops,
        "work_stops",
        ("__cancel_work", WORKQUEUE),
        WORK,
    ),
    // `function` is where that of a work item is: behind `entry` and `expires`.
    watch(
        R::Timer,
        Starts,
        "timer",
        ("enqueue_timer", TIMER),
        SECOND_WORK,
    ),
    watch(
        R::Timer,
        Runs,
        "timer_runs",
        ("call_timer_fn", TIMER),
        &[
            ("at", "$arg1:x64", Value::At),
            ("func", "$arg2:x64", Value::Function),
        ],
    ),
    watch(
        R::Timer,
        Stops,
        "timer_stops",
        ("detach_if_pending", TIMER),
        // Whether it is pending: `entry.pprev`, the second member.
        &[
            ("at", "$arg1:x64", Value::At),
            ("by", "+8($arg1):x64", Value::By),
            ("func", "+24($arg1):x64", Value::Function),
        ],
    ),
    // A request that succeeds comes here, and so does each way to free it.
    watch(
        R::Interrupt,
        Starts,
        "interrupt",
        ("register_handler_proc", IRQ_PROC),
        HANDLER,
    ),
    watch(
        R::Interrupt,
        Stops,
        "interrupt_stops",
        ("unregister_handler_proc", IRQ_PROC),
        HANDLER,
    ),
    watch(
        R::Interrupt,
        Starts,
        "threaded_interrupt",
        ("register_handler_proc", IRQ_PROC),
        THREADED_HANDLER,
    ),
    watch(
        R::Interrupt,
        Stops,
        "threaded_interrupt_stops",
        ("unregister_handler_proc", IRQ_PROC),
        THREADED_HANDLER,
    ),
    watch(
        R::Notifier,
        Starts,
        "notifier",
        ("notifier_chain_register", "kernel/notifier.c"),
        NOTIFIER,
    ),
    watch(
        R::Notifier,
        Stops,
        "notifier_stops",
        ("notifier_chain_unregister", "kernel/notifier.c"),
        NOTIFIER,
    ),
    // In the new thread itself: `threadfn` of `struct kthread_create_info`.
    watch(
        R::Thread,
        Starts,
        "kthread",
        ("kthread", "kernel/kthread.c"),
        &[("func", "+8($arg1):x64", Value::Function)],
    ),
    watch(R::Thread, Stops, "exit", ("do_exit", "kernel/exit.c"), &[]),
    // The callback runs within the work, after the request for the file, which has the device.
    Definition {
        returns: Returns::Result,
        ..watch(
            R::Firmware,
            Starts,
            "nowait",
            (
                "_request_firmware_nowait",
                "drivers/base/firmware_loader/main.c",
            ),
            &[
                ("at", "$arg4:x64", Value::At),
                // What the callback is called with.
                ("by", "$arg6:x64", Value::By),
                ("func", "$arg7:x64", Value::Function),
            ],
        )
    },
    Definition {
        returns: Returns::Nothing,
        ..watch(
            R::Firmware,
            Runs,
            "nowait_runs",
            (
                "request_firmware_work_func",
                "drivers/base/firmware_loader/main.c",
            ),
            &[],
        )
    },
    // Known by its work item; what is scheduled comes just before.
    watch(
        R::Async,
        Starts,
        "async",
        ("queue_work_node", WORKQUEUE),
        &[("at", "$arg3:x64", Value::At)],
    ),
    Definition {
        returns: Returns::Nothing,
        ..watch(
            R::Async,
            Runs,
            "async_runs",
            ("async_run_entry_fn", "kernel/async.c"),
            &[("at", "$arg1:x64", Value::At)],
        )
    },
    Definition {
        returns: Returns::Result,
        ..watch(
            R::Memory,
            Starts,
            "devm",
            ("devm_kmalloc", "drivers/base/devres.c"),
            &[
                ("size", "$arg2:s32", Value::Node),
                ("at", "$arg1:x64", Value::At),
            ],
        )
    },
    // A probe may end with the call; the stack does not have it then.
    watch(
        R::Character,
        Starts,
        "cdev",
        ("cdev_add", "fs/char_dev.c"),
        &[("at", "$arg2:x32", Value::At)],
    ),
    // The compiler puts cdev_del() into other functions of its file, such as
    // __unregister_chrdev().
    watch(
        R::Character,
        Stops,
        "cdev_stops",
        ("kobj_unmap", "drivers/base/map.c"),
        &[("at", "$arg2:x32", Value::At)],
    ),
    Definition {
        returns: Returns::Result,
        ..watch(
            R::Queue,
            Starts,
            "workqueue",
            ("alloc_workqueue_noprof", WORKQUEUE),
            // The format of the name.
            &[("name", "+0($arg1):string", Value::Name)],
        )
    },
    watch(
        R::Queue,
        Stops,
        "workqueue_stops",
        ("destroy_workqueue", WORKQUEUE),
        &[("at", "$arg1:x64", Value::At)],
    ),
    watch(
        R::Attribute,
        Starts,
        "file",
        ("sysfs_create_file_ns", SYSFS_FILE),
        ATTRIBUTE,
    ),
    watch(
        R::Attribute,
        Stops,
        "file_stops",
        ("sysfs_remove_file_ns", SYSFS_FILE),
        ATTRIBUTE,
    ),
    // Several of a device: all of them, as a list cannot be fetched.
    watch(
        R::Attribute,
        Stops,
        "files_stop",
        ("sysfs_remove_files", SYSFS_FILE),
        &[("at", "$arg1:x64", Value::At)],
    ),
    watch(
        R::Attribute,
        Stops,
        "own_file_stops",
        ("sysfs_remove_file_self", SYSFS_FILE),
        ATTRIBUTE,
    ),
    watch(
        R::Attribute,
        Starts,
        "bin_file",
        ("sysfs_create_bin_file", SYSFS_FILE),
        ATTRIBUTE,
    ),
    watch(
        R::Attribute,
        Stops,
        "bin_file_stops",
        ("sysfs_remove_bin_file", SYSFS_FILE),
        ATTRIBUTE,
    ),
    watch(
        R::Attribute,
        Starts,
        "group",
        ("sysfs_create_group", SYSFS_GROUP),
        ATTRIBUTE,
    ),
    watch(
        R::Attribute,
        Stops,
        "group_stops",
        ("sysfs_remove_group", SYSFS_GROUP),
        ATTRIBUTE,
    ),
    // None if it is in use.
    Definition {
        returns: Returns::Result,
        ..watch(
            R::Region,
            Starts,
            "region",
            ("__request_region", "kernel/resource.c"),
            &[
                ("name", "+0($arg4):string", Value::Name),
                ("at", "$arg2:x64", Value::At),
                ("by", "$arg4:x64", Value::By),
            ],
        )
    },
    watch(
        R::Region,
        Stops,
        "region_stops",
        ("__release_region", "kernel/resource.c"),
        &[("at", "$arg2:x64", Value::At)],
    ),
    // `start` is the first member of `struct resource`.
    watch(
        R::Region,
        Stops,
        "resource_stops",
        ("release_resource", "kernel/resource.c"),
        &[("at", "+0($arg1):x64", Value::At)],
    ),
    watch(
        R::Reference,
        Starts,
        "reference",
        ("try_module_get", "kernel/module/main.c"),
        REFERENCE,
    ),
    watch(
        R::Reference,
        Stops,
        "reference_stops",
        ("module_put", "kernel/module/main.c"),
        REFERENCE,
    ),
    Definition {
        point: Point::RequestModule,
        event: "request_module",
        function: "__request_module",
        file: "kernel/module/kmod.c",
        // The format of the name.
        fetch: &[("name", "+0($arg2):string", Value::Name)],
        returns: Returns::Unseen,
    },
];

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
    use super::super::arch::Arch;
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
