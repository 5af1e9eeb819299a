// SPDX-License-Identifier: GPL-2.0
/*
 * A bus, its devices and its drivers, with one defect each by which they break
 * one law of asynchronous probing on a running kernel: mutant=NAME. Without one
 * (mutant=none) all laws hold. tools/lifecycle/src/laws/ lists them.
 *
 * They break laws, and nothing else: all memory and all code that can be
 * reached belong to this module, which stays until all of it is at rest.
 * mutant_driver.ko registers the drivers, mutant_bus.ko the bus where
 * own_bus=0, so that both can be unloaded.
 */

#include <linux/async.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/device/bus.h>
#include <linux/device/driver.h>
#include <linux/err.h>
#include <linux/firmware.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/platform_device.h>
#include <linux/reboot.h>
#include <linux/sched/signal.h>
#include <linux/string.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "mutants.h"

#define NAME		"mutant"
#define MAX_DEVICES	4

static char *mutant = "none";
module_param(mutant, charp, 0444);
MODULE_PARM_DESC(mutant, "The defect");

static uint devices = 2;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "How many devices the bus has from the beginning (0 to 4)");

static uint probe_type = PROBE_PREFER_ASYNCHRONOUS;
module_param(probe_type, uint, 0444);
MODULE_PARM_DESC(probe_type, "enum probe_type of the drivers");

static uint slow_ms;
module_param(slow_ms, uint, 0444);
MODULE_PARM_DESC(slow_ms, "How long a probe takes, in milliseconds");

static bool own_bus = true;
module_param(own_bus, bool, 0444);
MODULE_PARM_DESC(own_bus, "Register the bus here, not in mutant_bus.ko");

static bool two_drivers;
module_param(two_drivers, bool, 0444);
MODULE_PARM_DESC(two_drivers, "Register a second driver for the same devices");

static bool exclusive;
module_param(exclusive, bool, 0444);
MODULE_PARM_DESC(exclusive, "Probe in an exclusive domain of the driver's own");

static bool fails;
module_param(fails, bool, 0444);
MODULE_PARM_DESC(fails, "The first device's probe fails with EIO");

static bool defers;
module_param(defers, bool, 0444);
MODULE_PARM_DESC(defers, "The first device's first probe says EPROBE_DEFER");

static bool kthread;
module_param(kthread, bool, 0444);
MODULE_PARM_DESC(kthread, "Create a kernel thread in the probe");

static char *firmware;
module_param(firmware, charp, 0444);
MODULE_PARM_DESC(firmware, "The file that the probe requests");

static bool domain;
module_param(domain, bool, 0444);
MODULE_PARM_DESC(domain, "Drop a domain while its functions run, and say so");

struct mutant_device {
	struct device dev;
	struct delayed_work late;
	const char *driver;
	ktime_t began;
	uint number;
	bool alive;
	bool added;
	bool held;
	bool deferred;
	bool claimed;
};

static struct mutant_device all[MAX_DEVICES];
static const struct bus_type mutant_bus;
static struct device_driver first, second;
static struct module *bus_owner;
static bool bus_registered, bus_pinned, drivers_registered;
static struct task_struct *registrar;
static ASYNC_DOMAIN(registered_domain);
static ASYNC_DOMAIN_EXCLUSIVE(exclusive_domain);
static atomic_t alive = ATOMIC_INIT(0);
static DECLARE_WAIT_QUEUE_HEAD(all_freed);

static bool is(const char *name)
{
	return !strcmp(mutant, name);
}

static struct mutant_device *to_mutant(struct device *dev)
{
	return container_of(dev, struct mutant_device, dev);
}

/* The dmesg interface: Documentation/dmesg-timing.rst. */

#define say(fmt, ...)	pr_info("async_probe: timing: " fmt, ##__VA_ARGS__)

static void say_began(struct mutant_device *m)
{
	m->began = ktime_get();
	m->driver = m->dev.driver->name;
	say("probe_began dev=%s driver=%s async=%d cpu=%u pid=%d task=%s\n",
	    dev_name(&m->dev), m->driver, current_is_async(),
	    raw_smp_processor_id(), task_pid_nr(current), current->comm);
}

static void say_ended(struct mutant_device *m, int ret)
{
	u64 us = ktime_us_delta(ktime_get(), m->began);

	say("probe_ended dev=%s driver=%s ret=%d ms=%llu.%03llu\n",
	    dev_name(&m->dev), m->driver, ret, us / 1000, us % 1000);
}

static void say_removed(struct mutant_device *m)
{
	say("removing dev=%s driver=%s\n", dev_name(&m->dev), m->driver);
	say("unbound dev=%s driver=%s\n", dev_name(&m->dev), m->driver);
}

