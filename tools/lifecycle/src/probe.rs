// SPDX-License-Identifier: GPL-2.0

//! Probes, from their beginning to their end.

use std::collections::HashSet;

use crate::{Event, What};

/// One probe of one device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe<'a> {
    /// Name of the device.
    pub device: &'a str,
    /// Name of the driver.
    pub driver: &'a str,
    /// Whether the task is an async worker.
    pub asynchronous: bool,
    /// The CPU that ran it at its beginning.
    pub cpu: u32,
    /// The task that ran it.
    pub pid: u32,
    /// The name of that task.
    pub task: &'a str,
    /// Where in the log it began.
    pub began: usize,
    /// Where in the log a request of firmware returned.
    pub firmware: Vec<usize>,
    /// Where in the log it ended, if it did.
    pub ended: Option<usize>,
    /// Its result, if it ended: 0 or a negative errno.
    pub ret: Option<i32>,
    /// Where in the log its second phase ended, if it has one and that has ended.
    pub ready: Option<usize>,
    /// Where in the log its devres was released, if it was.
    pub released: Option<usize>,
}

/// All probes of a log, in the order in which they began.
///
/// What belongs to no probe that is under way, or bound, is left out; that it does not happen is for
/// [`one_at_a_time`](crate::laws::one_at_a_time) to judge.
pub fn probes(events: &[Event]) -> Vec<Probe<'_>> {
    let mut probes: Vec<Probe<'_>> = Vec::new();
    let open = |probes: &mut Vec<Probe<'_>>, name: &str, by: &str| {
        probes
            .iter()
            .rposition(|probe| probe.device == name && probe.driver == by && probe.ended.is_none())
    };
    fn last<'p, 'a>(
        probes: &'p mut [Probe<'a>],
        name: &str,
        by: &str,
    ) -> Option<&'p mut Probe<'a>> {
        probes
            .iter_mut()
            .rfind(|probe| probe.device == name)
            .filter(|probe| probe.driver == by && probe.released.is_none())
    }
    for (at, event) in events.iter().enumerate() {
        match &event.what {
            What::ProbeBegan {
                device,
                driver,
                asynchronous,
                cpu,
                pid,
                task,
            } => probes.push(Probe {
                device,
                driver,
                asynchronous: *asynchronous,
                cpu: *cpu,
                pid: *pid,
                task,
                began: at,
                firmware: Vec::new(),
                ended: None,
                ret: None,
                ready: None,
                released: None,
            }),
            // The second phase of a probe may load the firmware when the probe has ended, and ends
            // before devres is released.
            What::FirmwareArrived { device, driver, .. } => {
                if let Some(probe) = last(&mut probes, device, driver) {
                    probe.firmware.push(at);
                }
            }
            What::Ready { device, driver, .. } => {
                if let Some(probe) = last(&mut probes, device, driver) {
                    probe.ready = probe.ready.or(Some(at));
                }
            }
            What::DevresReleased { device, driver } => {
                if let Some(probe) = last(&mut probes, device, driver) {
                    probe.released = Some(at);
                }
            }
            What::ProbeEnded {
                device,
                driver,
                ret,
                ..
            } => {
                if let Some(probe) = open(&mut probes, device, driver) {
                    probes[probe].ended = Some(at);
                    probes[probe].ret = Some(*ret);
                }
            }
            _ => {}
        }
    }
    probes
}

/// The first probe of each device by `driver`: what its registration, or that of the devices, set
/// off. What follows later by hand is left out.
pub fn first_probes<'a>(events: &'a [Event], driver: &str) -> Vec<Probe<'a>> {
    let mut seen = HashSet::new();
    probes(events)
        .into_iter()
        .filter(|probe| probe.driver == driver && seen.insert(probe.device))
        .collect()
}
