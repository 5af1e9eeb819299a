// SPDX-License-Identifier: GPL-2.0
/*
 * Inline functions and macros of C that the crate calls, as in rust/helpers of
 * the kernel. Kbuild has bindgen read this file. Unnecessary once rust/helpers
 * and rust/bindings/bindings_helper.h have what is in it.
 */

#include <linux/async.h>
#include <linux/module.h>
#include <linux/nodemask.h>
#include <linux/pm_runtime.h>
#include <linux/reboot.h>
#include <linux/suspend.h>

/* The probe type of the series driver_domain (scripts/series), if the kernel has it. */
enum {
	ASYNC_PROBE_NO_TYPE = -1,
#ifdef ASYNC_PROBE_DRIVER_DOMAIN
	ASYNC_PROBE_PREFER_ASYNC_DOMAIN = PROBE_PREFER_ASYNC_DOMAIN,
#else
	ASYNC_PROBE_PREFER_ASYNC_DOMAIN = ASYNC_PROBE_NO_TYPE,
#endif
};

void async_probe_list_del(struct list_head *entry)
{
	list_del(entry);
}

bool async_probe_within_module(unsigned long address, const struct module *mod)
{
	return within_module(address, mod);
}

bool async_probe_node_online(int node)
{
	return node >= 0 && node < MAX_NUMNODES && node_online(node);
}

int async_probe_dev_to_node(const struct device *dev)
{
	return dev_to_node((struct device *)dev);
}

void async_probe_set_dev_node(struct device *dev, int node)
{
	set_dev_node(dev, node);
}

int async_probe_register_pm_notifier(struct notifier_block *nb)
{
	return register_pm_notifier(nb);
}

int async_probe_unregister_pm_notifier(struct notifier_block *nb)
{
	return unregister_pm_notifier(nb);
}

bool async_probe_device_is_unlocked(struct device *dev)
{
	if (!device_trylock(dev))
		return false;
	device_unlock(dev);
	return true;
}

void async_probe_device_lock(struct device *dev)
{
	device_lock(dev);
}

void async_probe_device_unlock(struct device *dev)
{
	device_unlock(dev);
}

/*
 * As __driver_probe_device() does around a probe. Suppliers are not resumed:
 * pm_runtime_get_suppliers() is not exported.
 */
void async_probe_resume_parent(struct device *dev)
{
	if (dev->parent)
		pm_runtime_get_sync(dev->parent);
}

void async_probe_release_parent(struct device *dev)
{
	if (dev->parent)
		pm_runtime_put(dev->parent);
}
