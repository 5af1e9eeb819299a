// SPDX-License-Identifier: GPL-2.0

//! The table of all points.
//!
//! [`WATCHES`] are recorded where a driver is checked, and only if the function that is to run is
//! in a module: `func` is compared with where modules begin. They are passed so often that all of
//! them would fill the buffers.

use std::fmt;

use super::point::{Definition, Point, Returns, Value};
use super::resource::{Resource, Step};

/// Rows: a point, the name of its event, the function and its file, what is recorded of its return,
/// and what is fetched, as in the kernel's `kprobe_events`.
macro_rules! points {
    ($($point:ident$(($resource:ident, $step:ident))?: $event:literal of $function:ident in $file:literal
        => $returns:ident [$($key:tt = $expression:literal)*];)*) => {
        &[$(Definition {
            point: Point::$point$((Resource::$resource, Step::$step))?,
            event: $event,
            function: stringify!($function),
            file: $file,
            returns: Returns::$returns,
            fetch: &[$((stringify!($key), $expression, value(stringify!($key)))),*],
        }),*]
    };
}

/// The meaning of a key.
const fn value(key: &str) -> Value {
    match key.as_bytes() {
        b"dev" => Value::Device,
        b"at" => Value::At,
        b"drv" => Value::Driver,
        b"by" => Value::By,
        b"bus" => Value::Bus,
        b"type" => Value::ProbeType,
        b"asked" => Value::Asked,
        b"mod" | b"name" | b"action" => Value::Name,
        b"func" => Value::Function,
        b"domain" => Value::Domain,
        b"from" => Value::Caller,
        b"node" | b"irq" | b"size" | b"flags" => Value::Node,
        _ => panic!("no such key"),
    }
}

/// All that every recording has.
pub const DEFINITIONS: &[Definition] = points! {
    Probe: "probe" of really_probe in "drivers/base/dd.c" => Result
        [dev="+0(+0($arg1)):string" at="$arg1:x64" drv="+0(+0($arg2)):string" by="$arg2:x64"];
    Bound: "bound" of driver_bound in "drivers/base/dd.c" => Unseen
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    Release: "release" of device_release_driver_internal in "drivers/base/dd.c" => Nothing
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    Remove: "remove" of device_remove in "drivers/base/dd.c" => Unseen
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    Cleanup: "cleanup" of device_unbind_cleanup in "drivers/base/dd.c" => Unseen
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    Detach: "detach" of driver_detach in "drivers/base/dd.c" => Nothing
        [drv="+0(+0($arg1)):string" by="$arg1:x64"];
    // There is no module where the driver is built in. `driver_async_probe=` of the command line is
    // `asked`.
    Register: "register" of driver_register in "drivers/base/driver.c" => Result
        [drv="+0(+0($arg1)):string" by="$arg1:x64" bus="+8($arg1):x64" type="+36($arg1):u32"
         mod="+24(+16($arg1)):string" asked="@async_probe_drv_names:string"];
    Unregister: "unregister" of driver_unregister in "drivers/base/driver.c" => Nothing
        [drv="+0(+0($arg1)):string" by="$arg1:x64"];
    Bus: "bus" of bus_register in "drivers/base/bus.c" => Result
        [name="+0(+0($arg1)):string" bus="$arg1:x64"];
    BusGone: "bus_gone" of bus_unregister in "drivers/base/bus.c" => Nothing
        [name="+0(+0($arg1)):string" bus="$arg1:x64"];
    Bind: "bind" of device_driver_attach in "drivers/base/dd.c" => Result
        [dev="+0(+0($arg2)):string" at="$arg2:x64" drv="+0(+0($arg1)):string" by="$arg1:x64"
         from="$caller:symbol"];
    Attach: "attach" of device_attach in "drivers/base/dd.c" => Result
        [dev="+0(+0($arg1)):string" at="$arg1:x64" from="$caller:symbol"];
    Firmware: "firmware" of _request_firmware in "drivers/base/firmware_loader/main.c" => Result
        [name="+0($arg2):string" dev="+0(+0($arg3)):string" at="$arg3:x64"];
    Init: "init" of do_init_module in "kernel/module/main.c" => Result
        [mod="+24($arg1):string"];
    Rmmod: "rmmod" of sys_delete_module in "kernel/module/main.c" => Result
        [mod="+0($sys1):ustring"];
    FreeModule: "free_module" of free_module in "kernel/module/main.c" => Unseen
        [mod="+24($arg1):string"];
    Flush: "flush" of async_synchronize_cookie_domain in "kernel/async.c" => Nothing
        [domain="$arg2:x64" from="$caller:symbol"];
    Add: "add" of device_add in "drivers/base/core.c" => Result
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    Del: "del" of device_del in "drivers/base/core.c" => Nothing
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    // `kobject_uevent_env()` itself is built without ftrace and refuses probes. There is no action
    // where the `uevent` of sysfs is read.
    Uevent: "uevent" of dev_uevent in "drivers/base/core.c" => Unseen
        [dev="+0(+0($arg1)):string" at="$arg1:x64" action="+0(+24($arg2)):string"];
    Schedule: "schedule" of async_schedule_node_domain in "kernel/async.c" => Unseen
        [func="$arg1:symbol" at="$arg2:x64" domain="$arg4:x64"];
    ScheduleDevice: "schedule_device" of async_schedule_dev_nocall in "kernel/async.c" => Unseen
        [func="$arg1:symbol" at="$arg2:x64"];
    Queue: "queue" of queue_work_node in "kernel/workqueue.c" => Unseen
        [node="$arg1:s32"];
    Run: "run" of async_run_entry_fn in "kernel/async.c" => Nothing [];
    DriverAttach: "driver_attach" of __driver_attach_async_helper in "drivers/base/dd.c" => Nothing
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    DeviceAttach: "device_attach" of __device_attach_async_helper in "drivers/base/dd.c" => Nothing
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    Freed: "freed" of device_release in "drivers/base/core.c" => Unseen
        [dev="+0(+0($arg1)):string" at="$arg1:x64"];
    Thread: "thread" of kthread_create_on_node in "kernel/kthread.c" => Result
        [from="$caller:symbol"];
};

