// SPDX-License-Identifier: GPL-2.0

//! The lab: makes an environment and a kernel, builds the modules, runs them under QEMU.

pub mod bench;
pub mod boot_stall;
pub mod built_in;
pub mod cache;
pub mod check;
pub mod check_driver;
pub mod cli;
pub mod console;
pub mod debian;
pub mod demo;
pub mod determinism;
pub mod enter;
pub mod environment;
pub mod error;
pub mod identity;
pub mod initramfs;
pub mod install;
pub mod kernel;
pub mod ktap;
pub mod logs;
pub mod mirror;
pub mod modules;
pub mod own_kernel;
pub mod pictures;
pub mod process;
pub mod programs;
pub mod progress;
pub mod project;
pub mod report;
pub mod session;
pub mod sizes;
pub mod stock;
pub mod vm;
pub mod wall;
