// SPDX-License-Identifier: GPL-2.0

//! How often the kernel probes a device that it binds.

/// How often a kernel probes a device that it binds. Its configuration tells; a log does not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Probing {
    /// Once.
    #[default]
    Once,
    /// Twice, with a remove in between: `CONFIG_DEBUG_TEST_DRIVER_REMOVE`.
    Twice,
}

impl Probing {
    /// How many lives a driver that is bound has had: that, and its trial.
    pub fn lives(self) -> u32 {
        match self {
            Self::Once => 1,
            Self::Twice => 2,
        }
    }
}
