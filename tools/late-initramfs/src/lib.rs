// SPDX-License-Identifier: GPL-2.0

//! What the lab on the host and the program late-initramfs in the guest both know.

/// The name of the program.
pub const NAME: &str = "late-initramfs";

/// The slot of the device on the first PCI bus, in hexadecimal digits. What the run brings is an
/// archive in the memory of that device.
pub const SLOT: &str = "1f";

/// The number of bytes before the archive. They begin with its length, in little endian.
pub const HEADER: usize = 16;

/// The place in the header where the program notes what it does. What it prints comes later, as the
/// kernel writes to the serial line when that is free.
pub const NOTE: usize = 8;

/// It counts, so that the guest can be stopped.
pub const COUNTING: u8 = 1;

/// It reads the length. A guest that is saved with this note would bring nothing.
pub const READING: u8 = 2;

/// What the program prints when the guest has booted.
pub const BOOTED: &str = "lab: booted";

/// What the program prints if the length is zero.
pub const NOTHING: &str = "lab: nothing was brought";
