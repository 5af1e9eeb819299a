// SPDX-License-Identifier: GPL-2.0

//! Where the time went: per driver, and per device.

use crate::call::{self, calls};
use crate::life::wave::at_once;
use crate::probe::{probes, Probe};
use crate::{Event, Micros, ProbeType, What};

/// One life of a driver in the log, from the call of its registration to its unregistration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run<'a> {
    /// Name of the driver.
    pub driver: &'a str,
    /// What the driver asked for.
    pub probe_type: ProbeType,
    /// When the registration was called, since boot.
    pub called: Micros,
    /// How long the registration took.
    pub register: Micros,
    /// Result of the registration: 0 or a negative errno.
    pub ret: i32,
    /// How long the insmod took that registered the driver, if the log tells.
    pub insmod: Option<Micros>,
    /// How long the unregistration took, if it happened.
    pub unregister: Option<Micros>,
    /// The probes, in the order in which they began.
    pub probes: Vec<Timing<'a>>,
}

/// The timing of one probe.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing<'a> {
    /// Name of the device.
    pub device: &'a str,
    /// Whether the task is an async worker.
    pub asynchronous: bool,
    /// The CPU that ran it at its beginning.
    pub cpu: u32,
    /// The task that ran it.
    pub pid: u32,
    /// The name of that task.
    pub task: &'a str,
    /// When it began, since boot.
    pub began: Micros,
    /// Its firmware, if its request has returned.
    pub firmware: Option<Firmware>,
    /// Its end, if it has ended.
    pub ended: Option<End>,
    /// The end of its second phase, if it has one and that has ended.
    pub ready: Option<End>,
}

/// How the request of the firmware went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Firmware {
    /// Length of the firmware, 0 if there is none.
    pub bytes: u64,
    /// Result of the request: 0 or a negative errno.
    pub ret: i32,
    /// How long the request took.
    pub took: Micros,
}

/// How a probe ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct End {
    /// When, since boot.
    pub at: Micros,
    /// Result of the probe: 0 or a negative errno.
    pub ret: i32,
    /// How long the probe took.
    pub took: Micros,
}

/// Measures every life of every driver in the log, in the order in which they were registered.
///
/// Probes of a driver whose registration is not in the log are left out.
pub fn runs(events: &[Event]) -> Vec<Run<'_>> {
    let calls = calls(events);
    let mut runs: Vec<(Run<'_>, usize, usize)> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        match &event.what {
            What::Registered {
                driver,
                probe_type,
                ret,
                took,
            } => {
                // A probe may begin before the registration returns, never before the previous
                // life has ended.
                let from = runs
                    .iter()
                    .rev()
                    .find(|(run, ..)| run.driver == driver)
                    .map_or(0, |(.., to)| *to);
                let insmod = calls
                    .iter()
                    .filter(|call| call.kind == call::Kind::Insmod && call.began < at)
                    .filter(|call| call.returned.is_some_and(|returned| at < returned))
                    .max_by_key(|call| call.began);
                let run = Run {
                    driver,
                    probe_type: *probe_type,
                    called: event.time - *took,
                    register: *took,
                    ret: *ret,
                    insmod: insmod.and_then(|call| {
                        Some(events[call.returned?].time - events[call.began].time)
                    }),
                    unregister: None,
                    probes: Vec::new(),
                };
                // A registration that failed ends at once.
                let to = if *ret == 0 { events.len() } else { at };
                runs.push((run, from, to));
            }
            What::Unregistered { driver, took } => {
                if let Some((run, _, to)) = runs.iter_mut().rev().find(|(run, _, to)| {
                    run.driver == driver && *to == events.len() && run.unregister.is_none()
                }) {
                    run.unregister = Some(*took);
                    *to = at;
                }
            }
            _ => {}
        }
    }
    for probe in probes(events) {
        let run = runs.iter_mut().find(|(run, from, to)| {
            run.driver == probe.driver && (*from..*to).contains(&probe.began)
        });
        if let Some((run, ..)) = run {
            run.probes.push(Timing::of(&probe, events));
        }
    }
    runs.into_iter().map(|(run, ..)| run).collect()
}

