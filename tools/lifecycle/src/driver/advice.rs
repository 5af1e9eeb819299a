// SPDX-License-Identifier: GPL-2.0

//! Whether a driver would gain from `PROBE_PREFER_ASYNCHRONOUS`, by what was measured.

use std::collections::BTreeSet;
use std::fmt;

use serde::Serialize;

use super::Load;
use crate::life::How;
use crate::{errno, Micros, ProbeType};

/// Less than 10 ms is not worth a change.
const WORTH_IT: Micros = Micros(10_000);

/// What is known of a driver.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// Its name.
    pub driver: &'f str,
    /// How many devices it had after that.
    pub devices: usize,
    /// A plain insmod of its module.
    pub plain: &'f Load,
    /// One with `async_probe`, if there was one.
    pub asynchronous: Option<&'f Load>,
    /// The laws that it has broken.
    pub broken: &'f [&'f str],
    /// How long an unrelated insmod or rmmod has waited for its probes, if it has.
    pub convoy: Option<Micros>,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Asynchronous probing makes insmod shorter.
    Gains,
    /// It makes no difference to insmod.
    NoGain,
    /// Something forbids it.
    Forbidden,
    /// It is asynchronous already.
    Already,
    /// It has not bound a device.
    Unknown,
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Gains => "would gain from PROBE_PREFER_ASYNCHRONOUS",
            Self::NoGain => "would not gain",
            Self::Forbidden => "must not be probed asynchronously as it is",
            Self::Already => "is probed asynchronously already",
            Self::Unknown => "cannot tell",
        })
    }
}

/// What to do about it, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What it comes to.
    pub verdict: Verdict,
    /// What the driver has asked for.
    pub probe_type: Option<ProbeType>,
    /// From the beginning of a plain insmod until all probes have ended, and insmod has returned.
    pub now: Option<Micros>,
    /// The same with `PROBE_PREFER_ASYNCHRONOUS`.
    pub then: Option<Micros>,
    /// Why, in sentences.
    pub why: Vec<String>,
}

/// Advises.
pub fn advise(facts: &Facts<'_>) -> Advice {
    let now = facts.plain.took.max(facts.plain.all_ended());
    let mut advice = Advice {
        verdict: Verdict::Unknown,
        probe_type: facts.plain.probe_type(facts.driver),
        now,
        then: None,
        why: Vec::new(),
    };
    let of = |load: &Load| -> Vec<_> {
        load.initial()
            .filter(|probe| probe.driver.as_deref() == Some(facts.driver))
            .filter_map(|probe| Some((probe.how, probe.took?)))
            .collect()
    };
    let probes = of(facts.plain);
    if probes.is_empty() {
        let why = match facts.devices {
            0 => "It has bound no device: there is nothing to tell by. Give it one (WITH, BEFORE, AFTER).",
            _ => "Its devices were bound without a probe (device_bind_driver()): there is nothing to be asynchronous.",
        };
        advice.why.push(why.to_owned());
        return advice;
    }
    let longest = probes
        .iter()
        .map(|(_, took)| *took)
        .max()
        .unwrap_or_default();
    let sum: Micros = probes.iter().map(|(_, took)| *took).sum();
    advice.why.push(format!(
        "{} took {sum} ms together, the longest {longest} ms.",
        count(probes.len(), "probe", "probes")
    ));
    // With the parameter, the probes have been asynchronous: that is no estimate.
    let measured = facts
        .asynchronous
        .filter(|load| !of(load).is_empty() && of(load).iter().all(|(how, _)| *how == How::Async));
    advice.then = match measured.and_then(|load| load.took.max(load.all_ended())) {
        Some(measured) => Some(measured),
        None => now.map(|now| now - sum + longest),
    };
    if !facts.broken.is_empty() {
        advice.verdict = Verdict::Forbidden;
        advice.why.push(format!(
            "A law is broken ({}): mend that first.",
            facts.broken.join(", ")
        ));
        return advice;
    }
    let asynchronous = probes.iter().any(|(how, _)| *how == How::Async);
    match advice.probe_type {
        _ if asynchronous => already(facts, &mut advice),
        Some(ProbeType::ForceSynchronous) => {
            advice.verdict = Verdict::Forbidden;
            advice.why.push(format!(
                "It asks for PROBE_FORCE_SYNCHRONOUS: its author relies on its devices being bound \
                 when the registration returns. Without that, {}.",
                estimate(&advice)
            ));
        }
        _ => default(facts, &mut advice),
    }
    advice
}

