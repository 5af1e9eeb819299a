// SPDX-License-Identifier: GPL-2.0

//! A module that has nothing to do with any other: who loads or unloads it waits for whatever the
//! kernel makes everybody wait for. The comparison of the designs does so beside their probes.

use kernel::prelude::*;

module! {
    type: Unrelated,
    name: "unrelated",
    authors: ["The async_probe authors"],
    description: "Does nothing",
    license: "GPL",
}

/// The module.
struct Unrelated;

impl kernel::Module for Unrelated {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}
