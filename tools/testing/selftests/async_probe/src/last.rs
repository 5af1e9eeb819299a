// SPDX-License-Identifier: GPL-2.0

//! The last tests of each program: what the kernel's instruments have to say when all modules are
//! gone.

use crate::{kmemleak, lockdep, Failure};

/// The test of one instrument.
#[derive(Debug)]
pub(crate) struct Last {
    pub(crate) name: &'static str,
    /// What went wrong at the beginning already.
    begun: Result<(), Failure>,
    check: fn() -> Result<(), Failure>,
}

/// Begins to watch with the instruments that this kernel has.
pub(crate) fn begin() -> Vec<Last> {
    let mut all = Vec::new();
    if lockdep::is_there() {
        all.push(Last {
            name: "lockdep is still on",
            begun: Ok(()),
            check: lockdep::is_on,
        });
    }
    if kmemleak::is_there() {
        all.push(Last {
            name: "kmemleak finds nothing",
            begun: kmemleak::forget(),
            check: kmemleak::finds_nothing,
        });
    }
    all
}

impl Last {
    /// Whether the instrument has found nothing.
    pub(crate) fn verdict(self) -> Result<(), Failure> {
        self.begun.and_then(|()| (self.check)())
    }
}
