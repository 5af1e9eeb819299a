// SPDX-License-Identifier: GPL-2.0

//! The registrations of drivers, and what they set off.

use std::collections::HashMap;

use crate::life::{AsyncProbe, Kind, Life, Span};
use crate::ProbeType;

/// A driver: where it is in memory, or its name in a log that does not show that.
type Driver<'a> = (Option<u64>, Option<&'a str>);

fn driver(span: &Span) -> Option<Driver<'_>> {
    match (span.facts.by, span.driver.as_deref()) {
        (None, None) => None,
        (None, name) => Some((None, name)),
        (by, _) => Some((by, None)),
    }
}

/// The registrations of a life.
pub(super) struct Registrations<'a> {
    /// By driver, in the order in which they began.
    by_driver: HashMap<Driver<'a>, Vec<&'a Span>>,
    /// The async probes that each has set off, by the place of its span.
    scheduled: HashMap<usize, Vec<AsyncProbe>>,
}

impl<'a> Registrations<'a> {
    pub(super) fn of(life: &'a Life) -> Self {
        let mut by_driver: HashMap<Driver<'a>, Vec<&Span>> = HashMap::new();
        for register in life.each(Kind::Register) {
            if let Some(of) = driver(register) {
                by_driver.entry(of).or_default().push(register);
            }
        }
        let mut scheduled: HashMap<usize, Vec<AsyncProbe>> = HashMap::new();
        for probe in life.async_probes() {
            // A probe within the registration may add devices, which other drivers take.
            let sets_off = |span: &Span| matches!(span.kind, Kind::Register | Kind::Add);
            let is_register = |at: usize| life.spans[at].kind == Kind::Register;
            let by = match is_register(probe.scheduled) {
                true => Some(probe.scheduled),
                false => life.within(probe.scheduled, sets_off),
            };
            if let Some(by) = by.filter(|by| is_register(*by)) {
                scheduled.entry(by).or_default().push(probe);
            }
        }
        Self {
            by_driver,
            scheduled,
        }
    }

    /// The last registration of the driver that probes before it does, if the log shows it.
    pub(super) fn of_probe(&self, probe: &'a Span) -> Option<&'a Span> {
        let registers = self.by_driver.get(&driver(probe)?)?;
        // No event may show where it began; then it is the first event after that.
        let before = registers.partition_point(|register| register.began <= probe.began);
        registers.get(before.checked_sub(1)?).copied()
    }

    /// What the driver that probes has asked for in it.
    pub(super) fn probe_type(&self, probe: &'a Span) -> Option<ProbeType> {
        self.of_probe(probe)?.facts.probe_type
    }

    /// The async probes that the registration at this place of the list has set off.
    pub(super) fn scheduled_by(&self, register: usize) -> &[AsyncProbe] {
        self.scheduled.get(&register).map_or(&[], Vec::as_slice)
    }
}

/// The driver core's helper for the async probe of this probe's device, around it. A worker runs
/// it, or the task that wanted to schedule it where memory is short (`kernel/async.c`,
/// `async_schedule_node_domain()`). A helper of another device is around a probe that is nested in
/// the probe of that device.
pub(super) fn in_helper(life: &Life, probe: usize) -> Option<usize> {
    let of = &life.spans[probe];
    life.within(probe, |outer| {
        matches!(outer.kind, Kind::DriverAttach | Kind::DeviceAttach) && outer.same_device(of)
    })
}
