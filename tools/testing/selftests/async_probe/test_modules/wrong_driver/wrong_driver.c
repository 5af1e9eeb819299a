// SPDX-License-Identifier: GPL-2.0
/*
 * A driver with one fault at a time, for check-driver. Beside it, expected.txt
 * has the words that the report must have of each.
 */
#include <linux/async.h>
#include <linux/cdev.h>
#include <linux/delay.h>
#include <linux/device/class.h>
#include <linux/dma-mapping.h>
#include <linux/firmware.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/notifier.h>
#include <linux/pci.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>
#include <linux/rcupdate.h>
#include <linux/rcupdate_trace.h>
#include <linux/reboot.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/sysrq.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "hrtimer_setup.h"

static char *fault = "none";
module_param(fault, charp, 0444);
MODULE_PARM_DESC(fault, "The fault; none by default");

struct wrong {
	struct device *dev;
	struct delayed_work work;
	struct timer_list timer;
	struct hrtimer hrtimer;
	struct notifier_block notifier;
	struct miscdevice misc;
	struct task_struct *thread;
	struct platform_device *child;
	struct cdev *cdev;
	struct workqueue_struct *queue;
	int *counted;
};

static struct platform_device *devices[2];
static struct class *class;
static int slots;
static bool bound;
static bool taken;
static bool registered;
static DEFINE_MUTEX(lock);
static DEFINE_SPINLOCK(spin);
static ASYNC_DOMAIN_EXCLUSIVE(domain);
DEFINE_STATIC_SRCU(srcu);

static bool is(const char *name)
{
	return !strcmp(fault, name);
}

static void wrong_work(struct work_struct *work)
{
}

static void wrong_timer(struct timer_list *timer)
{
}

static enum hrtimer_restart wrong_hrtimer(struct hrtimer *timer)
{
	return HRTIMER_NORESTART;
}

static void wrong_loaded(const struct firmware *fw, void *context)
{
	msleep(400);
	release_firmware(fw);
}

static void wrong_async(void *data, async_cookie_t cookie)
{
	msleep(400);
}

static void wrong_rcu(struct rcu_head *head)
{
	kfree(head);
}

static void wrong_srcu(struct rcu_head *head, rcu_callback_t function)
{
	call_srcu(&srcu, head, function);
}

static const struct {
	const char *fault;
	void (*call)(struct rcu_head *head, rcu_callback_t function);
} rcu[] = {
	{ "rcu", call_rcu },
	{ "rcu_hurry", call_rcu_hurry },
	{ "srcu", wrong_srcu },
	{ "rcu_tasks", call_rcu_tasks },
	{ "rcu_tasks_trace", call_rcu_tasks_trace },
};

static void wrong_rcu_calls(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(rcu); i++) {
		bool wanted = is(rcu[i].fault);
		struct rcu_head *head = wanted ? kzalloc(sizeof(*head), GFP_KERNEL) : NULL;

		if (head)
			rcu[i].call(head, wrong_rcu);
	}
}

static irqreturn_t wrong_handler(int irq, void *data)
{
	return IRQ_NONE;
}

static irqreturn_t wrong_count_irq(int irq, void *data)
{
	++*(int *)data;
	return IRQ_NONE;
}

/* Remove frees what the handler uses, and then the handler. */
static int wrong_counted(struct wrong *wrong)
{
	int *counted = kzalloc(sizeof(*counted), GFP_KERNEL);
	int ret;

	if (!counted)
		return -ENOMEM;
	wrong->counted = counted;
	ret = request_irq(10, wrong_count_irq, IRQF_SHARED, "wrong", counted);
	if (ret)
		kfree(counted);
	return ret;
}

static int wrong_call(struct notifier_block *notifier, unsigned long action, void *data)
{
	return NOTIFY_DONE;
}

static int wrong_thread(void *data)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0\n");
}
static DEVICE_ATTR_RO(state);

static const struct file_operations wrong_fops = {
	.owner = THIS_MODULE,
};

/* Of all devices. */
static struct miscdevice shared = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "wrong",
	.fops = &wrong_fops,
};

static int wrong_misc(struct wrong *wrong, struct platform_device *pdev)
{
	int ret;

	wrong->misc.minor = MISC_DYNAMIC_MINOR;
	wrong->misc.fops = &wrong_fops;
	wrong->misc.parent = &pdev->dev;
	wrong->misc.name = devm_kasprintf(&pdev->dev, GFP_KERNEL, "wrong%d", pdev->id);
	if (!wrong->misc.name)
		return -ENOMEM;
	ret = misc_register(&wrong->misc);
	if (!ret)
		msleep(300);
	return ret;
}