static void say_released(void *data)
{
	struct mutant_device *m = data;

	say("devres_released dev=%s driver=%s\n", dev_name(&m->dev), m->driver);
}

static void say_dropped(void *name)
{
	pr_info("mutants: dropped %s\n", (char *)name);
}

/* The driver. */

static int serve(void *unused)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(MAX_SCHEDULE_TIMEOUT);
	return 0;
}

static int with_kthread(void)
{
	bool killed = is("worker_is_killed");
	struct task_struct *thread;

	if (killed) {
		allow_signal(SIGKILL);
		send_sig(SIGKILL, current, 1);
	}
	/* If the thread is there before this task waits for it, the signal is not seen. */
	do {
		thread = kthread_run(serve, NULL, NAME);
		if (!IS_ERR(thread))
			kthread_stop(thread);
	} while (killed && !IS_ERR(thread));
	if (killed) {
		flush_signals(current);
		disallow_signal(SIGKILL);
	}
	return PTR_ERR_OR_ZERO(thread);
}

static int with_firmware(struct mutant_device *m)
{
	const struct firmware *fw = NULL;
	int ret = request_firmware(&fw, firmware, &m->dev);

	say("firmware_arrived dev=%s driver=%s bytes=%zu ret=%d ms=0.000\n",
	    dev_name(&m->dev), m->driver, ret ? 0 : fw->size, ret);
	release_firmware(fw);
	return is("firmware_ignored") ? 0 : ret;
}

static int add_fields(struct mutant_device *m)
{
	/* devres releases last what came first. */
	bool backwards = is("fields_backwards");
	int ret = devm_add_action(&m->dev, say_dropped, backwards ? "first" : "second");

	if (!ret)
		ret = devm_add_action(&m->dev, say_dropped, backwards ? "second" : "first");
	return ret ?: devm_add_action(&m->dev, say_released, m);
}

static int mutant_probe(struct device *dev)
{
	struct mutant_device *m = to_mutant(dev);
	int ret = 0;

	say_began(m);
	if (is("uevent_early"))
		kobject_uevent(&dev->kobj, KOBJ_BIND);
	if (is("uevent_suppressed"))
		dev_set_uevent_suppress(dev, 1);
	if (is("node_is_forgotten"))
		set_dev_node(dev, 0);
	if (is("work_is_left")) {
		ret = add_fields(m);
		if (!ret)
			schedule_delayed_work(&m->late, msecs_to_jiffies(slow_ms));
		return ret;
	}

	if (kthread)
		ret = with_kthread();
	if (!ret && firmware)
		ret = with_firmware(m);
	msleep(slow_ms);
	if (!ret && fails && !m->number)
		ret = -EIO;
	if (!ret && defers && !m->number && !m->deferred) {
		m->deferred = true;
		ret = -EPROBE_DEFER;
	}
	if (!ret && is("remove_forgets")) {
		/* It is never let go of again. */
		ret = m->claimed ? -EBUSY : 0;
		m->claimed = true;
	}
	if (!ret)
		ret = add_fields(m);
	say_ended(m, ret);
	return ret;
}

static void mutant_remove(struct device *dev)
{
	struct mutant_device *m = to_mutant(dev);

	dev_set_uevent_suppress(dev, 0);
	if (is("remove_later")) {
		schedule_delayed_work(&m->late, msecs_to_jiffies(100));
		return;
	}
	if (is("devres_first"))
		devm_release_action(dev, say_released, m);
	say_removed(m);
	if (is("firmware_after_unbind"))
		schedule_delayed_work(&m->late, msecs_to_jiffies(100));
}

static void late(struct work_struct *work)
{
	struct mutant_device *m = container_of(to_delayed_work(work),
					       struct mutant_device, late);
	const struct firmware *fw = NULL;

	if (is("work_is_left"))
		say_ended(m, 0);
	if (is("remove_later"))
		say_removed(m);
	if (is("firmware_after_unbind") && !request_firmware(&fw, firmware, &m->dev))
		release_firmware(fw);
}

/* The bus. */

static int bus_probe(struct device *dev)
{
	int ret = mutant_probe(dev);

	if (!ret && is("probe_twice"))
		ret = mutant_probe(dev);
	if (ret && is("remove_after_failure"))
		mutant_remove(dev);
	return ret;
}

static void bus_remove(struct device *dev)
{
	mutant_remove(dev);
	if (is("remove_twice"))
		mutant_remove(dev);
}

