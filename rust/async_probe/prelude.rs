// SPDX-License-Identifier: GPL-2.0

//! The names of the `core` and `kernel` crates, and of the bindings, that several files use.

pub(crate) use core::{
    marker::{
        PhantomData,
        PhantomPinned, //
    },
    mem::offset_of,
    ptr::NonNull, //
};

pub(crate) use kernel::{
    device::{
        self,
        *, //
    },
    driver::{
        DriverLayout,
        RegistrationOps, //
    },
    error::{
        from_result,
        to_result, //
    },
    fmt,
    page::PAGE_SIZE,
    prelude::*,
    str::{
        BStr,
        CString,
        Formatter, //
    },
    sync::{
        aref::ARef,
        atomic::*,
        *, //
    },
    time::*,
    types::Opaque, //
};

pub(crate) use crate::bindings;

/// `Device::as_raw()`, which is private to the `kernel` crate.
pub(crate) fn raw_device<Ctx: DeviceContext>(dev: &Device<Ctx>) -> *mut bindings::device {
    // CAST: `Device` is a transparent wrapper of `struct device`.
    core::ptr::from_ref(dev).cast_mut().cast()
}
