// SPDX-License-Identifier: GPL-2.0
/*
 * Times the driver core's calls for the devices of a parent and one driver:
 * match, bind and unbind, each device by itself. All are bound in the end, or
 * just unbound if that is asked for.
 *
 * All is over when the module is loaded, and dmesg has a line for each call
 * with the median of all devices, so that the few do not count which a timer
 * has interrupted. Few devices are bound several times, for the same reason.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/ktime.h>
#include <linux/math64.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>
#include <linux/sort.h>
#include <linux/string.h>

#define CLOCK_SAMPLES	100
#define MATCH_CALLS	10
#define MIN_SAMPLES	100

static char *parent;
module_param(parent, charp, 0444);
MODULE_PARM_DESC(parent, "Platform device whose children are meant (default: the platform bus's own)");

static char *prefix = "bench";
module_param(prefix, charp, 0444);
MODULE_PARM_DESC(prefix, "What the names of the devices begin with");

static char *driver;
module_param(driver, charp, 0444);
MODULE_PARM_DESC(driver, "Name of the driver");

static bool unbind_all;
module_param(unbind_all, bool, 0444);
MODULE_PARM_DESC(unbind_all, "Unbind all devices and do nothing else");

struct devices {
	struct device **devs;
	u64 *binds;
	u64 *unbinds;
	unsigned int count;
	/* A multiple of the count. */
	unsigned int samples;
	u64 clock_ns;
};

static int count_one(struct device *dev, void *data)
{
	struct devices *devices = data;

	if (strstarts(dev_name(dev), prefix))
		devices->count++;
	return 0;
}

static int take_one(struct device *dev, void *data)
{
	struct devices *devices = data;

	if (strstarts(dev_name(dev), prefix))
		devices->devs[devices->count++] = get_device(dev);
	return 0;
}

static int take_devices(struct devices *devices)
{
	struct device *dev;
	int ret = 0;

	if (parent)
		dev = bus_find_device_by_name(&platform_bus_type, NULL, parent);
	else
		dev = get_device(&platform_bus);
	if (!dev)
		return -ENODEV;

	device_for_each_child(dev, devices, count_one);
	if (!devices->count) {
		ret = -ENODEV;
		goto put;
	}
	devices->devs = kvzalloc_objs(*devices->devs, devices->count);
	devices->samples = roundup(MIN_SAMPLES, devices->count);
	devices->binds = kvzalloc_objs(*devices->binds, devices->samples);
	devices->unbinds = kvzalloc_objs(*devices->unbinds, devices->samples);
	if (!devices->devs || !devices->binds || !devices->unbinds) {
		ret = -ENOMEM;
		goto put;
	}
	devices->count = 0;
	device_for_each_child(dev, devices, take_one);

put:
	put_device(dev);
	return ret;
}

static void put_devices(struct devices *devices)
{
	if (devices->devs)
		while (devices->count)
			put_device(devices->devs[--devices->count]);
	kvfree(devices->devs);
	kvfree(devices->binds);
	kvfree(devices->unbinds);
}

static int compare(const void *a, const void *b)
{
	u64 x = *(const u64 *)a, y = *(const u64 *)b;

	return x < y ? -1 : x > y;
}

static void report(struct devices *devices, const char *call, u64 *samples, unsigned int count,
		   unsigned int calls)
{
	sort(samples, count, sizeof(u64), compare, NULL);
	pr_info("call=%s driver=%s devices=%u ns=%llu\n", call, driver, devices->count,
		div_u64(samples[count / 2] - devices->clock_ns, calls));
}

/* What it costs to look at the clock. */
static void calibrate(struct devices *devices)
{
	u64 began, took;
	int i;

	devices->clock_ns = U64_MAX;
	for (i = 0; i < CLOCK_SAMPLES; i++) {
		began = ktime_get_ns();
		took = ktime_get_ns() - began;
		devices->clock_ns = min(devices->clock_ns, took);
	}
}

static void match(struct devices *devices, const struct device_driver *drv)
{
	unsigned int i, call;
	u64 began;

	for (i = 0; i < devices->count; i++) {
		struct device *dev = devices->devs[i];

		began = ktime_get_ns();
		for (call = 0; call < MATCH_CALLS; call++)
			dev->bus->match(dev, drv);
		devices->binds[i] = ktime_get_ns() - began;
	}
}

static int bind(struct devices *devices, struct device_driver *drv, u64 *samples)
{
	unsigned int i;
	u64 began;
	int ret;

	for (i = 0; i < devices->count; i++) {
		began = ktime_get_ns();
		ret = device_driver_attach(drv, devices->devs[i]);
		samples[i] = ktime_get_ns() - began;
		if (ret)
			return dev_err_probe(devices->devs[i], ret, "not bound\n");
	}
	return 0;
}

static void unbind(struct devices *devices, u64 *samples)
{
	unsigned int i;
	u64 began;

	for (i = 0; i < devices->count; i++) {
		began = ktime_get_ns();
		device_release_driver(devices->devs[i]);
		samples[i] = ktime_get_ns() - began;
	}
}

static int __init bench_attach_init(void)
{
	struct devices devices = {};
	struct device_driver *drv;
	unsigned int i;
	int ret;

	if (!driver)
		return -EINVAL;
	ret = take_devices(&devices);
	if (ret)
		goto out;
	drv = driver_find(driver, devices.devs[0]->bus);
	if (!drv) {
		ret = -ENODEV;
		goto out;
	}
	calibrate(&devices);

	unbind(&devices, devices.unbinds);
	if (unbind_all)
		goto out;
	match(&devices, drv);
	report(&devices, "match", devices.binds, devices.count, MATCH_CALLS);

	/* Once to no purpose, so that nothing is the first of its kind. */
	ret = bind(&devices, drv, devices.binds);
	if (ret)
		goto out;
	for (i = 0; i < devices.samples; i += devices.count) {
		unbind(&devices, devices.unbinds + i);
		ret = bind(&devices, drv, devices.binds + i);
		if (ret)
			goto out;
	}
	report(&devices, "unbind", devices.unbinds, devices.samples, 1);
	report(&devices, "bind", devices.binds, devices.samples, 1);

out:
	put_devices(&devices);
	return ret;
}
module_init(bench_attach_init);

static void __exit bench_attach_exit(void)
{
}
module_exit(bench_attach_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Times the calls of the driver core");
MODULE_LICENSE("GPL");
