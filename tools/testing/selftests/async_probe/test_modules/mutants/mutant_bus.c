// SPDX-License-Identifier: GPL-2.0
/*
 * The module of the bus, for mutants.ko with own_bus=0.
 */

#include <linux/module.h>

#include "mutants.h"

static int __init mutant_bus_init(void)
{
	return mutants_register_bus(THIS_MODULE);
}
module_init(mutant_bus_init);

static void __exit mutant_bus_exit(void)
{
	mutants_unregister_bus();
}
module_exit(mutant_bus_exit);

MODULE_AUTHOR("The async_probe authors");
MODULE_DESCRIPTION("Registers the bus of mutants.ko");
MODULE_LICENSE("GPL");
