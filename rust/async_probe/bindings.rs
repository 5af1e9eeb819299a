// SPDX-License-Identifier: GPL-2.0

//! Raw bindings: those of the kernel, and those that `Kbuild` has made of `helpers.c`.

// The code is generated.
#![allow(warnings, unsafe_op_in_unsafe_fn)]

pub(crate) use kernel::bindings::*;
use kernel::ffi;

include!(concat!(
    env!("ASYNC_PROBE_OBJTREE"),
    "/bindings_generated.rs"
));
