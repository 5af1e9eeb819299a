// SPDX-License-Identifier: GPL-2.0

//! Modules as files: what each needs and exports, those that come with the kernel, and the order in
//! which they load.

pub mod find;
pub mod module;
pub mod stock;
