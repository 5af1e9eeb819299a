// SPDX-License-Identifier: GPL-2.0

//! How many tests have passed, failed and been skipped.

use std::fmt;

use lifecycle::ktap::{Status, Test};
use serde::Serialize;

use crate::error::{Error, Kind, Result};

/// The numbers of tests by their results.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    pub(super) skipped: usize,
}

impl Tally {
    pub(super) fn of(tests: &[Test]) -> Self {
        let mut tally = Self::default();
        for test in tests {
            *match test.status {
                Status::Passed => &mut tally.passed,
                Status::Failed => &mut tally.failed,
                Status::Skipped(_) => &mut tally.skipped,
            } += 1;
        }
        tally
    }

    /// Success, or how many have failed.
    pub(super) fn verdict(self, next: &str) -> Result<()> {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        if failed == 0 {
            return Ok(());
        }
        Err(Error::new(
            Kind::Failed,
            format!("{failed} of {} tests failed", passed + failed + skipped),
            "see the lines that begin with FAIL",
            next,
        ))
    }
}

/// The last line of a run.
impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            failed,
            skipped,
        } = self;
        write!(
            f,
            "total: {passed} passed, {failed} failed, {skipped} skipped"
        )
    }
}
