/* SPDX-License-Identifier: GPL-2.0 */
/*
 * hrtimer_setup() for kernels that lack it, for the drivers that are checked. Each
 * has a link to it, as check-driver copies a directory.
 */

#ifndef _ASYNC_PROBE_HRTIMER_SETUP_H
#define _ASYNC_PROBE_HRTIMER_SETUP_H

#include <linux/hrtimer.h>
#include <linux/version.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 13, 0)
static void hrtimer_setup(struct hrtimer *timer, enum hrtimer_restart (*function)(struct hrtimer *),
			  clockid_t clock, enum hrtimer_mode mode)
{
	hrtimer_init(timer, clock, mode);
	timer->function = function;
}
#endif

#endif
