// SPDX-License-Identifier: GPL-2.0

//! SIGINT, SIGTERM and SIGHUP end the program at once, but leave no file half-written and no kprobe
//! in the kernel.

use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::error::{Error, Kind, Result};

/// Held while files are written.
static WRITING: Mutex<()> = Mutex::new(());

/// Something has to be taken back before the program ends.
static DEFERRED: AtomicBool = AtomicBool::new(false);

/// A signal has come while it was.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler, which runs in a thread of its own.
pub fn catch() {
    // It fails only if there is a handler already.
    let _ = ctrlc::set_handler(|| {
        INTERRUPTED.store(true, Ordering::SeqCst);
        if DEFERRED.load(Ordering::SeqCst) {
            return;
        }
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

/// From now on a signal ends the program only where it [`check`]s for one.
pub fn defer() {
    DEFERRED.store(true, Ordering::SeqCst);
}

/// Fails if a signal has come.
///
/// # Errors
///
/// [`Kind::Interrupted`] if one has.
pub fn check() -> Result<()> {
    if INTERRUPTED.load(Ordering::SeqCst) {
        return Err(Error::new(
            Kind::Interrupted,
            "interrupted",
            "a signal asked the program to stop",
            "run the same command again; nothing was written, and nothing is left in the kernel",
        ));
    }
    Ok(())
}
