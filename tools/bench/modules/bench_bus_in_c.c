// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of bench_bus_rust.rs in C: a bus with its devices and a driver,
 * whose probe does nothing but allocate its data.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/device.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#define MODEL	1

static uint devices = 10;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "Number of devices (default 10)");

struct bench_device {
	struct device dev;
	u32 index;
	u32 model;
};

#define to_bench_device(d)	container_of(d, struct bench_device, dev)

struct bench_driver {
	struct device_driver driver;
	u32 model;
	int (*probe)(struct bench_device *bdev);
	void (*remove)(struct bench_device *bdev);
};

#define to_bench_driver(d)	container_of_const(d, struct bench_driver, driver)

static int bench_match(struct device *dev, const struct device_driver *drv)
{
	return to_bench_device(dev)->model == to_bench_driver(drv)->model;
}

static int bench_bus_probe(struct device *dev)
{
	return to_bench_driver(dev->driver)->probe(to_bench_device(dev));
}

static void bench_bus_remove(struct device *dev)
{
	to_bench_driver(dev->driver)->remove(to_bench_device(dev));
}

static const struct bus_type bench_bus_type = {
	.name = KBUILD_MODNAME,
	.match = bench_match,
	.probe = bench_bus_probe,
	.remove = bench_bus_remove,
};

static void bench_device_release(struct device *dev)
{
	kfree(to_bench_device(dev));
}

static struct bench_device *bench_device_create(struct device *parent, u32 index)
{
	struct bench_device *bdev;
	int ret;

	bdev = kzalloc_obj(*bdev);
	if (!bdev)
		return ERR_PTR(-ENOMEM);

	bdev->index = index;
	bdev->model = MODEL;
	bdev->dev.parent = parent;
	bdev->dev.bus = &bench_bus_type;
	bdev->dev.release = bench_device_release;
	device_initialize(&bdev->dev);

	ret = dev_set_name(&bdev->dev, "bench.%u", index);
	if (!ret)
		ret = device_add(&bdev->dev);
	if (ret) {
		put_device(&bdev->dev);
		return ERR_PTR(ret);
	}
	return bdev;
}

struct bench_data {
	u32 index;
};

static int bench_probe(struct bench_device *bdev)
{
	struct bench_data *data;

	data = kmalloc_obj(*data);
	if (!data)
		return -ENOMEM;

	data->index = bdev->index;
	dev_set_drvdata(&bdev->dev, data);
	return 0;
}

static void bench_remove(struct bench_device *bdev)
{
	kfree(dev_get_drvdata(&bdev->dev));
}

static struct bench_driver bench_driver = {
	.driver = {
		.name = KBUILD_MODNAME,
		.bus = &bench_bus_type,
		.owner = THIS_MODULE,
	},
	.model = MODEL,
	.probe = bench_probe,
	.remove = bench_remove,
};

static struct platform_device *parent;
static struct bench_device **bdevs;

static void remove_devices(uint count)
{
	while (count)
		device_unregister(&bdevs[--count]->dev);
}

static int add_devices(void)
{
	uint i;

	for (i = 0; i < devices; i++) {
		bdevs[i] = bench_device_create(&parent->dev, i);
		if (IS_ERR(bdevs[i])) {
			remove_devices(i);
			return PTR_ERR(bdevs[i]);
		}
	}
	return 0;
}

static int __init bench_bus_init(void)
{
	ktime_t began;
	int ret;

	bdevs = kvzalloc_objs(*bdevs, devices);
	if (!bdevs)
		return -ENOMEM;

	parent = platform_device_register_simple("bench_parent", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(parent)) {
		ret = PTR_ERR(parent);
		goto err_free;
	}

	ret = bus_register(&bench_bus_type);
	if (ret)
		goto err_parent;

	began = ktime_get();
	ret = add_devices();
	if (ret)
		goto err_bus;
	pr_info("call=add devices=%u ns=%lld\n", devices,
		ktime_to_ns(ktime_sub(ktime_get(), began)));

	ret = driver_register(&bench_driver.driver);
	if (ret)
		goto err_devices;
	return 0;

err_devices:
	remove_devices(devices);
err_bus:
	bus_unregister(&bench_bus_type);
err_parent:
	platform_device_unregister(parent);
err_free:
	kvfree(bdevs);
	return ret;
}
module_init(bench_bus_init);

static void __exit bench_bus_exit(void)
{
	ktime_t began;

	driver_unregister(&bench_driver.driver);

	began = ktime_get();
	remove_devices(devices);
	bus_unregister(&bench_bus_type);
	pr_info("call=remove devices=%u ns=%lld\n", devices,
		ktime_to_ns(ktime_sub(ktime_get(), began)));

	platform_device_unregister(parent);
	kvfree(bdevs);
}
module_exit(bench_bus_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Bus with devices and a driver, in C");
MODULE_LICENSE("GPL");
