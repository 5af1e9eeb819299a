/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What bindgen has to translate beyond rust/bindings/bindings_helper.h of the
 * kernel. Only declarations of the headers named here end up in bindings.rs.
 */

#include <linux/async.h>
