// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of bench_devices_rust.rs in C: platform devices that no driver
 * matches by itself.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

static uint devices = 10;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "Number of devices (default 10)");

static struct platform_device **pdevs;

static void remove_devices(uint count)
{
	while (count)
		platform_device_unregister(pdevs[--count]);
}

static int __init bench_devices_init(void)
{
	ktime_t began;
	uint i;

	pdevs = kvzalloc_objs(*pdevs, devices);
	if (!pdevs)
		return -ENOMEM;

	began = ktime_get();
	for (i = 0; i < devices; i++) {
		pdevs[i] = platform_device_register_simple("bench", i, NULL, 0);
		if (IS_ERR(pdevs[i])) {
			int ret = PTR_ERR(pdevs[i]);

			remove_devices(i);
			kvfree(pdevs);
			return ret;
		}
	}
	pr_info("call=add devices=%u ns=%lld\n", devices,
		ktime_to_ns(ktime_sub(ktime_get(), began)));
	return 0;
}
module_init(bench_devices_init);

static void __exit bench_devices_exit(void)
{
	ktime_t began = ktime_get();

	remove_devices(devices);
	pr_info("call=remove devices=%u ns=%lld\n", devices,
		ktime_to_ns(ktime_sub(ktime_get(), began)));
	kvfree(pdevs);
}
module_exit(bench_devices_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Platform devices, made in C");
MODULE_LICENSE("GPL");
