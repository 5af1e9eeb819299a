// SPDX-License-Identifier: GPL-2.0

//! What a module starts, and where in the kernel that is seen to start, to run and to stop.
//!
//! These places are recorded where a driver is checked, and only if the function that is to run is
//! in a module: `func` is compared with where modules begin. They are passed so often that all of
//! them would fill the buffers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::point::{Definition, Point, Returns, Value};

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
    /// A region of memory or ports, known by its first address. What is compared is its name.
    Region,
    /// A file of a device in sysfs. What is compared is where its description is.
    Attribute,
    /// A reference to a module, which a module has taken or put.
    Reference,
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
            Self::Region => "region",
            Self::Attribute => "sysfs file",
            Self::Reference => "reference to the module",
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
        WORK,
    ),
    watch(
        R::Interrupt,
        Starts,
        "interrupt",
        ("request_threaded_irq", "kernel/irq/manage.c"),
        &[
            ("irq", "$arg1:s32", Value::Node),
            ("at", "$arg6:x64", Value::At),
            ("func", "$arg2:x64", Value::Function),
        ],
    ),
    watch(
        R::Interrupt,
        Stops,
        "interrupt_stops",
        ("free_irq", "kernel/irq/manage.c"),
        &[
            ("irq", "$arg1:s32", Value::Node),
            ("at", "$arg2:x64", Value::At),
        ],
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
    // The callback runs within the work: `device` of `struct firmware_work`.
    watch(
        R::Firmware,
        Starts,
        "nowait",
        (
            "_request_firmware_nowait",
            "drivers/base/firmware_loader/main.c",
        ),
        &[
            ("at", "$arg4:x64", Value::At),
            ("func", "$arg7:x64", Value::Function),
        ],
    ),
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
            &[("at", "+64($arg1):x64", Value::At)],
        )
    },
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
    watch(
        R::Region,
        Starts,
        "region",
        ("__request_region", "kernel/resource.c"),
        &[
            ("name", "+0($arg4):string", Value::Name),
            ("at", "$arg2:x64", Value::At),
            ("func", "$arg4:x64", Value::Function),
        ],
    ),
    watch(
        R::Region,
        Stops,
        "region_stops",
        ("__release_region", "kernel/resource.c"),
        &[("at", "$arg2:x64", Value::At)],
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
