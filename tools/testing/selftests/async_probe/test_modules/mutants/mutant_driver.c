// SPDX-License-Identifier: GPL-2.0
/*
 * The module of the drivers, which can come and go while their memory and their
 * code stay in mutants.ko.
 */

#include <linux/module.h>

#include "mutants.h"

static int __init mutant_driver_init(void)
{
	return mutants_register_drivers(THIS_MODULE);
}
module_init(mutant_driver_init);

static void __exit mutant_driver_exit(void)
{
	mutants_unregister_drivers();
}
module_exit(mutant_driver_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Registers the drivers of mutants.ko");
MODULE_LICENSE("GPL");
