// SPDX-License-Identifier: GPL-2.0

//! The lab: makes an environment and a kernel, builds the modules, runs them under QEMU.

pub mod arch;
pub mod cache;
pub mod choice;
pub mod cli;
pub mod commands;
pub mod config;
pub mod console;
pub mod debian;
pub mod enter;
pub mod environment;
pub mod error;
pub mod grafted;
pub mod headers;
pub mod how;
pub mod identity;
pub mod initramfs;
pub mod instruments;
pub mod kernel;
pub mod machine;
pub mod mirror;
pub mod modules;
pub mod options;
pub mod own_kernel;
pub mod packages;
pub mod paths;
pub mod process;
pub mod programs;
pub mod progress;
pub mod project;
pub mod qemu;
pub mod qmp;
pub mod session;
pub mod stock;
pub mod vm;
