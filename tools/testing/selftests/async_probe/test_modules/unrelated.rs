// SPDX-License-Identifier: GPL-2.0

//! A module that uses no other. A task that loads or unloads it waits for the asynchronous
//! functions of all registered domains. The comparison of the designs measures that beside their
//! probes.

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
