// SPDX-License-Identifier: GPL-2.0

//! The names of the `core` and `kernel` crates, and of the bindings, that several files use.

pub(crate) use core::marker::*;
pub(crate) use core::mem::offset_of;
pub(crate) use core::ptr::NonNull;

pub(crate) use kernel::device;
pub(crate) use kernel::device::*;
pub(crate) use kernel::driver::DriverLayout;
pub(crate) use kernel::driver::RegistrationOps;
pub(crate) use kernel::error::from_result;
pub(crate) use kernel::error::to_result;
pub(crate) use kernel::fmt;
pub(crate) use kernel::prelude::*;
pub(crate) use kernel::str::BStr;
pub(crate) use kernel::str::CString;
pub(crate) use kernel::sync::aref::ARef;
pub(crate) use kernel::sync::atomic::*;
pub(crate) use kernel::sync::*;
pub(crate) use kernel::time::*;
pub(crate) use kernel::types::Opaque;

pub(crate) use crate::bindings;

/// `Device::as_raw()`, which is private to the `kernel` crate.
pub(crate) fn raw_device<Ctx: DeviceContext>(dev: &Device<Ctx>) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of `struct device`.
    core::ptr::from_ref(dev).cast_mut().cast()
}
