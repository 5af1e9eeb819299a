/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A platform driver that is named after its module, says nothing of how it wants
 * to be probed, and whose probe sleeps. It is deferred until the device `needs`
 * is bound.
 */

#include <linux/delay.h>
#include <linux/module.h>
#include <linux/platform_device.h>

static unsigned int ms = 500;
module_param(ms, uint, 0444);
MODULE_PARM_DESC(ms, "milliseconds that a probe takes (default 500)");

static char *needs;
module_param(needs, charp, 0444);
MODULE_PARM_DESC(needs, "name of the platform device that has to be bound first");

static int slow_probe(struct platform_device *pdev)
{
	struct device *supplier;
	bool bound;

	if (needs) {
		supplier = bus_find_device_by_name(&platform_bus_type, NULL, needs);
		/* Set once the probe has succeeded. */
		bound = supplier && platform_get_drvdata(to_platform_device(supplier));
		put_device(supplier);
		if (!bound)
			return -EPROBE_DEFER;
	}
	msleep(ms);
	platform_set_drvdata(pdev, pdev);
	return 0;
}

static struct platform_driver slow_driver = {
	.probe = slow_probe,
	.driver = {
		.name = KBUILD_MODNAME,
	},
};
module_platform_driver(slow_driver);

MODULE_ALIAS("platform:" KBUILD_MODNAME);
MODULE_DESCRIPTION("A platform driver that probes slowly");
MODULE_LICENSE("GPL");
