// SPDX-License-Identifier: GPL-2.0
/*
 * A driver that starts of everything something and takes all of it back, each in
 * another way than wrong_driver does: check-driver must find no fault.
 */
#include <linux/cdev.h>
#include <linux/completion.h>
#include <linux/debugfs.h>
#include <linux/device.h>
#include <linux/firmware.h>
#include <linux/fs.h>
#include <linux/hrtimer.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/platform_device.h>
#include <linux/pm_runtime.h>
#include <linux/rcupdate.h>
#include <linux/shrinker.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/sysrq.h>
#include <linux/timer.h>
#include <linux/vmalloc.h>
#include <linux/workqueue.h>

#include "hrtimer_setup.h"

#define PORT 0x5f0
#define DEVICES 2

/* Freed by RCU: by the kernel, or by a function of the module. */
struct later {
	struct rcu_head head;
};

struct right {
	struct device *dev;
	struct work_struct work;
	struct delayed_work later;
	struct timer_list timer;
	struct hrtimer hrtimer;
	struct workqueue_struct *queue;
	struct resource *region;
	struct task_struct *thread;
	struct cdev cdev;
	struct device own;
	struct device *node;
	struct platform_device *child;
	struct completion loaded;
	struct device_link *link;
	void __iomem *registers;
	void *buffer;
	int major;
};

static struct platform_device *devices[DEVICES];
static struct class *class;
static struct dentry *dir;
static struct shrinker *shrinker;
static dev_t numbers;
static struct rcu_head last[3];
static DECLARE_COMPLETION(ran);
DEFINE_STATIC_SRCU(srcu);

static void right_work(struct work_struct *work)
{
}

static void right_later(struct work_struct *work)
{
	struct right *right = container_of(to_delayed_work(work), struct right, later);

	queue_delayed_work(right->queue, &right->later, HZ);
}

static void right_timer(struct timer_list *timer)
{
	mod_timer(timer, jiffies + HZ);
}

static enum hrtimer_restart right_hrtimer(struct hrtimer *timer)
{
	hrtimer_forward_now(timer, ms_to_ktime(500));
	return HRTIMER_RESTART;
}

static irqreturn_t right_handler(int irq, void *data)
{
	return IRQ_NONE;
}

static int right_thread(void *data)
{
	while (!kthread_should_stop())
		schedule_timeout_interruptible(HZ);
	return 0;
}

static int right_call(struct notifier_block *notifier, unsigned long action, void *data)
{
	return NOTIFY_DONE;
}

static struct notifier_block right_notifier = {
	.notifier_call = right_call,
};

static const struct file_operations right_fops = {
	.owner = THIS_MODULE,
};

static unsigned long right_count(struct shrinker *shrinker, struct shrink_control *control)
{
	return 0;
}

static void right_key(u8 key)
{
}

static const struct sysrq_key_op key = {
	.handler = right_key,
	.help_msg = "right(y)",
	.action_msg = "Right",
	.enable_mask = SYSRQ_ENABLE_DUMP,
};

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0\n");
}
static DEVICE_ATTR_RO(state);

static ssize_t mode_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0\n");
}
static DEVICE_ATTR_RO(mode);

static const struct attribute *const right_files[] = {
	&dev_attr_state.attr,
	&dev_attr_mode.attr,
	NULL,
};

/* Completes before it returns: remove frees what it is called with. */
static void right_loaded(const struct firmware *fw, void *context)
{
	struct right *right = context;

	release_firmware(fw);
	complete(&right->loaded);
}

static void right_rcu(struct rcu_head *head)
{
	kfree(container_of(head, struct later, head));
}

static void right_last(struct rcu_head *head)
{
	complete(&ran);
}

static void right_release(struct device *dev)
{
}