/// Those that every recording has, and those that only that of a checked driver has.
pub fn all() -> impl Iterator<Item = &'static Definition> {
    DEFINITIONS.iter().chain(WATCHES)
}

/// All of these places. The first of a resource and a step gives the name of the point.
pub const WATCHES: &[Definition] = points! {
    // `func` is the third member of `struct work_struct`. `by` is the work queue, as long as the
    // work item only has a timer.
    Of(Work, Starts): "work" of __queue_work in "kernel/workqueue.c" => Unseen
        [at="$arg3:x64" by="\\0:x64" func="+24($arg3):x64"];
    Of(Work, Starts): "delayed_work" of __queue_delayed_work in "kernel/workqueue.c" => Unseen
        [at="$arg3:x64" by="$arg2:x64" func="+24($arg3):x64"];
    Of(Work, Runs): "work_runs" of process_one_work in "kernel/workqueue.c" => Unseen
        [at="$arg2:x64" func="+24($arg2):x64"];
    Of(Work, Stops): "work_stops" of __cancel_work in "kernel/workqueue.c" => Unseen
        [at="$arg1:x64" func="+24($arg1):x64"];
    // `function` is where that of a work item is: behind `entry` and `expires`.
    Of(Timer, Starts): "timer" of enqueue_timer in "kernel/time/timer.c" => Unseen
        [at="$arg2:x64" func="+24($arg2):x64"];
    Of(Timer, Runs): "timer_runs" of call_timer_fn in "kernel/time/timer.c" => Unseen
        [at="$arg1:x64" func="$arg2:x64"];
    // Whether it is pending: `entry.pprev`, the second member.
    Of(Timer, Stops): "timer_stops" of detach_if_pending in "kernel/time/timer.c" => Unseen
        [at="$arg1:x64" by="+8($arg1):x64" func="+24($arg1):x64"];
    // A request that succeeds comes here, and so does each way to free it: `handler` and `dev_id`
    // are the first two members of `struct irqaction`, `thread_fn` is the fifth.
    Of(Interrupt, Starts): "interrupt" of register_handler_proc in "kernel/irq/proc.c" => Unseen
        [irq="$arg1:s32" at="+8($arg2):x64" func="+0($arg2):x64"];
    Of(Interrupt, Stops): "interrupt_stops" of unregister_handler_proc in "kernel/irq/proc.c" => Unseen
        [irq="$arg1:s32" at="+8($arg2):x64" func="+0($arg2):x64"];
    Of(Interrupt, Starts): "threaded_interrupt" of register_handler_proc in "kernel/irq/proc.c" => Unseen
        [irq="$arg1:s32" at="+8($arg2):x64" func="+32($arg2):x64"];
    Of(Interrupt, Stops): "threaded_interrupt_stops" of unregister_handler_proc in "kernel/irq/proc.c" => Unseen
        [irq="$arg1:s32" at="+8($arg2):x64" func="+32($arg2):x64"];
    // `notifier_call` is the first member of `struct notifier_block`.
    Of(Notifier, Starts): "notifier" of notifier_chain_register in "kernel/notifier.c" => Unseen
        [at="$arg2:x64" func="+0($arg2):x64"];
    Of(Notifier, Stops): "notifier_stops" of notifier_chain_unregister in "kernel/notifier.c" => Unseen
        [at="$arg2:x64" func="+0($arg2):x64"];
    // In the new thread itself: `threadfn` of `struct kthread_create_info`.
    Of(Thread, Starts): "kthread" of kthread in "kernel/kthread.c" => Unseen
        [func="+8($arg1):x64"];
    Of(Thread, Stops): "exit" of do_exit in "kernel/exit.c" => Unseen [];
    // The callback runs within the work, after the request for the file, which has the device. `by`
    // is what the callback is called with.
    Of(Firmware, Starts): "nowait" of _request_firmware_nowait in "drivers/base/firmware_loader/main.c" => Result
        [at="$arg4:x64" by="$arg6:x64" func="$arg7:x64"];
    Of(Firmware, Runs): "nowait_runs" of request_firmware_work_func in "drivers/base/firmware_loader/main.c" => Nothing [];
    // Known by its work item; what is scheduled comes just before.
    Of(Async, Starts): "async" of queue_work_node in "kernel/workqueue.c" => Unseen
        [at="$arg3:x64"];
    Of(Async, Runs): "async_runs" of async_run_entry_fn in "kernel/async.c" => Nothing
        [at="$arg1:x64"];
    Of(Memory, Starts): "devm" of devm_kmalloc in "drivers/base/devres.c" => Result
        [size="$arg2:s32" at="$arg1:x64"];
    // A probe may end with the call; the stack does not have it then.
    Of(Character, Starts): "cdev" of cdev_add in "fs/char_dev.c" => Unseen
        [at="$arg2:x32"];
    // The compiler puts cdev_del() into other functions of its file, such as __unregister_chrdev().
    Of(Character, Stops): "cdev_stops" of kobj_unmap in "drivers/base/map.c" => Unseen
        [at="$arg2:x32"];
    // The format of the name.
    Of(Queue, Starts): "workqueue" of alloc_workqueue_noprof in "kernel/workqueue.c" => Result
        [name="+0($arg1):string"];
    // Its name in 6.12 and before.
    Of(Queue, Starts): "old_workqueue" of alloc_workqueue in "kernel/workqueue.c" => Result
        [name="+0($arg1):string"];
    Of(Queue, Stops): "workqueue_stops" of destroy_workqueue in "kernel/workqueue.c" => Unseen
        [at="$arg1:x64"];
    // A kobject, which is the beginning of its device, and the attribute or group, which begins
    // with its name.
    Of(Attribute, Starts): "file" of sysfs_create_file_ns in "fs/sysfs/file.c" => Unseen
        [name="+0(+0($arg2)):string" at="$arg1:x64" func="$arg2:x64"];
    Of(Attribute, Stops): "file_stops" of sysfs_remove_file_ns in "fs/sysfs/file.c" => Unseen
        [name="+0(+0($arg2)):string" at="$arg1:x64" func="$arg2:x64"];
    // Several of a device: all of them, as a list cannot be fetched.
    Of(Attribute, Stops): "files_stop" of sysfs_remove_files in "fs/sysfs/file.c" => Unseen
        [at="$arg1:x64"];
    Of(Attribute, Stops): "own_file_stops" of sysfs_remove_file_self in "fs/sysfs/file.c" => Unseen
        [name="+0(+0($arg2)):string" at="$arg1:x64" func="$arg2:x64"];
    Of(Attribute, Starts): "bin_file" of sysfs_create_bin_file in "fs/sysfs/file.c" => Unseen
        [name="+0(+0($arg2)):string" at="$arg1:x64" func="$arg2:x64"];
    Of(Attribute, Stops): "bin_file_stops" of sysfs_remove_bin_file in "fs/sysfs/file.c" => Unseen
        [name="+0(+0($arg2)):string" at="$arg1:x64" func="$arg2:x64"];
    Of(Attribute, Starts): "group" of sysfs_create_group in "fs/sysfs/group.c" => Unseen
        [name="+0(+0($arg2)):string" at="$arg1:x64" func="$arg2:x64"];
    Of(Attribute, Stops): "group_stops" of sysfs_remove_group in "fs/sysfs/group.c" => Unseen
        [name="+0(+0($arg2)):string" at="$arg1:x64" func="$arg2:x64"];
    // None if it is in use.
    Of(Region, Starts): "region" of __request_region in "kernel/resource.c" => Result
        [name="+0($arg4):string" at="$arg2:x64" by="$arg4:x64"];
    Of(Region, Stops): "region_stops" of __release_region in "kernel/resource.c" => Unseen
        [at="$arg2:x64"];
    // `start` is the first member of `struct resource`.
    Of(Region, Stops): "resource_stops" of release_resource in "kernel/resource.c" => Unseen
        [at="+0($arg1):x64"];
    // `count_objects` is the first member of `struct shrinker`.
    Of(Shrinker, Starts): "shrinker" of shrinker_register in "mm/shrinker.c" => Unseen
        [at="$arg1:x64" func="+0($arg1):x64"];
    Of(Shrinker, Stops): "shrinker_stops" of shrinker_free in "mm/shrinker.c" => Unseen
        [at="$arg1:x64"];
    // `handler` is the first member of `struct sysrq_key_op`.
    Of(SysrqKey, Starts): "sysrq" of register_sysrq_key in "drivers/tty/sysrq.c" => Result
        [at="$arg2:x64" func="+0($arg2):x64"];
    Of(SysrqKey, Stops): "sysrq_stops" of unregister_sysrq_key in "drivers/tty/sysrq.c" => Unseen
        [at="$arg2:x64"];
    // The consumer and the supplier, which `struct device_link` has first, behind a list.
    Of(Link, Starts): "link" of device_link_add in "drivers/base/core.c" => Result
        [name="+0(+0($arg2)):string" at="$arg1:x64" by="$arg2:x64" flags="$arg3:s32"];
    Of(Link, Stops): "link_del" of device_link_del in "drivers/base/core.c" => Unseen
        [at="+24($arg1):x64" by="+0($arg1):x64"];
    Of(Link, Stops): "link_remove" of device_link_remove in "drivers/base/core.c" => Unseen
        [at="$arg1:x64" by="$arg2:x64"];
    // A module, and the function that has called.
    Of(Reference, Starts): "reference" of try_module_get in "kernel/module/main.c" => Unseen
        [name="+24($arg1):string" func="$caller:x64"];
    Of(Reference, Starts): "reference_got" of __module_get in "kernel/module/main.c" => Unseen
        [name="+24($arg1):string" func="$caller:x64"];
    Of(Reference, Stops): "reference_stops" of module_put in "kernel/module/main.c" => Unseen
        [name="+24($arg1):string" func="$caller:x64"];
    // A callback of any kind of RCU is about to run: the first one of the list.
    Of(Rcu, Runs): "rcu_runs" of rcu_cblist_dequeue in "kernel/rcu/rcu_segcblist.c" => Unseen
        [at="+0($arg1):x64" func="+8(+0($arg1)):x64"];
    Of(Rcu, Starts): "rcu" of call_rcu in "kernel/rcu/tree.c" => Unseen
        [at="$arg1:x64" func="$arg2:x64"];
    Of(Rcu, Starts): "rcu_hurry" of call_rcu_hurry in "kernel/rcu/tree.c" => Unseen
        [at="$arg1:x64" func="$arg2:x64"];
    Of(Rcu, Stops): "rcu_barrier" of rcu_barrier in "kernel/rcu/tree.c" => Nothing [];
    // `domain` is the `struct srcu_struct`. In 7.2 call_rcu_tasks_trace() is inline, and calls this.
    Of(Srcu, Starts): "srcu" of call_srcu in "kernel/rcu/srcutree.c" => Unseen
        [domain="$arg1:x64" at="$arg2:x64" func="$arg3:x64"];
    Of(Srcu, Stops): "srcu_barrier" of srcu_barrier in "kernel/rcu/srcutree.c" => Nothing
        [domain="$arg1:x64"];
    Of(RcuTasks, Starts): "rcu_tasks" of call_rcu_tasks in "kernel/rcu/tasks.h" => Unseen
        [at="$arg1:x64" func="$arg2:x64"];
    Of(RcuTasks, Stops): "rcu_barrier_tasks" of rcu_barrier_tasks in "kernel/rcu/tasks.h" => Nothing [];
    Of(RcuTasksTrace, Starts): "rcu_tasks_trace" of call_rcu_tasks_trace in "kernel/rcu/tasks.h" => Unseen
        [at="$arg1:x64" func="$arg2:x64"];
    Of(RcuTasksTrace, Stops): "rcu_barrier_tasks_trace" of rcu_barrier_tasks_trace in "kernel/rcu/tasks.h" => Nothing [];
    // The format of the name.
    RequestModule: "request_module" of __request_module in "kernel/module/kmod.c" => Unseen
        [name="+0($arg2):string"];
};

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
}
