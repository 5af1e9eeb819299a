// SPDX-License-Identifier: GPL-2.0

//! Which kernel has printed a log, and what its numbers mean.
//!
//! Before 5.14 `really_probe()` (`drivers/base/dd.c`) returned 1 when the device was bound and 0
//! when its driver's probe had failed, and `initcall_debug` printed that. Since then 0 is bound,
//! and a driver's errno comes out positive.

use std::collections::HashMap;

use super::consistent::GRAIN;
use super::number::digits;
use crate::event::{Event, Initcall, Outcome, What};
use crate::micros::Micros;

/// What tells of the kernel.
#[derive(Debug, Default)]
pub(super) struct Kernel {
    /// The release in the first line of the boot.
    pub(super) banner: Option<String>,
    /// The release in another line.
    pub(super) release: Option<String>,
    /// The drivers that the command line asks to be probed asynchronously.
    pub(super) asked: Option<String>,
    /// When a driver's probe failed and with which errno, by the device, until the result follows.
    failed: HashMap<String, (Micros, i32)>,
    /// The same, by the place of the event.
    errnos: HashMap<usize, i32>,
    /// There is a number that only a kernel before 5.14 prints there.
    old: bool,
    /// There is one that only a kernel since 5.14 prints.
    new: bool,
}

impl Kernel {
    /// The release, if the log has it.
    pub(super) fn release(&self) -> Option<&str> {
        self.banner.as_deref().or(self.release.as_deref())
    }

    /// A line says that a driver's probe has failed. The result follows it.
    pub(super) fn failed(&mut self, device: &str, time: Micros, errno: i32) {
        self.failed.insert(device.to_owned(), (time, errno));
    }

    /// The event at this place.
    pub(super) fn event(&mut self, place: usize, event: &Event) {
        let What::Initcall(Initcall::Probed {
            device,
            driver,
            ret,
            took,
            ..
        }) = &event.what
        else {
            return;
        };
        // The name of the driver is there since 7.3.
        self.new |= driver.is_some() || *ret > 1;
        if self.failed.is_empty() {
            return;
        }
        if let Some((time, errno)) = self.failed.remove(device.as_str()) {
            // A failure before this probe began is of an earlier one, whose result the log lacks.
            if event.time - time <= *took + GRAIN {
                self.old |= *ret == 0;
                self.errnos.insert(place, errno);
            }
        }
    }

    /// Whether the kernel is older than 5.14, if that is known.
    fn is_old(&self) -> Option<bool> {
        let old = self.series().map(|series| series < (5, 14));
        match (self.old, self.new) {
            // Distributions put the new driver core into old kernels, and never the old one into
            // new kernels.
            _ if old == Some(false) => old,
            (true, false) => Some(true),
            (false, true) => Some(false),
            (true, true) => None,
            (false, false) => old,
        }
    }

    /// The first two numbers of the release.
    fn series(&self) -> Option<(u32, u32)> {
        let mut numbers = self.release()?.split(['.', '-', '+']);
        Some((digits(numbers.next()?)?, digits(numbers.next()?)?))
    }

    /// Whether the log may lack probes since from about 5.8 until 6.4 `really_probe_debug()` printed
    /// them with pr_debug().
    pub(super) fn hides_probes(&self, events: &[Event]) -> bool {
        let initcalls = || {
            events.iter().filter_map(|event| match &event.what {
                What::Initcall(initcall) => Some(initcall),
                _ => None,
            })
        };
        let is_between = |series| ((5, 7)..(6, 4)).contains(&series);
        self.series().is_some_and(is_between)
            && initcalls().any(|of| matches!(of, Initcall::Returned { .. }))
            && !initcalls().any(|of| matches!(of, Initcall::Probed { .. }))
    }

    /// Says what the results of the probes mean, and returns how many are not known.
    pub(super) fn outcomes(&self, events: &mut [Event]) -> usize {
        let is_old = self.is_old();
        let mut unknown = 0;
        for (place, event) in events.iter_mut().enumerate() {
            let What::Initcall(Initcall::Probed { ret, outcome, .. }) = &mut event.what else {
                continue;
            };
            *outcome = match (is_old, *ret) {
                (Some(true), 1) => Outcome::Bound,
                (Some(true), 0) => Outcome::Failed(self.errnos.get(&place).copied()),
                (None, 0 | 1) => Outcome::Unknown,
                _ => Outcome::since_5_14(*ret),
            };
            unknown += usize::from(*outcome == Outcome::Unknown);
        }
        unknown
    }
}