static void right_stop(void *data)
{
	struct right *right = data;
	struct later *own = kzalloc(sizeof(*own), GFP_KERNEL);
	struct later *kernels = kzalloc(sizeof(*kernels), GFP_KERNEL);

	cancel_delayed_work_sync(&right->later);
	destroy_workqueue(right->queue);
	if (right->link)
		device_link_del(right->link);
	if (right->registers)
		iounmap(right->registers);
	vfree(right->buffer);
	if (own)
		call_rcu(&own->head, right_rcu);
	if (kernels)
		kfree_rcu(kernels, head);
}

static int right_probe(struct platform_device *pdev)
{
	struct device *dev = &pdev->dev;
	struct right *right = devm_kzalloc(dev, sizeof(*right), GFP_KERNEL);
	int ret;

	if (!right)
		return -ENOMEM;
	right->dev = dev;
	platform_set_drvdata(pdev, right);
	init_completion(&right->loaded);
	INIT_WORK(&right->work, right_work);
	INIT_DELAYED_WORK(&right->later, right_later);
	timer_setup(&right->timer, right_timer, 0);
	hrtimer_setup(&right->hrtimer, right_hrtimer, CLOCK_MONOTONIC, HRTIMER_MODE_REL);

	right->queue = alloc_workqueue("right%d", WQ_UNBOUND, 0, pdev->id);
	if (!right->queue)
		return -ENOMEM;
	ret = devm_add_action_or_reset(dev, right_stop, right);
	if (ret)
		return ret;
	/* Of each of these three none does as well. */
	if (pdev->id)
		right->link = device_link_add(dev, &devices[0]->dev, DL_FLAG_STATELESS);
	right->registers = ioremap(0xfed90000, 0x1000);
	right->buffer = vmalloc(0x1000);
	/* This one is in use, so that the next one is tried. */
	if (request_region(0x3f8, 8, "right"))
		release_region(0x3f8, 8);
	right->region = request_region(PORT + 8 * pdev->id, 8, "right");
	if (!right->region)
		return -EBUSY;
	ret = devm_request_threaded_irq(dev, 10, NULL, right_handler, IRQF_SHARED | IRQF_ONESHOT,
					"right", right);
	if (ret)
		goto err_region;
	right->major = register_chrdev(0, "right", &right_fops);
	if (right->major < 0) {
		ret = right->major;
		goto err_region;
	}
	device_initialize(&right->own);
	right->own.class = class;
	right->own.parent = dev;
	right->own.release = right_release;
	right->own.devt = MKDEV(MAJOR(numbers), pdev->id);
	dev_set_name(&right->own, "right%d", pdev->id);
	cdev_init(&right->cdev, &right_fops);
	ret = cdev_device_add(&right->cdev, &right->own);
	if (ret)
		goto err_chrdev;
	right->node = device_create(class, dev, MKDEV(right->major, 0), NULL, "rightnode%d",
				    pdev->id);
	if (IS_ERR(right->node)) {
		ret = PTR_ERR(right->node);
		goto err_cdev;
	}
	ret = sysfs_create_files(&dev->kobj, right_files);
	if (ret)
		goto err_node;
	right->child = platform_device_register_data(dev, "right_child", PLATFORM_DEVID_AUTO,
						     NULL, 0);
	if (IS_ERR(right->child)) {
		ret = PTR_ERR(right->child);
		goto err_files;
	}
	right->thread = kthread_run(right_thread, NULL, "right/%d", pdev->id);
	if (IS_ERR(right->thread)) {
		ret = PTR_ERR(right->thread);
		goto err_child;
	}
	ret = request_firmware_nowait(THIS_MODULE, true, "right.fw", dev, GFP_KERNEL, right,
				      right_loaded);
	if (ret)
		goto err_thread;
	pm_runtime_enable(dev);
	pm_runtime_get_sync(dev);
	pm_runtime_put_noidle(dev);
	schedule_work(&right->work);
	queue_delayed_work(right->queue, &right->later, HZ / 10);
	mod_timer(&right->timer, jiffies + HZ / 10);
	hrtimer_start(&right->hrtimer, ms_to_ktime(100), HRTIMER_MODE_REL);
	return 0;

err_thread:
	kthread_stop(right->thread);
err_child:
	platform_device_unregister(right->child);
err_files:
	sysfs_remove_files(&dev->kobj, right_files);
err_node:
	device_destroy(class, MKDEV(right->major, 0));
err_cdev:
	cdev_device_del(&right->cdev, &right->own);
err_chrdev:
	put_device(&right->own);
	unregister_chrdev(right->major, "right");
err_region:
	release_region(PORT + 8 * pdev->id, 8);
	return ret;
}

