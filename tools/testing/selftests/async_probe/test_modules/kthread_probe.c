// SPDX-License-Identifier: GPL-2.0
/*
 * A platform driver in C, with devices of its own, whose probe loads firmware
 * for a long time and then creates a kernel thread: as the drivers did that
 * udev killed in 2014, when it gave each worker 30 seconds.
 */

#include <linux/compiler.h>
#include <linux/delay.h>
#include <linux/device.h>
#include <linux/err.h>
#include <linux/firmware.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/platform_device.h>

#define NAME		"kthread_probe"
#define MAX_DEVICES	64

static bool prefer_async;
module_param(prefer_async, bool, 0444);
MODULE_PARM_DESC(prefer_async, "Prefer asynchronous probing, else force synchronous");

static bool kthread;
module_param(kthread, bool, 0444);
MODULE_PARM_DESC(kthread, "Create a kernel thread in the probe");

static bool oops;
module_param(oops, bool, 0444);
MODULE_PARM_DESC(oops, "Dereference a NULL pointer in the probe");

static uint firmware_ms;
module_param(firmware_ms, uint, 0644);
MODULE_PARM_DESC(firmware_ms, "Time to write the firmware, in milliseconds");

static uint devices = 1;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "How many devices (1 to 64)");

static bool spread;
module_param(spread, bool, 0444);
MODULE_PARM_DESC(spread, "Put the devices on the online nodes in turn");

static bool devices_last;
module_param(devices_last, bool, 0444);
MODULE_PARM_DESC(devices_last, "Create the devices after the driver");

static struct platform_device *pdevs[MAX_DEVICES];

static int serve(void *unused)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(MAX_SCHEDULE_TIMEOUT);
	return 0;
}

static void stop(void *thread)
{
	kthread_stop(thread);
}

static int kthread_probe_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	const struct firmware *firmware;
	struct task_struct *thread;
	int ret;

	if (oops)
		return READ_ONCE(*(int *)NULL);
	ret = request_firmware(&firmware, "async_probe/slow_platform.fw", dev);
	if (ret)
		return ret;
	msleep(firmware_ms);
	release_firmware(firmware);

	if (!kthread)
		return 0;
	thread = kthread_run(serve, NULL, "%s", dev_name(dev));
	if (IS_ERR(thread))
		return dev_err_probe(dev, PTR_ERR(thread), "no kernel thread\n");
	return devm_add_action_or_reset(dev, stop, thread);
}

static struct platform_driver kthread_probe_driver = {
	.probe = kthread_probe_probe,
	.driver.name = NAME,
};

static struct platform_device *new_device(int id, int node)
{
	struct platform_device *pdev = platform_device_alloc(NAME, id);
	int ret;

	if (!pdev)
		return ERR_PTR(-ENOMEM);
	set_dev_node(&pdev->dev, node);
	ret = platform_device_add(pdev);
	if (ret) {
		platform_device_put(pdev);
		return ERR_PTR(ret);
	}
	return pdev;
}

static void remove_devices(uint count)
{
	while (count)
		platform_device_unregister(pdevs[--count]);
}

static int create_devices(void)
{
	int node = NUMA_NO_NODE;
	uint i;

	for (i = 0; i < devices; i++) {
		if (spread) {
			node = i ? next_online_node(node) : first_online_node;
			if (node == MAX_NUMNODES)
				node = first_online_node;
		}
		pdevs[i] = new_device(i, node);
		if (IS_ERR(pdevs[i])) {
			remove_devices(i);
			return PTR_ERR(pdevs[i]);
		}
	}
	return 0;
}

static int __init kthread_probe_init(void)
{
	int ret;

	if (!devices || devices > MAX_DEVICES)
		return -EINVAL;

	kthread_probe_driver.driver.probe_type =
		prefer_async ? PROBE_PREFER_ASYNCHRONOUS : PROBE_FORCE_SYNCHRONOUS;
	if (!devices_last) {
		ret = create_devices();
		if (ret)
			return ret;
	}
	ret = platform_driver_register(&kthread_probe_driver);
	if (ret) {
		if (!devices_last)
			remove_devices(devices);
		return ret;
	}
	if (devices_last) {
		ret = create_devices();
		if (ret)
			platform_driver_unregister(&kthread_probe_driver);
	}
	return ret;
}
module_init(kthread_probe_init);

static void __exit kthread_probe_exit(void)
{
	platform_driver_unregister(&kthread_probe_driver);
	remove_devices(devices);
}
module_exit(kthread_probe_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Platform driver that creates a kernel thread in its probe");
MODULE_LICENSE("GPL");
