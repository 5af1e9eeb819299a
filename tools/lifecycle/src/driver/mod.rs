// SPDX-License-Identifier: GPL-2.0

//! One driver in a recording: how it was loaded, what its probes took, and whether it would gain
//! from asynchronous probing.

pub mod advice;
pub mod load;
pub mod text;

pub use advice::{advise, Advice, Facts, Verdict};
pub use load::{loads, Load, Named};

/// The functions by which a probe registers what has a name, a number or a place of its own, each
/// with what it registers. Their first argument is the object, or a number.
pub const REGISTERED: &[(&str, &str)] = &[
    ("misc_register", "miscdevice"),
    ("class_register", "class"),
    ("register_chrdev_region", "device number"),
    ("__register_chrdev", "device number"),
    ("cdev_add", "character device"),
    ("device_add", "device"),
    ("driver_register", "driver"),
    ("bus_register", "bus"),
    ("register_netdevice", "network device"),
];
