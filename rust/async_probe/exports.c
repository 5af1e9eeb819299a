// SPDX-License-Identifier: GPL-2.0
/*
 * Exports the Rust symbols of async_probe.ko, in the way of rust/exports.c:
 * the v0 mangling scheme yields valid C identifiers, so that EXPORT_SYMBOL_GPL()
 * can be used on them. exports_generated.h is made from the object by nm.
 */

#include <linux/export.h>

#define EXPORT_SYMBOL_RUST_GPL(sym) extern int sym; EXPORT_SYMBOL_GPL(sym)

#include "exports_generated.h"
