// SPDX-License-Identifier: GPL-2.0

//! Modules as files: what each needs and exports, those that come with the kernel, and the order in
//! which they load.

pub(crate) mod find;
pub(crate) mod module;
pub(crate) mod stock;
