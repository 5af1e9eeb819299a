// SPDX-License-Identifier: GPL-2.0

//! The laws of asynchronous probing, one checker a file.
//!
//! Each names the promise of the kernel that it holds a life against and the functions of the
//! kernel that keep it, and looks for all cases that it can judge. A test demands cases, so that
//! none passes for want of events.

pub mod autoprobe_off;
pub mod boot_waits;
pub mod bound_again;
pub mod containment;
pub mod convoy;
pub mod default_type;
pub mod deferral;
pub mod designs;
pub(crate) mod doctor;
pub mod domain_sync;
pub mod drop_order;
mod expected;
pub mod failed_probe;
mod find;
pub mod firmware_in_probe;
pub mod force_sync;
pub mod gone_before_probe;
pub mod gone_during_probe;
pub mod insmod_waits;
pub mod killed_loader;
pub mod law;
pub mod manual_bind_sync;
pub mod mutant;
pub mod mutants;
pub mod nested_probe;
pub mod nothing_outlives;
pub mod numa;
pub mod one_at_a_time;
pub mod order_of_arrival;
#[cfg(test)]
mod page;
pub mod parallel_efficiency;
mod prelude;
pub mod probe_remove_probe;
pub mod provider_pinned;
pub mod ready_before_probe;
pub mod reboot_in_flight;
pub mod register_returns;
mod registrations;
pub mod rmmod_refused;
pub mod rmmod_waits;
pub mod second_phase_in_flight;
pub mod shutdown_bound;
pub mod single_slot;
pub mod surprise_removal;
pub mod suspend_in_flight;
#[cfg(test)]
mod test_cases;
#[cfg(test)]
pub(crate) mod test_life;
pub mod two_phase;
pub mod uevent_order;
pub mod unbind_waits;

use crate::Life;
pub use law::{Law, Verdict, Violation};

/// All of them, by name.
pub static LAWS: &[&Law] = &[
    &autoprobe_off::LAW,
    &boot_waits::LAW,
    &bound_again::LAW,
    &containment::LAW,
    &convoy::LAW,
    &default_type::LAW,
    &deferral::LAW,
    &designs::LAW,
    &domain_sync::LAW,
    &drop_order::LAW,
    &failed_probe::LAW,
    &firmware_in_probe::LAW,
    &force_sync::LAW,
    &gone_before_probe::LAW,
    &gone_during_probe::LAW,
    &insmod_waits::LAW,
    &killed_loader::LAW,
    &manual_bind_sync::LAW,
    &nested_probe::LAW,
    &nothing_outlives::LAW,
    &numa::LAW,
    &one_at_a_time::LAW,
    &order_of_arrival::LAW,
    &parallel_efficiency::LAW,
    &probe_remove_probe::LAW,
    &provider_pinned::LAW,
    &ready_before_probe::LAW,
    &reboot_in_flight::LAW,
    &register_returns::LAW,
    &rmmod_refused::LAW,
    &rmmod_waits::LAW,
    &second_phase_in_flight::LAW,
    &shutdown_bound::LAW,
    &single_slot::LAW,
    &surprise_removal::LAW,
    &suspend_in_flight::LAW,
    &two_phase::LAW,
    &uevent_order::LAW,
    &unbind_waits::LAW,
];

/// Holds a life against all laws.
pub fn judge(life: &Life) -> Vec<(&'static str, Verdict)> {
    let laws = LAWS.iter();
    laws.map(|law| (law.name, law.verdict(life))).collect()
}
