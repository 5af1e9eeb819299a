// SPDX-License-Identifier: GPL-2.0

//! The probes that the log shows.

use std::collections::HashMap;

use lifecycle::{Event, Micros, What};

/// The probes since the last call.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Probes {
    /// How many have ended.
    pub(crate) ended: usize,
    /// How many of them with success.
    pub(crate) bound: usize,
    /// The slowest.
    pub(crate) slowest: Micros,
    /// From that call until the last has ended.
    pub(crate) until: Micros,
    /// How many ran at once, at most.
    pub(crate) at_once: usize,
}

impl Probes {
    /// Reads the events. Of a probe in two phases the second is measured, which takes long.
    pub(crate) fn of(events: &[Event], two_phases: bool) -> Self {
        let mut this = Self::default();
        let mut running: HashMap<&str, Micros> = HashMap::new();
        let mut called = Micros(0);
        for event in events {
            match &event.what {
                What::CallBegan { .. } => called = event.time,
                What::ProbeBegan { device, .. } if !two_phases => {
                    running.insert(device, event.time);
                    this.at_once = this.at_once.max(running.len());
                }
                // The first event of the second phase.
                What::FirmwareArrived { device, took, .. } if two_phases => {
                    running.insert(device, event.time - *took);
                    this.at_once = this.at_once.max(running.len());
                }
                What::ProbeEnded { device, ret, .. } if !two_phases || *ret != 0 => {
                    let began = running.remove(device.as_str());
                    this.end(*ret, began, event.time, called);
                }
                What::Ready { device, ret, .. } => {
                    let began = running.remove(device.as_str());
                    this.end(*ret, began, event.time, called);
                }
                _ => {}
            }
        }
        this
    }

    fn end(&mut self, ret: i32, began: Option<Micros>, ended: Micros, called: Micros) {
        self.ended += 1;
        self.bound += usize::from(ret == 0);
        self.slowest = self.slowest.max(ended - began.unwrap_or(ended));
        self.until = self.until.max(ended - called);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lifecycle::parse::dmesg::parse;

    #[test]
    fn one_phase() {
        let log = "\
[    1.000000] lifecycle: call_began call=insmod on=d pid=9
[    1.001000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=3 task=k
[    1.002000] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=0 pid=4 task=k
[    1.003000] async_probe: timing: firmware_arrived dev=d.0 driver=d bytes=24 ret=0 ms=0.500
[    3.001000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=2000.000
[    3.003000] async_probe: timing: probe_ended dev=d.1 driver=d ret=-2 ms=2001.000
[    3.004000] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=2004.000
";
        assert_eq!(
            Probes::of(&parse(log).unwrap(), false),
            Probes {
                ended: 2,
                bound: 1,
                slowest: Micros(2_001_000),
                until: Micros(2_003_000),
                at_once: 2,
            }
        );
    }

    #[test]
    fn of_two_phases_the_second() {
        let log = "\
[    1.000000] lifecycle: call_began call=insmod on=d pid=9
[    1.001000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=3 task=k
[    1.002000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=1.000
[    1.003000] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=0 pid=3 task=k
[    1.004000] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=1.000
[    1.005000] async_probe: timing: firmware_arrived dev=d.0 driver=d bytes=24 ret=0 ms=0.500
[    3.000000] async_probe: timing: ready dev=d.0 driver=d ret=0 ms=1999.000
[    3.001000] async_probe: timing: firmware_arrived dev=d.1 driver=d bytes=24 ret=0 ms=0.500
[    5.000000] async_probe: timing: ready dev=d.1 driver=d ret=0 ms=3997.000
";
        assert_eq!(
            Probes::of(&parse(log).unwrap(), true),
            Probes {
                ended: 2,
                bound: 2,
                slowest: Micros(1_999_500),
                until: Micros(4_000_000),
                at_once: 1,
            }
        );
    }
}
