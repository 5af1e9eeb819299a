// SPDX-License-Identifier: GPL-2.0

//! The laws of asynchronous probing, one checker a file.
//!
//! Each is a pure function over a log. It names the promise of the kernel that it holds the log
//! against and where in the kernel the promise is kept. A log in which nothing happened that the
//! law could judge breaks the law, so that no test passes for want of events.

pub mod autoprobe_off;
pub mod boot_waits;
pub mod convoy;
pub mod default_type;
pub mod deferral;
pub mod designs;
#[allow(dead_code)]
pub(crate) mod doctor;
pub mod domain_sync;
pub mod drop_order;
pub mod failed_probe;
pub mod firmware_in_probe;
pub mod force_sync;
pub mod gone_before_probe;
pub mod gone_during_probe;
pub mod insmod_waits;
pub mod killed_loader;
pub mod law;
pub mod manual_bind_sync;
pub mod mutant;
pub mod one_at_a_time;
pub mod order_of_arrival;
pub mod parallel_efficiency;
pub mod probe_remove_probe;
pub mod provider_pinned;
pub mod reboot_in_flight;
pub mod recorded;
pub mod register_returns;
pub mod rmmod_refused;
pub mod rmmod_waits;
pub mod single_slot;
pub mod two_phase;
pub mod uevent_order;
pub mod unbind_waits;
mod violation;

use crate::call::{calls, Call, Kind};
use crate::probe::{first_probes, Probe};
use crate::Life;
pub use law::{Law, Verdict, Violation};
use violation::Court;

/// All of them, by name.
pub static LAWS: &[&Law] = &[
    &deferral::LAW,
    &domain_sync::LAW,
    &drop_order::LAW,
    &failed_probe::LAW,
    &firmware_in_probe::LAW,
    &gone_before_probe::LAW,
    &gone_during_probe::LAW,
    &killed_loader::LAW,
    &one_at_a_time::LAW,
    &probe_remove_probe::LAW,
    &provider_pinned::LAW,
    &reboot_in_flight::LAW,
    &rmmod_refused::LAW,
    &rmmod_waits::LAW,
    &uevent_order::LAW,
    &unbind_waits::LAW,
];

/// Holds a life against all laws.
pub fn judge(life: &Life) -> Vec<(&'static str, Verdict)> {
    let laws = LAWS.iter().map(|law| (law.name, law.verdict(life)));
    let mut verdicts: Vec<_> = laws.collect();
    if life.sources.contains(&crate::parse::log::Source::Recording) {
        let old = recorded::judge(&life.events, life.probing).into_iter();
        verdicts.extend(old.map(|(law, verdict)| {
            let verdict = match verdict {
                Ok(0) => Verdict::NoCase,
                Ok(cases) => Verdict::Kept(cases),
                Err(violation) => Verdict::Broken(violation),
            };
            (law, verdict)
        }));
    }
    verdicts
}

impl<'a> Court<'a> {
    /// The first probe of each device by `driver`, of which there are `devices`, all ended.
    fn first_probes(self, driver: &str, devices: usize) -> Result<Vec<Probe<'a>>, Violation> {
        let probes = first_probes(self.events, driver);
        self.demand(
            devices > 0 && probes.len() == devices,
            format!("{devices} devices probed by {driver}"),
            format!("{} devices probed", probes.len()),
        )?;
        if let Some(open) = probes.iter().find(|probe| probe.ended.is_none()) {
            return Err(self.broken("an end of every probe", self.at(open.began)));
        }
        Ok(probes)
    }

    /// The probes, which have all ended, ran in async workers, all at once.
    fn in_parallel(self, probes: &[Probe<'_>]) -> Result<(), Violation> {
        let ended = probes.iter().filter_map(|probe| probe.ended).min();
        for probe in probes {
            self.demand(
                probe.asynchronous,
                "probes in async workers",
                self.at(probe.began),
            )?;
            self.demand(
                Some(probe.began) < ended,
                "all probes to begin before the first ends",
                self.at(probe.began),
            )?;
        }
        Ok(())
    }

    /// The only call of its kind on `on`, which has returned.
    fn call(self, kind: Kind, on: &str) -> Result<(Call<'a>, usize), Violation> {
        let calls: Vec<_> = calls(self.events)
            .into_iter()
            .filter(|call| call.kind == kind && call.on == on)
            .collect();
        match calls.as_slice() {
            [call] => match call.returned {
                Some(returned) => Ok((call.clone(), returned)),
                None => Err(self.broken(format!("{kind} of {on} to return"), self.at(call.began))),
            },
            calls => Err(self.broken(
                format!("one {kind} of {on}"),
                format!("{} of them", calls.len()),
            )),
        }
    }
}

#[cfg(test)]
mod tests_support {
    use super::Violation;
    use crate::parse::dmesg::parse;
    use crate::Event;

