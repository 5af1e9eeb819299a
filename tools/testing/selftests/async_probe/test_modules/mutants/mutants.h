/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the modules of the driver and of the bus call, each in its init and exit.
 */

#ifndef _ASYNC_PROBE_MUTANTS_H
#define _ASYNC_PROBE_MUTANTS_H

struct module;

int mutants_register_bus(struct module *owner);
void mutants_unregister_bus(void);
int mutants_register_drivers(struct module *owner);
void mutants_unregister_drivers(void);

#endif
