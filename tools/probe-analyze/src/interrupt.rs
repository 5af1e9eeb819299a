// SPDX-License-Identifier: GPL-2.0

//! SIGINT, SIGTERM and SIGHUP end the program at once, but leave no file half-written.

use std::process::exit;
use std::sync::{Mutex, PoisonError};

use crate::error::Kind;

/// Held while files are written.
static WRITING: Mutex<()> = Mutex::new(());

/// Installs the handler, which runs in a thread of its own.
pub fn catch() {
    // It fails only if there is a handler already.
    let _ = ctrlc::set_handler(|| {
        let _complete = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
        eprintln!("probe-analyze: interrupted");
        exit(Kind::Interrupted.exit_code().into());
    });
}

/// Writes files; the program does not end before they are complete.
pub fn complete<T>(write: impl FnOnce() -> T) -> T {
    let _complete = WRITING.lock().unwrap_or_else(PoisonError::into_inner);
    write()
}