impl<'a> Timing<'a> {
    fn of(probe: &Probe<'a>, events: &[Event]) -> Self {
        let firmware = probe.firmware.last().and_then(|at| match events[*at].what {
            What::FirmwareArrived {
                bytes, ret, took, ..
            } => Some(Firmware { bytes, ret, took }),
            _ => None,
        });
        let ended = probe.ended.and_then(|at| match events[at].what {
            What::ProbeEnded { ret, took, .. } => Some(End {
                at: events[at].time,
                ret,
                took,
            }),
            _ => None,
        });
        let ready = probe.ready.and_then(|at| match events[at].what {
            What::Ready { ret, took, .. } => Some(End {
                at: events[at].time,
                ret,
                took,
            }),
            _ => None,
        });
        Self {
            device: probe.device,
            asynchronous: probe.asynchronous,
            cpu: probe.cpu,
            pid: probe.pid,
            task: probe.task,
            began: events[probe.began].time,
            firmware,
            ended,
            ready,
        }
    }
}

impl Run<'_> {
    /// The probes that ended, with their ends.
    fn ended(&self) -> impl Iterator<Item = (&Timing<'_>, End)> {
        self.probes
            .iter()
            .filter_map(|probe| Some((probe, probe.ended?)))
    }

    /// How many devices a probe has bound.
    pub fn bound(&self) -> usize {
        self.ended().filter(|(_, end)| end.ret == 0).count()
    }

    /// From the call of the registration until the last probe has ended; `None` while a probe is
    /// under way, or where there was none.
    pub fn until_bound(&self) -> Option<Micros> {
        let ends: Option<Vec<_>> = self.probes.iter().map(|probe| probe.ended).collect();
        let last = ends?.into_iter().map(|end| end.at).max()?;
        Some(last - self.called)
    }

    /// From the call of the registration until the last second phase has ended; `None` where a
    /// probe has none that has ended.
    pub fn until_ready(&self) -> Option<Micros> {
        let ends: Option<Vec<_>> = self.probes.iter().map(|probe| probe.ready).collect();
        let last = ends?.into_iter().map(|end| end.at).max()?;
        Some(last - self.called)
    }

    /// The longest probe.
    pub fn slowest(&self) -> Option<Micros> {
        self.ended().map(|(_, end)| end.took).max()
    }

    /// All probes together: the time that they would take one after the other.
    pub fn sum(&self) -> Micros {
        self.ended().map(|(_, end)| end.took).sum()
    }

    /// The parallel efficiency: the slowest probe over the time until all are bound. 1 is what no
    /// scheduling can beat.
    pub fn efficiency(&self) -> Option<f64> {
        let until_bound = self.until_bound()?;
        (until_bound > Micros(0)).then_some(self.slowest()?.as_f64() / until_bound.as_f64())
    }

    /// How many probes ran at once, at most.
    pub fn at_once(&self) -> usize {
        let spans: Vec<(Micros, Micros)> = self
            .probes
            .iter()
            .map(|probe| {
                let end = probe.ended.map_or(Micros(u64::MAX), |end| end.at);
                (probe.began, end)
            })
            .collect();
        at_once(&spans)
    }
}