/* Called without the device lock if @dev is there before @drv. */
static int bus_match(struct device *dev, const struct device_driver *drv)
{
	struct device_driver *driver = drv == &first ? &first : &second;
	struct mutant_device *m = to_mutant(dev);
	bool registering = current == registrar;

	if (exclusive && registering)
		return 0;
	if (is("late_devices_refused") && !registering)
		return 0;
	if (is("match_forgets") && m->deferred)
		return 0;
	if (is("match_prefers"))
		driver->probe_type = PROBE_PREFER_ASYNCHRONOUS;
	if (is("match_forces"))
		driver->probe_type = PROBE_FORCE_SYNCHRONOUS;
	if (is("node_is_forgotten"))
		set_dev_node(dev, NUMA_NO_NODE);
	if (is("match_waits") && registering && m->number)
		async_synchronize_full();
	if (is("match_probes") && registering && !m->number)
		WARN_ON(device_driver_attach(driver, dev));
	if (is("slot_is_ignored") && registering && drv == &second)
		WARN_ON(device_driver_attach(driver, dev));
	return 1;
}

static void mutant_release(struct device *dev)
{
	WRITE_ONCE(to_mutant(dev)->alive, false);
	if (atomic_dec_and_test(&alive))
		wake_up(&all_freed);
}

static int add(struct mutant_device *m, uint number)
{
	int ret;

	if (READ_ONCE(m->alive))
		return -EBUSY;
	memset(m, 0, sizeof(*m));
	m->number = number;
	m->alive = true;
	INIT_DELAYED_WORK(&m->late, late);
	m->dev.bus = &mutant_bus;
	m->dev.release = mutant_release;
	device_initialize(&m->dev);
	atomic_inc(&alive);
	set_dev_node(&m->dev, 0);
	ret = dev_set_name(&m->dev, NAME ".%u", number);
	if (!ret)
		ret = device_add(&m->dev);
	if (ret)
		put_device(&m->dev);
	m->added = !ret;
	return ret;
}

static void remove(struct mutant_device *m)
{
	if (!m->added)
		return;
	m->added = false;
	m->held = is("held") || is("device_is_held");
	if (m->held)
		get_device(&m->dev);
	device_unregister(&m->dev);
}

static ssize_t add_store(const struct bus_type *bus, const char *buf, size_t count)
{
	uint number;
	int ret = kstrtouint(buf, 0, &number);

	if (!ret)
		ret = number < MAX_DEVICES ? add(&all[number], number) : -EINVAL;
	return ret ?: count;
}
static BUS_ATTR_WO(add);

static ssize_t remove_store(const struct bus_type *bus, const char *buf, size_t count)
{
	uint number;
	int ret = kstrtouint(buf, 0, &number);

	if (ret || number >= MAX_DEVICES)
		return ret ?: -EINVAL;
	remove(&all[number]);
	return count;
}
static BUS_ATTR_WO(remove);

static struct attribute *mutant_attrs[] = {
	&bus_attr_add.attr,
	&bus_attr_remove.attr,
	NULL
};
ATTRIBUTE_GROUPS(mutant);

static const struct bus_type mutant_bus = {
	.name = NAME,
	.match = bus_match,
	.probe = bus_probe,
	.remove = bus_remove,
	.bus_groups = mutant_groups,
};

static struct device_driver first = { .name = NAME, .bus = &mutant_bus };
static struct device_driver second = { .name = NAME "_two", .bus = &mutant_bus };

static void unregister_bus(void)
{
	uint i;

	if (!bus_registered)
		return;
	bus_registered = false;
	for (i = 0; i < MAX_DEVICES; i++)
		remove(&all[i]);
	bus_unregister(&mutant_bus);
}

int mutants_register_bus(struct module *owner)
{
	int ret = bus_register(&mutant_bus);
	uint i;

	if (ret)
		return ret;
	bus_registered = true;
	bus_owner = owner;
	for (i = 0; i < devices && !ret; i++)
		ret = add(&all[i], i);
	if (ret)
		unregister_bus();
	return ret;
}
EXPORT_SYMBOL_GPL(mutants_register_bus);

void mutants_unregister_bus(void)
{
	if (!is("provider_goes"))
		unregister_bus();
}
EXPORT_SYMBOL_GPL(mutants_unregister_bus);

/* The registration of the drivers. */

static struct async_domain *own_domain(void)
{
	return is("domain_is_registered") ? &registered_domain : &exclusive_domain;
}

static void attach(void *data, async_cookie_t cookie)
{
	struct mutant_device *m = data;

	if (device_driver_attach(&first, &m->dev))
		dev_err(&m->dev, "not attached\n");
	put_device(&m->dev);
}

static void attach_all(void)
{
	uint i;

	for (i = 0; i < MAX_DEVICES; i++)
		if (all[i].added) {
			get_device(&all[i].dev);
			async_schedule_domain(attach, &all[i], own_domain());
		}
}

