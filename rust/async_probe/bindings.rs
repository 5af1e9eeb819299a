// SPDX-License-Identifier: GPL-2.0

//! Raw bindings of the C declarations in `bindings.h`.
//!
//! Unnecessary once `rust/bindings/bindings_helper.h` includes the same headers, and `rust/helpers`
//! has the same helpers.

#![allow(
    clippy::all,
    clippy::cast_lossless,
    clippy::ptr_as_ptr,
    clippy::ref_as_ptr,
    clippy::undocumented_unsafe_blocks,
    dead_code,
    improper_ctypes,
    missing_docs,
    non_camel_case_types,
    non_snake_case,
    non_upper_case_globals,
    unreachable_pub,
    unsafe_op_in_unsafe_fn
)]

use kernel::{
    bindings::*,
    ffi, //
};

include!(concat!(
    env!("ASYNC_PROBE_OBJTREE"),
    "/bindings_generated.rs"
));
