// SPDX-License-Identifier: GPL-2.0

//! The modules below `test_modules/`, and what they print.

use crate::{sysfs, Bench, Failure};

/// Tests of asynchronous domains.
pub(crate) const DOMAIN_TEST: &str = "domain_test";
/// Tests of Rust buses.
pub(crate) const BUS_TEST: &str = "bus_test";
/// Drivers that defer, compete and drop.
pub(crate) const DRIVER_TEST: &str = "driver_test";
/// A bus and a domain that keep objects of [`TEXT_USER`].
pub(crate) const TEXT_PROVIDER: &str = "text_provider";
/// A driver whose probe adds a device.
pub(crate) const NESTED_TEST: &str = "nested_test";
/// Gives away an object that needs its text.
pub(crate) const TEXT_USER: &str = "text_user";
/// Drivers with a second phase.
pub(crate) const TWO_PHASE_TEST: &str = "two_phase_test";
/// Does what instruments of the kernel complain about.
pub(crate) const SPLATS: &str = "splats";

/// What tests do with these modules.
impl Bench<'_> {
    /// Loads the module for this scenario, unloads it, and returns what it printed, without its
    /// name.
    pub(crate) fn play(
        &mut self,
        module: &'static str,
        scenario: &str,
    ) -> Result<Vec<String>, Failure> {
        let from = self.lines()?.len();
        self.insmod(module, &format!("scenario={scenario}"))?;
        self.rmmod(module)?;
        self.said(module, from)
    }

    /// What a module has printed from this line of the log on, without its name.
    pub(crate) fn said(&mut self, module: &str, from: usize) -> Result<Vec<String>, Failure> {
        let prefix = format!("{module}: ");
        let said = self.lines()?[from..]
            .iter()
            .filter_map(|line| line.strip_prefix(&prefix))
            // What the kernel says of an out-of-tree module.
            .filter(|line| !line.contains("taint") && !line.contains("verification failed"))
            .map(str::to_owned);
        Ok(said.collect())
    }

    /// Keeps all workers of all nodes busy until [`Bench::free_workers`], so that what is scheduled
    /// does not begin. Modules can be loaded meanwhile if they do not wait for that.
    pub(crate) fn occupy_workers(&mut self) -> Result<(), Failure> {
        self.occupy_all_but(0)
    }

    /// The same, but for so many workers of each node.
    pub(crate) fn occupy_all_but(&mut self, idle: usize) -> Result<(), Failure> {
        let nodes = sysfs::nodes();
        let parameters = format!("scenario=occupied nodes={nodes} idle={idle} async_probe");
        self.insmod(DOMAIN_TEST, &parameters)
    }

    /// Lets begin what is scheduled.
    pub(crate) fn free_workers(&mut self) -> Result<(), Failure> {
        self.rmmod(DOMAIN_TEST)
    }
}
