// SPDX-License-Identifier: GPL-2.0

//! The lab: makes an environment and a kernel, builds the modules, runs them under QEMU.

mod arch;
mod base;
mod cache;
mod choice;
pub mod cli;
mod commands;
mod config;
mod console;
mod debian;
mod devices;
mod enter;
mod environment;
mod error;
mod grafted;
mod headers;
mod how;
mod identity;
mod initramfs;
mod instruments;
mod kernel;
mod kmod;
mod machine;
mod mirror;
mod modules;
mod options;
mod own_kernel;
mod packages;
mod partition;
mod paths;
mod process;
mod programs;
mod progress;
mod project;
mod qemu;
mod qmp;
mod recorded;
mod session;
mod snapshot;
mod stock;
mod vm;

pub use own_kernel::FLAVOURS;