static int register_driver(struct device_driver *driver, struct module *owner)
{
	static const char *const names[] = {
		"default_strategy", "prefer_asynchronous", "force_synchronous",
	};
	ktime_t began;
	int ret;
	u64 us;

	driver->owner = is("driver_is_left") ? NULL : owner;
	driver->probe_type = probe_type;
	driver->suppress_bind_attrs = false;
	began = ktime_get();
	ret = driver_register(driver);
	us = ktime_us_delta(ktime_get(), began);
	say("registered driver=%s probe_type=%s ret=%d ms=%llu.%03llu\n",
	    driver->name, names[probe_type], ret, us / 1000, us % 1000);
	return ret;
}

static void unregister_driver(struct device_driver *driver)
{
	driver_unregister(driver);
	say("unregistered driver=%s ms=0.000\n", driver->name);
}

static void unregister_drivers(void)
{
	if (!drivers_registered)
		return;
	drivers_registered = false;
	async_synchronize_full_domain(own_domain());
	if (two_drivers)
		unregister_driver(&second);
	unregister_driver(&first);
	if (bus_pinned)
		module_put(bus_owner);
	bus_pinned = false;
}

/* The lock of a device whose probe has oopsed. */
static int wait_for_the_dead(void)
{
	struct device *dev = bus_find_device_by_name(&platform_bus_type, NULL, "kthread_probe.0");
	int ret;

	if (!dev)
		return -ENODEV;
	ret = device_lock_interruptible(dev);
	if (!ret)
		device_unlock(dev);
	put_device(dev);
	return ret;
}

int mutants_register_drivers(struct module *owner)
{
	int ret;

	if (!bus_registered)
		return -ENODEV;
	if (is("init_waits_for_the_dead")) {
		ret = wait_for_the_dead();
		if (ret)
			return ret;
	}
	bus_pinned = bus_owner && !is("provider_goes") && try_module_get(bus_owner);
	registrar = current;
	ret = register_driver(&first, owner);
	if (!ret && two_drivers) {
		ret = register_driver(&second, owner);
		if (ret)
			unregister_driver(&first);
	}
	registrar = NULL;
	if (ret) {
		if (bus_pinned)
			module_put(bus_owner);
		return ret;
	}
	drivers_registered = true;
	if (exclusive)
		attach_all();
	if (is("autoprobe_is_ignored"))
		ret = driver_attach(&first);
	return ret;
}
EXPORT_SYMBOL_GPL(mutants_register_drivers);

void mutants_unregister_drivers(void)
{
	if (!is("driver_is_left"))
		unregister_drivers();
}
EXPORT_SYMBOL_GPL(mutants_unregister_drivers);

/* The machine goes down. */

static int shut_down(struct notifier_block *notifier, unsigned long action, void *data)
{
	uint i;

	/* As the driver core does with initcall_debug, but of devices that are not bound, too. */
	for (i = 0; i < MAX_DEVICES; i++)
		if (all[i].added)
			dev_info(&all[i].dev, "shutdown\n");
	return NOTIFY_DONE;
}

static struct notifier_block notifier = { .notifier_call = shut_down };

/* A domain, with the lines of domain_test.ko. */

static void end(void *number, async_cookie_t cookie)
{
	msleep(100);
	pr_info("mutants: ended %lu\n", (unsigned long)number);
}

static void drop_domain(void)
{
	unsigned long i;

	for (i = 0; i < 2; i++) {
		async_schedule_domain(end, (void *)i, &exclusive_domain);
		pr_info("mutants: scheduled %lu\n", i);
	}
	if (!is("domain_does_not_wait"))
		async_synchronize_full_domain(&exclusive_domain);
	pr_info("mutants: waited dropped\n");
}

static int __init mutants_init(void)
{
	if (devices > MAX_DEVICES || probe_type > PROBE_FORCE_SYNCHRONOUS)
		return -EINVAL;
	if (domain)
		drop_domain();
	if (is("notifier_shuts_down"))
		register_reboot_notifier(&notifier);
	return own_bus ? mutants_register_bus(NULL) : 0;
}
module_init(mutants_init);

static void __exit mutants_exit(void)
{
	uint i;

	if (is("notifier_shuts_down"))
		unregister_reboot_notifier(&notifier);
	unregister_drivers();
	unregister_bus();
	for (i = 0; i < MAX_DEVICES; i++) {
		if (all[i].late.work.func)
			flush_delayed_work(&all[i].late);
		if (all[i].held)
			put_device(&all[i].dev);
	}
	wait_event(all_freed, !atomic_read(&alive));
	async_synchronize_full_domain(&exclusive_domain);
}
module_exit(mutants_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Wrong drivers on a wrong bus");
MODULE_LICENSE("GPL");