    /// Makes a log out of lines without timestamps; each comes 1 ms after the one before.
    ///
    /// Lines may be short: `began 0`, `arrived 0`, `ended 0`, `failed 0 -2` and so on mean device
    /// `d.0` of driver `d`.
    pub(super) fn log(lines: &str) -> Vec<Event> {
        let mut text = String::new();
        for (at, line) in lines
            .lines()
            .filter(|line| !line.trim().is_empty())
            .enumerate()
        {
            let words: Vec<_> = line.split_whitespace().collect();
            let device = |n: &str| format!("dev=d.{n} driver=d");
            let line = match *words.as_slice() {
                ["async", n] => format!(
                    "async_probe: timing: probe_began {} async=1 cpu=0 pid=3{n} task=kworker/u8:{n}",
                    device(n)
                ),
                ["sync", n, pid] => format!(
                    "async_probe: timing: probe_began {} async=0 cpu=0 pid={pid} task=insmod",
                    device(n)
                ),
                ["arrived", n, ret] => format!(
                    "async_probe: timing: firmware_arrived {} bytes={} ret={ret} ms=0.500",
                    device(n),
                    if ret == "0" { 24 } else { 0 }
                ),
                ["ended", n, ret] => {
                    format!("async_probe: timing: probe_ended {} ret={ret} ms=1.000", device(n))
                }
                ["ready", n, ret] => {
                    format!("async_probe: timing: ready {} ret={ret} ms=9.000", device(n))
                }
                [what @ ("removing" | "unbound" | "devres_released"), n] => {
                    format!("async_probe: timing: {what} {}", device(n))
                }
                ["registered", probe_type] => format!(
                    "async_probe: timing: registered driver=d probe_type={probe_type} ret=0 ms=0.500"
                ),
                ["unregistered"] => "async_probe: timing: unregistered driver=d ms=0.500".to_owned(),
                ["calling", function, pid] => format!("calling  {function}+0x0/0x10 @ {pid}"),
                ["run_init"] => "Run /init as init process".to_owned(),
                ["call", call, on, pid] => {
                    format!("lifecycle: call_began call={call} on={on} pid={pid}")
                }
                ["call", call, on, pid, asks] => {
                    format!("lifecycle: call_began call={call} on={on} pid={pid} async_probe={asks}")
                }
                ["return", call, on, pid, ret] => {
                    format!("lifecycle: call_returned call={call} on={on} pid={pid} ret={ret}")
                }
                _ => panic!("what is `{line}`?"),
            };
            text += &format!("[    1.{:06}] {line}\n", (at + 1) * 1000);
        }
        parse(&text).unwrap()
    }

    /// The log with the only line `from` replaced by `to` (an empty one removes it).
    pub(super) fn doctored(lines: &str, from: &str, to: &str) -> Vec<Event> {
        let matching = lines.lines().filter(|line| line.trim() == from).count();
        assert_eq!(matching, 1, "`{from}` occurs {matching} times");
        let lines: Vec<_> = lines
            .lines()
            .map(|line| if line.trim() == from { to } else { line })
            .collect();
        log(&lines.join("\n"))
    }

    /// The law is broken, and says `seen`.
    pub(super) fn assert_broken<T>(verdict: Result<T, Violation>, seen: &str) {
        match verdict {
            Ok(_) => panic!("the law holds, expected it broken: {seen}"),
            Err(violation) => assert!(
                violation.seen.contains(seen),
                "expected `{seen}` in\n{violation}"
            ),
        }
    }
}

#[cfg(test)]
pub(crate) mod test_life {
    use super::law::{Law, Verdict};
    pub(crate) use super::recorded::tests_support::altered;
    use super::recorded::tests_support::recording;
    use crate::{Life, Micros, Probing};

    /// The life of these lines, in the short form of [`recording`].
    pub(crate) fn life(lines: &str) -> Life {
        life_on(lines, Probing::Once)
    }

    /// The same on a kernel that probes so often.
    pub(crate) fn life_on(lines: &str, probing: Probing) -> Life {
        Life::new(recording(lines), probing)
    }

    /// The life in which so many seconds pass before the line.
    pub(crate) fn late(lines: &str, line: &str, seconds: u64) -> Life {
        let from = lines.lines().filter(|of| !of.trim().is_empty());
        let from = from.take_while(|of| of.trim() != line).count();
        let mut events = recording(lines);
        for event in &mut events[from..] {
            event.time = event.time + Micros(seconds * 1_000_000);
        }
        Life::new(events, Probing::Once)
    }

    /// The law is kept in so many cases.
    pub(crate) fn assert_kept(law: &Law, lines: &str, cases: usize) {
        kept_in(law, &life(lines), cases);
    }

    /// The same in a life.
    pub(crate) fn kept_in(law: &Law, life: &Life, cases: usize) {
        // A log without events shows nothing of what the law has to see.
        let expected = match cases {
            _ if life.events.is_empty() => Verdict::CannotBeSeen(law.needs.to_vec()),
            0 => Verdict::NoCase,
            cases => Verdict::Kept(cases),
        };
        assert_eq!(law.verdict(life), expected);
    }

    /// The law is broken, and what it saw contains `seen`.
    pub(crate) fn assert_broken(law: &Law, lines: &str, seen: &str) {
        broken_in(law, &life(lines), seen);
    }

    /// The same in a life.
    pub(crate) fn broken_in(law: &Law, life: &Life, seen: &str) {
        match law.verdict(life) {
            Verdict::Broken(violation) => assert!(
                violation.seen.contains(seen),
                "expected `{seen}` in\n{violation}"
            ),
            other => panic!("{other:?}: {:?}", life.events),
        }
    }
}
