// SPDX-License-Identifier: GPL-2.0

//! Which module comes first.

use std::fmt;

/// Which of the two modules is loaded first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// The devices wait for the driver.
    DevicesFirst,
    /// The driver waits for the devices.
    DriverFirst,
}

impl Order {
    pub(crate) const BOTH: [Self; 2] = [Self::DevicesFirst, Self::DriverFirst];
}

impl fmt::Display for Order {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DevicesFirst => "devices first",
            Self::DriverFirst => "driver first",
        })
    }
}
