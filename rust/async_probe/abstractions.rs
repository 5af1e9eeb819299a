// SPDX-License-Identifier: GPL-2.0

//! The layer that upstream could take: abstractions that the `kernel` crate lacks, unnecessary once
//! it has them. They use that crate, the bindings and the prelude of this one, and each other.

pub(crate) mod adapter;
pub mod bus;
pub mod domain;
pub mod module_param;
pub(crate) mod notifier;
pub(crate) mod patience;
pub mod platform;
pub mod probe_type;
pub(crate) mod shared;
pub mod task;
pub(crate) mod text;

pub use bus::attribute;
pub use bus::device;