/// How many of these probes ran at once, at most, by the order of the log.
pub fn most_at_once(probes: &[Probe<'_>]) -> usize {
    let running = |at: usize| {
        let runs =
            |probe: &&Probe<'_>| probe.began <= at && probe.ended.is_none_or(|ended| at < ended);
        probes.iter().filter(runs).count()
    };
    let most = probes.iter().map(|probe| running(probe.began)).max();
    most.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::dmesg::parse;

    /// Two devices in parallel, then a second life that fails.
    const LOG: &str = "\
[    1.000000] lifecycle: call_began call=insmod on=d pid=9
[    1.004000] async_probe: timing: probe_began dev=d.0 driver=d async=1 cpu=0 pid=30 task=kworker/u8:1
[    1.005000] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=2.000
[    1.006000] async_probe: timing: probe_began dev=d.1 driver=d async=1 cpu=1 pid=31 task=kworker/u8:2
[    1.007000] async_probe: timing: firmware_arrived dev=d.0 driver=d bytes=24 ret=0 ms=1.500
[    1.054000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=50.000
[    1.103000] async_probe: timing: probe_ended dev=d.1 driver=d ret=-2 ms=97.000
[    1.110000] lifecycle: call_returned call=insmod on=d pid=9 ret=0
[    2.000000] async_probe: timing: unregistered driver=d ms=3.000
[    3.000000] async_probe: timing: registered driver=d probe_type=force_synchronous ret=-16 ms=0.010
";

    #[test]
    fn measures() {
        let events = parse(LOG).unwrap();
        let runs = runs(&events);
        assert_eq!(runs.len(), 2);

        let run = &runs[0];
        assert_eq!(run.called, Micros(1_003_000));
        assert_eq!(run.register, Micros(2_000));
        assert_eq!(run.insmod, Some(Micros(110_000)));
        assert_eq!(run.unregister, Some(Micros(3_000)));
        assert_eq!(run.until_bound(), Some(Micros(100_000)));
        assert_eq!(run.slowest(), Some(Micros(97_000)));
        assert_eq!(run.sum(), Micros(147_000));
        assert_eq!(run.efficiency(), Some(0.97));
        assert_eq!(run.at_once(), 2);
        assert_eq!(run.bound(), 1);
        assert_eq!(
            run.probes[0].firmware,
            Some(Firmware {
                bytes: 24,
                ret: 0,
                took: Micros(1_500)
            })
        );
        assert_eq!(run.probes[1].firmware, None);

        let run = &runs[1];
        assert_eq!((run.ret, run.insmod), (-16, None));
        assert_eq!((run.until_bound(), run.efficiency()), (None, None));
        assert_eq!((run.at_once(), run.bound()), (0, 0));
    }

    #[test]
    fn ready_after_the_second_phase() {
        let log = "\
[    1.001000] async_probe: timing: probe_began dev=d.0 driver=d async=0 cpu=0 pid=3 task=sh
[    1.002000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=1.000
[    1.003000] async_probe: timing: registered driver=d probe_type=prefer_asynchronous ret=0 ms=3.000
[    2.003000] async_probe: timing: firmware_arrived dev=d.0 driver=d bytes=24 ret=0 ms=1000.000
[    3.000000] async_probe: timing: ready dev=d.0 driver=d ret=0 ms=1999.000
";
        let events = parse(log).unwrap();
        let run = &runs(&events)[0];
        assert_eq!(run.until_bound(), Some(Micros(2_000)));
        assert_eq!(run.until_ready(), Some(Micros(2_000_000)));
        assert_eq!(run.probes[0].firmware.unwrap().bytes, 24);
        assert_eq!(
            run.probes[0].ready,
            Some(End {
                at: Micros(3_000_000),
                ret: 0,
                took: Micros(1_999_000)
            })
        );

        let cut: String = log.split_inclusive('\n').take(4).collect();
        assert_eq!(runs(&parse(&cut).unwrap())[0].until_ready(), None);
    }

    #[test]
    fn not_bound_while_a_probe_is_under_way() {
        let log: String = LOG.split_inclusive('\n').take(6).collect();
        let events = parse(&log).unwrap();
        let runs = runs(&events);
        assert_eq!(runs[0].until_bound(), None);
        assert_eq!(runs[0].insmod, None);
        assert_eq!(runs[0].at_once(), 2);
    }

    #[test]
    fn one_after_the_other_is_not_at_once() {
        let log = "\
[    1.000000] async_probe: timing: probe_began dev=d.0 driver=d async=0 cpu=0 pid=3 task=insmod
[    2.000000] async_probe: timing: probe_ended dev=d.0 driver=d ret=0 ms=1000.000
[    2.000000] async_probe: timing: probe_began dev=d.1 driver=d async=0 cpu=0 pid=3 task=insmod
[    3.000000] async_probe: timing: probe_ended dev=d.1 driver=d ret=0 ms=1000.000
[    3.000000] async_probe: timing: registered driver=d probe_type=force_synchronous ret=0 ms=2000.000
";
        let events = parse(log).unwrap();
        let runs = runs(&events);
        assert_eq!(runs[0].at_once(), 1);
        assert_eq!(runs[0].efficiency(), Some(0.5));
    }
}
