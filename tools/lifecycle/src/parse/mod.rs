// SPDX-License-Identifier: GPL-2.0

//! Texts to events: what `dmesg` prints, with the lines of the dmesg interface and of
//! `initcall_debug`, and recordings.
//!
//! [`log`] tells them apart. A log is either understood or refused, and a [`refusal`] says why.

pub mod bytes;
pub mod collected;
mod consistent;
mod copies;
pub mod dmesg;
pub mod dump;
pub mod initcall_debug;
mod journal;
mod json;
mod kernel;
mod kmsg;
pub mod log;
mod message;
pub mod note;
mod number;
mod order;
mod prefix;
pub mod recording;
pub mod refusal;
mod scan;
mod timing;
