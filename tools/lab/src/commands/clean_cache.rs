// SPDX-License-Identifier: GPL-2.0

//! Removes the downloads, the root file system, the kernels and the snapshots.

use crate::cache::{remove_tree, Cache};
use crate::error::Result;

pub(crate) fn run() -> Result<()> {
    let cache = Cache::locate()?;
    let _alone = cache.alone()?;
    let _lock = cache.lock()?;
    remove_tree(&cache.path(""))
}