static int wrong_cdev(struct wrong *wrong, struct platform_device *pdev)
{
	/* A major number for local use. */
	dev_t number = MKDEV(240, pdev->id);
	int ret;

	wrong->cdev = cdev_alloc();
	if (!wrong->cdev)
		return -ENOMEM;
	wrong->cdev->ops = &wrong_fops;
	ret = cdev_add(wrong->cdev, number, 1);
	if (ret)
		kobject_put(&wrong->cdev->kobj);
	return ret;
}

static unsigned long wrong_count(struct shrinker *shrinker, struct shrink_control *control)
{
	return 0;
}

static int wrong_shrinker(void)
{
	struct shrinker *shrinker = shrinker_alloc(0, "wrong");

	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = wrong_count;
	shrinker->scan_objects = wrong_count;
	shrinker_register(shrinker);
	return 0;
}

static void wrong_key(u8 key)
{
}

static const struct sysrq_key_op key = {
	.handler = wrong_key,
	.help_msg = "wrong(y)",
	.action_msg = "Wrong",
	.enable_mask = SYSRQ_ENABLE_DUMP,
};

static int wrong_enabled(void)
{
	struct pci_dev *pci = NULL;
	int ret;

	for_each_pci_dev(pci)
		if (pci->class >> 16 != PCI_BASE_CLASS_BRIDGE)
			break;
	ret = pci ? pci_enable_device(pci) : -ENODEV;
	pci_dev_put(pci);
	return ret;
}

/* The work item has a work queue of its own, which remove destroys. */
static int wrong_queued(struct wrong *wrong)
{
	wrong->queue = alloc_workqueue("wrong", WQ_UNBOUND, 0);
	if (!wrong->queue)
		return -ENOMEM;
	queue_delayed_work(wrong->queue, &wrong->work, 60 * HZ);
	return 0;
}

static int wrong_probe(struct platform_device *pdev)
{
	struct wrong *wrong = devm_kzalloc(&pdev->dev, sizeof(*wrong), GFP_KERNEL);
	int slot = slots;

	if (!wrong)
		return -ENOMEM;
	wrong->dev = &pdev->dev;
	platform_set_drvdata(pdev, wrong);
	INIT_DELAYED_WORK(&wrong->work, wrong_work);
	timer_setup(&wrong->timer, wrong_timer, 0);
	wrong->notifier.notifier_call = wrong_call;
	hrtimer_setup(&wrong->hrtimer, wrong_hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);

	if (is("irq"))
		return request_irq(10, wrong_handler, IRQF_SHARED, "wrong", wrong);
	if (is("threaded_irq"))
		return request_threaded_irq(10, NULL, wrong_handler, IRQF_SHARED | IRQF_ONESHOT,
					    "wrong", wrong);
	if (is("freed_irq"))
		return wrong_counted(wrong);
	if (is("notifier"))
		return register_reboot_notifier(&wrong->notifier);
	if (is("thread")) {
		wrong->thread = kthread_run(wrong_thread, NULL, "wrong/%d", pdev->id);
		return PTR_ERR_OR_ZERO(wrong->thread);
	}
	if (is("worker")) {
		struct kthread_worker *worker = kthread_create_worker(0, "poll");

		return PTR_ERR_OR_ZERO(worker);
	}
	if (is("shrinker"))
		return wrong_shrinker();
	if (is("sysrq"))
		return pdev->id ? 0 : register_sysrq_key('y', &key);
	if (is("link")) {
		if (pdev->id && !device_link_add(&pdev->dev, &devices[0]->dev, DL_FLAG_STATELESS))
			return -ENODEV;
		return 0;
	}
	if (is("ioremap"))
		return ioremap(0xfed90000, 0x1000) ? 0 : -ENOMEM;
	if (is("vmalloc"))
		return vmalloc(0x1000) ? 0 : -ENOMEM;
	if (is("enabled"))
		return wrong_enabled();
	if (is("destroy"))
		return wrong_queued(wrong);
	if (is("lock") && pdev->id) {
		mutex_lock(&lock);
		return -EIO;
	}
	if (is("spin") && pdev->id) {
		spin_lock(&spin);
		return -EIO;
	}
	if (is("child")) {
		wrong->child = platform_device_register_data(&pdev->dev, "wrong_child",
							     PLATFORM_DEVID_AUTO, NULL, 0);
		return PTR_ERR_OR_ZERO(wrong->child);
	}
	if (is("file"))
		return device_create_file(&pdev->dev, &dev_attr_state);
	if (is("reference"))
		return try_module_get(THIS_MODULE) ? 0 : -ENODEV;
	if (is("positive"))
		return pdev->id;
	if (is("defer") && pdev->id)
		return -EPROBE_DEFER;
	if (is("again") && bound && !pdev->id)
		return -EBUSY;
	bound = true;
	if (is("shared"))
		return misc_register(&shared);
	if (is("single") && taken)
		return -EBUSY;
	taken = true;
	if (is("cdev"))
		return wrong_cdev(wrong, pdev);
	if (is("chrdev")) {
		int major = register_chrdev(0, "wrong", &wrong_fops);

		return major < 0 ? major : 0;
	}
	if (is("region"))
		return request_region(0x5f0 + 8 * pdev->id, 8, "wrong") || bound ? 0 : -EBUSY;
	if (is("queue"))
		return alloc_workqueue("wrong%d", WQ_UNBOUND, 0, pdev->id) ? 0 : -ENOMEM;
	if (is("hrtimer"))
		hrtimer_start(&wrong->hrtimer, ktime_set(200, 0), HRTIMER_MODE_REL);
	if (is("firmware"))
		return request_firmware_nowait(THIS_MODULE, true, "wrong.fw", &pdev->dev,
					       GFP_KERNEL, wrong, wrong_loaded);
	if (is("device"))
		get_device(&pdev->dev);
	if (is("async"))
		async_schedule_domain(wrong_async, wrong, &domain);
	if (is("usage"))
		pm_runtime_get_noresume(&pdev->dev);
	if (is("runtime_pm"))
		pm_runtime_enable(&pdev->dev);
	if (is("early"))
		return wrong_misc(wrong, pdev);
	if (is("slot")) {
		msleep(20);
		slots = slot + 1;
	}
	/* This is right, and remove takes it back. */
	schedule_delayed_work(&wrong->work, is("error_path") ? HZ : 60 * HZ);
	mod_timer(&wrong->timer, jiffies + 60 * HZ);
	if (is("error_path") && pdev->id) {
		timer_delete_sync(&wrong->timer);
		return -EIO;
	}
	return 0;
}

