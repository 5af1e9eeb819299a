// SPDX-License-Identifier: GPL-2.0

//! The command as users and scripts meet it.

mod boot;
mod boot_line;
mod install;
mod interrupt;
mod logs;
mod make;
mod run;
