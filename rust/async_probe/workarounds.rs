// SPDX-License-Identifier: GPL-2.0

//! The layer that works around the driver core: each file says what would make it unnecessary.

mod attach;
pub mod driver_attach;
pub mod exclusive_attach;
pub mod module_init;
pub(crate) mod power;
pub mod timing;
pub mod two_phase;
