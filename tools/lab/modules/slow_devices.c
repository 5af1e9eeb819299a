// SPDX-License-Identifier: GPL-2.0
/*
 * Platform devices for slow_a, slow_b and slow_c: so many as the parameters say.
 */

#include <linux/module.h>
#include <linux/platform_device.h>

static unsigned int counts[3];
module_param_named(a, counts[0], uint, 0444);
module_param_named(b, counts[1], uint, 0444);
module_param_named(c, counts[2], uint, 0444);

static const char * const names[] = { "slow_a", "slow_b", "slow_c" };

static struct platform_device *devices[3][64];

static void slow_devices_exit(void)
{
	unsigned int of, id;

	for (of = 0; of < ARRAY_SIZE(names); of++)
		for (id = 0; id < ARRAY_SIZE(devices[of]) && devices[of][id]; id++)
			platform_device_unregister(devices[of][id]);
}

static int __init slow_devices_init(void)
{
	struct platform_device *device;
	unsigned int of, id;

	for (of = 0; of < ARRAY_SIZE(names); of++) {
		for (id = 0; id < counts[of] && id < ARRAY_SIZE(devices[of]); id++) {
			device = platform_device_register_simple(names[of], id, NULL, 0);
			if (IS_ERR(device)) {
				slow_devices_exit();
				return PTR_ERR(device);
			}
			devices[of][id] = device;
		}
	}
	return 0;
}
module_init(slow_devices_init);
module_exit(slow_devices_exit);

MODULE_DESCRIPTION("Platform devices that are probed slowly");
MODULE_LICENSE("GPL");
