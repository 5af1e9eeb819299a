// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of bench_auxiliary_rust.rs in C: a platform device whose driver
 * adds auxiliary devices, and a driver for these whose probe does nothing but
 * allocate its data.
 */

#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/auxiliary_bus.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

static uint devices = 10;
module_param(devices, uint, 0444);
MODULE_PARM_DESC(devices, "Number of devices (default 10)");

static struct auxiliary_device **adevs;

static void bench_device_release(struct device *dev)
{
	kfree(to_auxiliary_dev(dev));
}

static struct auxiliary_device *bench_device_create(struct device *parent, u32 index)
{
	struct auxiliary_device *adev;
	int ret;

	adev = kzalloc_obj(*adev);
	if (!adev)
		return ERR_PTR(-ENOMEM);

	adev->name = "bench";
	adev->id = index;
	adev->dev.parent = parent;
	adev->dev.release = bench_device_release;
	ret = auxiliary_device_init(adev);
	if (ret) {
		kfree(adev);
		return ERR_PTR(ret);
	}

	ret = auxiliary_device_add(adev);
	if (ret) {
		auxiliary_device_uninit(adev);
		return ERR_PTR(ret);
	}
	return adev;
}

static void remove_devices(uint count)
{
	while (count) {
		struct auxiliary_device *adev = adevs[--count];

		auxiliary_device_delete(adev);
		auxiliary_device_uninit(adev);
	}
}

static int bench_parent_probe(struct platform_device *pdev)
{
	ktime_t began = ktime_get();
	uint i;

	for (i = 0; i < devices; i++) {
		adevs[i] = bench_device_create(&pdev->dev, i);
		if (IS_ERR(adevs[i])) {
			remove_devices(i);
			return PTR_ERR(adevs[i]);
		}
	}
	pr_info("call=add devices=%u ns=%lld\n", devices,
		ktime_to_ns(ktime_sub(ktime_get(), began)));
	return 0;
}

static void bench_parent_remove(struct platform_device *pdev)
{
	ktime_t began = ktime_get();

	remove_devices(devices);
	pr_info("call=remove devices=%u ns=%lld\n", devices,
		ktime_to_ns(ktime_sub(ktime_get(), began)));
}

static struct platform_driver bench_parent_driver = {
	.probe = bench_parent_probe,
	.remove = bench_parent_remove,
	.driver.name = "bench_parent",
};

struct bench_data {
	u32 index;
};

static int bench_probe(struct auxiliary_device *adev, const struct auxiliary_device_id *id)
{
	struct bench_data *data;

	data = kmalloc_obj(*data);
	if (!data)
		return -ENOMEM;

	data->index = adev->id;
	auxiliary_set_drvdata(adev, data);
	return 0;
}

static void bench_remove(struct auxiliary_device *adev)
{
	kfree(auxiliary_get_drvdata(adev));
}

static const struct auxiliary_device_id bench_id_table[] = {
	{ .name = KBUILD_MODNAME ".bench" },
	{ }
};
MODULE_DEVICE_TABLE(auxiliary, bench_id_table);

static struct auxiliary_driver bench_driver = {
	.name = KBUILD_MODNAME,
	.probe = bench_probe,
	.remove = bench_remove,
	.id_table = bench_id_table,
};

static struct platform_device *parent;

static int __init bench_auxiliary_init(void)
{
	int ret;

	adevs = kvzalloc_objs(*adevs, devices);
	if (!adevs)
		return -ENOMEM;

	parent = platform_device_register_simple("bench_parent", PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(parent)) {
		ret = PTR_ERR(parent);
		goto err_free;
	}

	ret = platform_driver_register(&bench_parent_driver);
	if (ret)
		goto err_parent;

	ret = auxiliary_driver_register(&bench_driver);
	if (ret)
		goto err_driver;
	return 0;

err_driver:
	platform_driver_unregister(&bench_parent_driver);
err_parent:
	platform_device_unregister(parent);
err_free:
	kvfree(adevs);
	return ret;
}
module_init(bench_auxiliary_init);

static void __exit bench_auxiliary_exit(void)
{
	auxiliary_driver_unregister(&bench_driver);
	platform_driver_unregister(&bench_parent_driver);
	platform_device_unregister(parent);
	kvfree(adevs);
}
module_exit(bench_auxiliary_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Auxiliary devices and their driver, in C");
MODULE_LICENSE("GPL");