/// It is probed asynchronously.
fn already(facts: &Facts<'_>, advice: &mut Advice) {
    advice.verdict = Verdict::Already;
    advice.then = advice.now;
    let waits = facts.plain.took >= facts.plain.all_ended();
    let insmod = if waits {
        "insmod takes as long as the longest probe, and with async_probe it does not wait"
    } else {
        "in a domain of its own, for which insmod does not wait"
    };
    advice
        .why
        .push(format!("It is probed asynchronously already: {insmod}."));
    advice.why.push(match facts.convoy {
        Some(waited) => format!(
            "Beside its probes, the insmod or rmmod of an unrelated module waited {waited} ms. \
             Documentation/your-driver.rst has two ways out."
        ),
        None => "No unrelated insmod or rmmod was seen to wait for its probes.".to_owned(),
    });
}

/// It leaves the probe type to its loader.
fn default(facts: &Facts<'_>, advice: &mut Advice) {
    advice.verdict = Verdict::Forbidden;
    let Some(load) = facts.asynchronous else {
        advice.verdict = Verdict::Unknown;
        advice
            .why
            .push("It was not tried with async_probe.".to_owned());
        return;
    };
    if let Some(ret) = load.ret.filter(|ret| *ret != 0) {
        advice.why.push(format!(
            "With async_probe its insmod fails ({}): its init relies on probes having ended when \
             a registration returns.",
            errno::name(ret)
        ));
        return;
    }
    let bound = |load: &Load| -> BTreeSet<String> {
        load.initial()
            .filter(|probe| probe.driver.as_deref() == Some(facts.driver) && probe.has_bound())
            .map(|probe| probe.device.to_owned())
            .collect()
    };
    let lost: Vec<_> = bound(facts.plain)
        .difference(&bound(load))
        .cloned()
        .collect();
    if !lost.is_empty() {
        advice.why.push(format!(
            "With async_probe it does not bind {}.",
            lost.join(", ")
        ));
        return;
    }
    let saved = advice
        .now
        .zip(advice.then)
        .map_or(Micros(0), |(now, then)| now - then);
    if saved < WORTH_IT {
        advice.verdict = Verdict::NoGain;
        advice.why.push(format!(
            "{}. insmod would wait for the probes all the same; what gains is a boot with the \
             driver built in, which goes on beside them.",
            capital(&estimate(advice))
        ));
    } else {
        advice.verdict = Verdict::Gains;
        advice.why.push(format!(
            "{}. insmod would still wait for the longest probe, and so would every other insmod \
             and rmmod meanwhile; with async_probe its own would not.",
            capital(&estimate(advice))
        ));
    }
}

/// Now and then.
fn estimate(advice: &Advice) -> String {
    match (advice.now, advice.then) {
        (Some(now), Some(then)) => format!(
            "all is bound after {now} ms now, with PROBE_PREFER_ASYNCHRONOUS after about {then} ms"
        ),
        _ => "it is not known how long it would take".to_owned(),
    }
}