static void right_remove(struct platform_device *pdev)
{
	struct right *right = platform_get_drvdata(pdev);
	struct device *dev = &pdev->dev;

	hrtimer_cancel(&right->hrtimer);
	timer_shutdown_sync(&right->timer);
	flush_work(&right->work);
	wait_for_completion(&right->loaded);
	pm_runtime_disable(dev);
	kthread_stop(right->thread);
	platform_device_unregister(right->child);
	sysfs_remove_files(&dev->kobj, right_files);
	device_destroy(class, MKDEV(right->major, 0));
	cdev_device_del(&right->cdev, &right->own);
	put_device(&right->own);
	unregister_chrdev(right->major, "right");
	/* As request_mem_region() and release_resource() are used. */
	release_resource(right->region);
	kfree(right->region);
}

static struct platform_driver right_driver = {
	.probe = right_probe,
	.remove = right_remove,
	.driver = { .name = "right" },
};

static int __init right_init(void)
{
	int i, ret;

	ret = alloc_chrdev_region(&numbers, 0, DEVICES, "right_own");
	if (ret)
		return ret;
	class = class_create("right");
	if (IS_ERR(class)) {
		ret = PTR_ERR(class);
		goto err_numbers;
	}
	dir = debugfs_create_dir("right", NULL);
	shrinker = shrinker_alloc(0, "right");
	if (!shrinker) {
		ret = -ENOMEM;
		goto err_dir;
	}
	shrinker->count_objects = right_count;
	shrinker->scan_objects = right_count;
	shrinker_register(shrinker);
	ret = register_sysrq_key('y', &key);
	if (ret)
		goto err_shrinker;
	ret = register_netdevice_notifier(&right_notifier);
	if (ret)
		goto err_key;
	for (i = 0; i < DEVICES; i++) {
		devices[i] = platform_device_register_simple("right", i, NULL, 0);
		if (IS_ERR(devices[i])) {
			ret = PTR_ERR(devices[i]);
			goto err_devices;
		}
	}
	ret = platform_driver_register(&right_driver);
	if (!ret)
		return 0;
err_devices:
	while (i--)
		platform_device_unregister(devices[i]);
	unregister_netdevice_notifier(&right_notifier);
err_key:
	unregister_sysrq_key('y', &key);
err_shrinker:
	shrinker_free(shrinker);
err_dir:
	debugfs_remove(dir);
	class_destroy(class);
err_numbers:
	unregister_chrdev_region(numbers, DEVICES);
	return ret;
}
module_init(right_init);

static void __exit right_exit(void)
{
	int i;

	platform_driver_unregister(&right_driver);
	rcu_barrier();
	call_srcu(&srcu, &last[0], right_last);
	srcu_barrier(&srcu);
	call_rcu_tasks(&last[1], right_last);
	rcu_barrier_tasks();
	/* Without a barrier: free_module() waits for the end of what has begun. */
	reinit_completion(&ran);
	call_rcu(&last[2], right_last);
	wait_for_completion(&ran);
	for (i = 0; i < DEVICES; i++)
		platform_device_unregister(devices[i]);
	unregister_netdevice_notifier(&right_notifier);
	unregister_sysrq_key('y', &key);
	shrinker_free(shrinker);
	debugfs_remove(dir);
	class_destroy(class);
	unregister_chrdev_region(numbers, DEVICES);
}
module_exit(right_exit);

MODULE_DESCRIPTION("Driver that takes back all that it starts");
MODULE_LICENSE("GPL");