static void wrong_remove(struct platform_device *pdev)
{
	struct wrong *wrong = platform_get_drvdata(pdev);

	if (wrong->queue)
		destroy_workqueue(wrong->queue);
	if (is("freed_irq")) {
		kfree(wrong->counted);
		free_irq(10, wrong->counted);
	}
	if (!is("work"))
		cancel_delayed_work_sync(&wrong->work);
	if (!is("timer"))
		timer_delete_sync(&wrong->timer);
	wrong_rcu_calls();
	if (wrong->misc.name)
		misc_deregister(&wrong->misc);
	if (is("shared"))
		misc_deregister(&shared);
	mutex_lock(&lock);
	slots = 0;
	taken = false;
	if (!is("lock_in_remove"))
		mutex_unlock(&lock);
}

static struct platform_driver wrong_driver = {
	.probe = wrong_probe,
	.remove = wrong_remove,
	.driver = { .name = "wrong" },
};

static int wrong_pci_probe(struct pci_dev *pci, const struct pci_device_id *id)
{
	dma_addr_t address;
	int ret = pcim_enable_device(pci);

	if (ret)
		return ret;
	return dma_alloc_coherent(&pci->dev, PAGE_SIZE, &address, GFP_KERNEL) ? 0 : -ENOMEM;
}

static const struct pci_device_id pci_ids[] = {
	/* The device edu of QEMU. */
	{ PCI_DEVICE(0x1234, 0x11e8) },
	{ }
};

static struct pci_driver wrong_pci_driver = {
	.name = "wrong_pci",
	.id_table = pci_ids,
	.probe = wrong_pci_probe,
};

static void wrong_register(struct work_struct *work)
{
	msleep(20);
	registered = !platform_driver_register(&wrong_driver);
}

static DECLARE_WORK(registration, wrong_register);

static void wrong_gone(void)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(devices); i++)
		platform_device_unregister(devices[i]);
}

static int __init wrong_init(void)
{
	int i, ret;

	if (is("dma"))
		return pci_register_driver(&wrong_pci_driver);
	if (is("class")) {
		class = class_create("wrong");
		if (IS_ERR(class))
			return PTR_ERR(class);
	}
	for (i = 0; i < ARRAY_SIZE(devices); i++) {
		devices[i] = platform_device_register_simple("wrong", i, NULL, 0);
		if (IS_ERR(devices[i])) {
			ret = PTR_ERR(devices[i]);
			devices[i] = NULL;
			wrong_gone();
			return ret;
		}
	}
	if (is("late")) {
		schedule_work(&registration);
		return 0;
	}
	ret = platform_driver_register(&wrong_driver);
	if (ret)
		wrong_gone();
	registered = !ret;
	return ret;
}
module_init(wrong_init);

static void __exit wrong_exit(void)
{
	if (is("dma"))
		pci_unregister_driver(&wrong_pci_driver);
	if (registered)
		platform_driver_unregister(&wrong_driver);
	async_synchronize_full_domain(&domain);
	wrong_gone();
}
module_exit(wrong_exit);

MODULE_DESCRIPTION("Driver with one fault at a time");
MODULE_LICENSE("GPL");
