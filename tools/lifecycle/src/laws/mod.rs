// SPDX-License-Identifier: GPL-2.0

//! The laws of asynchronous probing, one checker a file.
//!
//! Each names the promise of the kernel that it holds a life against and the functions of the
//! kernel that keep it, and looks for all cases that it can judge. A test demands cases, so that
//! none passes for want of events.

mod console;
pub(crate) mod doctor;
mod expected;
mod find;
pub mod law;
pub mod mutant;
pub mod mutants;
#[cfg(test)]
mod page;
mod prelude;
mod registrations;
#[cfg(test)]
mod test_cases;
#[cfg(test)]
pub(crate) mod test_life;

use crate::Life;
pub use law::{Law, Verdict, Violation};

/// Declares the laws, each of which is a module.
macro_rules! laws {
    ($($name:ident,)*) => {
        $(pub mod $name;)*

        /// All of them, by name.
        pub static LAWS: &[&Law] = &[$(&$name::LAW,)*];
    };
}

laws! {
    autoprobe_off,
    boot_waits,
    bound_again,
    containment,
    convoy,
    default_type,
    deferral,
    designs,
    domain_sync,
    drop_order,
    failed_probe,
    firmware_in_probe,
    force_sync,
    gone_before_probe,
    gone_during_probe,
    insmod_waits,
    killed_loader,
    manual_bind_sync,
    nested_probe,
    nothing_outlives,
    numa,
    one_at_a_time,
    order_of_arrival,
    parallel_efficiency,
    probe_remove_probe,
    provider_pinned,
    ready_before_probe,
    reboot_in_flight,
    register_returns,
    rmmod_refused,
    rmmod_waits,
    second_phase_in_flight,
    shutdown_bound,
    single_slot,
    surprise_removal,
    suspend_in_flight,
    two_phase,
    uevent_order,
    unbind_waits,
}

/// Holds a life against all laws.
pub fn judge(life: &Life) -> Vec<(&'static str, Verdict)> {
    let laws = LAWS.iter();
    laws.map(|law| (law.name, law.verdict(life))).collect()
}