fn count(number: usize, one: &str, more: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        _ => format!("{number} {more}"),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_uppercase().chain(letters).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Probe;
    use std::collections::BTreeMap;

    fn forced(took: u64, probes: &[(&str, How, u64, u64, i32)]) -> Load {
        let mut load = load(took, probes);
        let forced = ProbeType::ForceSynchronous;
        load.probe_types.insert("d".to_owned(), forced);
        load
    }

    fn load(took: u64, probes: &[(&str, How, u64, u64, i32)]) -> Load {
        Load {
            took: Some(Micros(took)),
            ret: Some(0),
            probe_types: BTreeMap::from([("d".to_owned(), ProbeType::DefaultStrategy)]),
            probes: probes
                .iter()
                .map(|(device, how, began, took, ret)| Probe {
                    span: 0,
                    request: None,
                    second_phase: None,
                    device: (*device).to_owned(),
                    driver: Some("d".to_owned()),
                    how: *how,
                    added: None,
                    waited: None,
                    began: Micros(*began),
                    took: Some(Micros(*took)),
                    firmware: None,
                    ret: Some(*ret),
                    remove: None,
                })
                .collect(),
        }
    }

    fn advice(plain: &Load, asynchronous: Option<&Load>, broken: &[&str]) -> Advice {
        advise(&Facts {
            driver: "d",
            devices: 2,
            plain,
            asynchronous,
            broken,
            convoy: Some(Micros(7)),
        })
    }

    #[test]
    fn many_long_probes_gain() {
        use How::{Async, Sync};
        let plain = load(
            101_000,
            &[("a", Sync, 500, 50_000, 0), ("b", Sync, 50_500, 50_000, 0)],
        );
        let asynchronous = load(
            1_000,
            &[("a", Async, 600, 50_000, 0), ("b", Async, 700, 50_000, 0)],
        );
        let gains = advice(&plain, Some(&asynchronous), &[]);
        assert_eq!(gains.verdict, Verdict::Gains);
        assert_eq!(gains.probe_type, Some(ProbeType::DefaultStrategy));
        assert_eq!(gains.now, Some(Micros(101_000)));
        assert_eq!(gains.then, Some(Micros(50_700)));

        // What forbids it.
        let broken = advice(&plain, Some(&asynchronous), &["unbind_waits"]);
        assert_eq!(broken.verdict, Verdict::Forbidden);
        assert!(broken.why[1].contains("unbind_waits"));
        let lost = load(
            1_000,
            &[("a", Async, 600, 50_000, 0), ("b", Async, 700, 9, -5)],
        );
        let lost = advice(&plain, Some(&lost), &[]);
        assert_eq!(lost.verdict, Verdict::Forbidden);
        assert!(lost.why[1].ends_with("bind b."), "{:?}", lost.why);
        let mut fails = load(1_000, &[]);
        fails.ret = Some(-19);
        let fails = advice(&plain, Some(&fails), &[]);
        assert_eq!(fails.verdict, Verdict::Forbidden);
        assert!(fails.why[1].contains("ENODEV"));
        assert_eq!(fails.then, Some(Micros(51_000)), "an estimate");
        assert_eq!(advice(&plain, None, &[]).verdict, Verdict::Unknown);

        let forced = forced(
            101_000,
            &[("a", Sync, 500, 50_000, 0), ("b", Sync, 50_500, 50_000, 0)],
        );
        let forced = advice(&forced, Some(&forced), &[]);
        assert_eq!(forced.verdict, Verdict::Forbidden);
        assert_eq!(forced.probe_type, Some(ProbeType::ForceSynchronous));
        assert!(
            forced.why[1].contains("FORCE_SYNCHRONOUS"),
            "{:?}",
            forced.why
        );
    }

    #[test]
    fn one_probe_does_not() {
        let plain = load(60_000, &[("a", How::Sync, 500, 50_000, 0)]);
        let asynchronous = load(9_000, &[("a", How::Async, 500, 50_000, 0)]);
        let advice = advice(&plain, Some(&asynchronous), &[]);
        // What comes of it is within what the machine does anyway.
        assert_eq!(advice.now, Some(Micros(60_000)));
        assert_eq!(advice.then, Some(Micros(50_500)));
        assert_eq!(advice.verdict, Verdict::NoGain);
    }

    #[test]
    fn who_is_asynchronous_already_is_told_of_the_convoy() {
        let plain = load(60_000, &[("a", How::Async, 500, 50_000, 0)]);
        let advice = advice(&plain, Some(&plain), &[]);
        assert_eq!(advice.verdict, Verdict::Already);
        assert!(
            advice.why[2].contains("waited 0.007 ms"),
            "{:?}",
            advice.why
        );
    }

    #[test]
    fn no_task_waits_for_an_exclusive_domain() {
        let plain = load(1_000, &[("a", How::Async, 500, 50_000, 0)]);
        let advice = advice(&plain, None, &[]);
        assert_eq!(advice.verdict, Verdict::Already);
        assert!(advice.why[1].contains("does not wait"), "{:?}", advice.why);
    }

    #[test]
    fn no_device_no_advice() {
        let advice = advice(&load(1_000, &[]), None, &[]);
        assert_eq!(advice.verdict, Verdict::Unknown);
        assert_eq!(advice.then, None);
        assert!(advice.why[0].contains("without a probe"));
    }
}
