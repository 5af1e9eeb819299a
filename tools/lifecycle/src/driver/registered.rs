// SPDX-License-Identifier: GPL-2.0

//! What a probe may register that has a name, a number or a place of its own.

/// The functions that register such an object, each with what it registers. Their first argument is
/// the object, or a number.
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
