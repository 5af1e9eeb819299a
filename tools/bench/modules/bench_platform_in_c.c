// SPDX-License-Identifier: GPL-2.0
/*
 * The twin of bench_platform_rust.rs and bench_platform_main.rs in C: a
 * platform driver whose probe does nothing but allocate its data.
 */

#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

struct bench_data {
	u32 index;
};

static int bench_platform_probe(struct platform_device *pdev)
{
	struct bench_data *data;

	data = kmalloc_obj(*data);
	if (!data)
		return -ENOMEM;

	data->index = 0;
	platform_set_drvdata(pdev, data);
	return 0;
}

static void bench_platform_remove(struct platform_device *pdev)
{
	kfree(platform_get_drvdata(pdev));
}

static struct platform_driver bench_platform_driver = {
	.probe = bench_platform_probe,
	.remove = bench_platform_remove,
	.driver = {
		.name = KBUILD_MODNAME,
		.probe_type = PROBE_PREFER_ASYNCHRONOUS,
	},
};
module_platform_driver(bench_platform_driver);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Platform driver in C");
MODULE_LICENSE("GPL");
