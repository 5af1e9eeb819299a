// SPDX-License-Identifier: GPL-2.0
/*
 * Does one thing that must not be done, so that the instrument that is made for
 * it complains: splat=NAME. Nothing is damaged by it, and nothing is left.
 */

#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/kfence.h>
#include <linux/kobject.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/preempt.h>
#include <linux/rcupdate.h>
#include <linux/refcount.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/timer.h>

static char *splat = "";
module_param(splat, charp, 0444);
MODULE_PARM_DESC(splat, "What is done");

/* What is leaked, in a form that is no pointer. */
static unsigned long hidden;

static int warning(void)
{
	WARN_ON(1);
	return 0;
}

static int refcount(void)
{
	refcount_t count = REFCOUNT_INIT(0);

	refcount_inc(&count);
	return 0;
}

static int kobject(void)
{
	static const struct kobj_type type = {};
	static struct kobject twice;

	kobject_init(&twice, &type);
	kobject_init(&twice, &type);
	return 0;
}

static int hung_task(void)
{
	schedule_timeout_uninterruptible(10 * HZ);
	return 0;
}

static int kasan(void)
{
	char *freed = kzalloc(32, GFP_KERNEL);

	if (!freed)
		return -ENOMEM;
	kfree(freed);
	OPTIMIZER_HIDE_VAR(freed);
	READ_ONCE(*freed);
	return 0;
}

static int kfence(void)
{
	unsigned long end = jiffies + 10 * HZ;
	char *freed;

	/* It takes one allocation out of many. */
	do {
		freed = kzalloc(32, GFP_KERNEL);
		if (!freed)
			return -ENOMEM;
		kfree(freed);
		OPTIMIZER_HIDE_VAR(freed);
		if (is_kfence_address(freed)) {
			READ_ONCE(*freed);
			return 0;
		}
		cond_resched();
	} while (time_before(jiffies, end));
	return -ETIMEDOUT;
}

static noinline void race(int *shared)
{
	unsigned long end = jiffies + 2 * HZ;

	while (time_before(jiffies, end)) {
		*shared += 1;
		cond_resched();
	}
}

static int race_thread(void *shared)
{
	race(shared);
	while (!kthread_should_stop())
		schedule_timeout_interruptible(1);
	return 0;
}

static int kcsan(void)
{
	static int shared;
	struct task_struct *other = kthread_run(race_thread, &shared, "race");

	if (IS_ERR(other))
		return PTR_ERR(other);
	race(&shared);
	return kthread_stop(other);
}

static int ubsan(void)
{
	int bits = 40;

	OPTIMIZER_HIDE_VAR(bits);
	bits = 1 << bits;
	OPTIMIZER_HIDE_VAR(bits);
	return 0;
}

static void never(struct timer_list *timer)
{
}

static int odebug(void)
{
	struct timer_list *timer = kzalloc(sizeof(*timer), GFP_KERNEL);

	if (!timer)
		return -ENOMEM;
	timer_setup(timer, never, 0);
	mod_timer(timer, jiffies + 1000 * HZ);
	/* Who complains takes the timer down, too. */
	kfree(timer);
	return 0;
}

static int atomic_sleep(void)
{
	preempt_disable();
	might_sleep();
	preempt_enable();
	return 0;
}

static int rcu(void)
{
	static int __rcu *pointer;

	return rcu_dereference(pointer) ? -EINVAL : 0;
}

static int lockdep(void)
{
	static DEFINE_MUTEX(first);
	static DEFINE_MUTEX(second);

	mutex_lock(&first);
	mutex_lock(&second);
	mutex_unlock(&second);
	mutex_unlock(&first);

	mutex_lock(&second);
	mutex_lock(&first);
	mutex_unlock(&first);
	mutex_unlock(&second);
	return 0;
}

static int leak(void)
{
	hidden = ~(unsigned long)kzalloc(32, GFP_KERNEL);
	return ~hidden ? 0 : -ENOMEM;
}

static const struct {
	const char *name;
	int (*act)(void);
} splats[] = {
	{ "warning", warning },
	{ "refcount", refcount },
	{ "kobject", kobject },
	{ "hung_task", hung_task },
	{ "kasan", kasan },
	{ "kfence", kfence },
	{ "kcsan", kcsan },
	{ "ubsan", ubsan },
	{ "odebug", odebug },
	{ "atomic_sleep", atomic_sleep },
	{ "rcu", rcu },
	{ "lockdep", lockdep },
	{ "leak", leak },
};

static int __init splats_init(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(splats); i++)
		if (!strcmp(splats[i].name, splat))
			return splats[i].act();
	return -EINVAL;
}
module_init(splats_init);

static void __exit splats_exit(void)
{
	if (hidden)
		kfree((void *)~hidden);
}
module_exit(splats_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Does what instruments of the kernel complain about");
MODULE_LICENSE("GPL");
