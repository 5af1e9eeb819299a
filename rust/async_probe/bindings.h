/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The headers that bindgen translates beyond rust/bindings/bindings_helper.h of
 * the kernel, and the helpers of helpers.c: bindings.rs has the declarations of
 * linux/async.h and of this file, and no others.
 */

#ifndef _ASYNC_PROBE_BINDINGS_H
#define _ASYNC_PROBE_BINDINGS_H

#include <linux/async.h>
#include <linux/device.h>
#include <linux/module.h>

/* The probe type of the series driver_domain (scripts/series), if the kernel has it. */
enum {
	ASYNC_PROBE_NO_TYPE = -1,
#ifdef ASYNC_PROBE_DRIVER_DOMAIN
	ASYNC_PROBE_PREFER_ASYNC_DOMAIN = PROBE_PREFER_ASYNC_DOMAIN,
#else
	ASYNC_PROBE_PREFER_ASYNC_DOMAIN = ASYNC_PROBE_NO_TYPE,
#endif
};

void async_probe_list_del(struct list_head *entry);
bool async_probe_within_module(unsigned long address, const struct module *mod);
bool async_probe_node_online(int node);
int async_probe_dev_to_node(const struct device *dev);
void async_probe_set_dev_node(struct device *dev, int node);
int async_probe_register_reboot_notifier(struct notifier_block *nb);
int async_probe_unregister_reboot_notifier(struct notifier_block *nb);
int async_probe_register_pm_notifier(struct notifier_block *nb);
int async_probe_unregister_pm_notifier(struct notifier_block *nb);
bool async_probe_pm_prepares(unsigned long action);
bool async_probe_device_is_unlocked(struct device *dev);
void async_probe_device_lock(struct device *dev);
void async_probe_device_unlock(struct device *dev);
void async_probe_resume_parent(struct device *dev);
void async_probe_release_parent(struct device *dev);

#endif /* _ASYNC_PROBE_BINDINGS_H */
