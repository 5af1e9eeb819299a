// SPDX-License-Identifier: GPL-2.0

//! Whether a driver would gain from `PROBE_PREFER_ASYNCHRONOUS`: what its probes would wait then is
//! simulated, and a run with `async_probe` has to confirm it.

use std::collections::BTreeSet;

use derive_more::Display;
use serde::Serialize;

use super::{Load, Named};
use crate::errno::{self, EPROBE_DEFER};
use crate::life::{How, Life, Probe};
use crate::simulate;
use crate::{Micros, ProbeType};

/// Less than 10 ms is not worth a change, and so much two runs may differ.
const WORTH_IT: Micros = Micros(10_000);

/// Or a twentieth, whichever is more.
const NEAR: u64 = 20;

/// What is known of a driver.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'f> {
    /// The driver.
    pub driver: &'f Named,
    /// How many devices it had after that.
    pub devices: usize,
    /// A plain insmod of its module.
    pub plain: &'f Load,
    /// What was recorded then.
    pub life: &'f Life,
    /// An insmod with `async_probe`, if there was one.
    pub asynchronous: Option<&'f Load>,
    /// Another plain insmod, if there was one.
    pub again: Option<&'f Load>,
    /// The laws that it has broken.
    pub broken: &'f [&'f str],
    /// What the kernel has complained of.
    pub complaints: &'f [String],
    /// How long an unrelated insmod or rmmod has waited for its probes, if it has.
    pub convoy: Option<Micros>,
    /// How long the plain insmod computed, if that was measured.
    pub computed: Option<Micros>,
    /// How many processors there are, and whether only one runs at a time (virtual time).
    pub cpus: u64,
    /// Whether they take turns.
    pub turns: bool,
}

/// What it comes to.
#[derive(Clone, Copy, Debug, Default, Display, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Its devices are bound earlier if they are probed asynchronously.
    #[display("would gain from PROBE_PREFER_ASYNCHRONOUS")]
    Gains,
    /// They are not.
    #[display("would not gain")]
    NoGain,
    /// Something forbids it.
    #[display("must not be probed asynchronously as it is")]
    Forbidden,
    /// It is asynchronous already.
    #[display("is probed asynchronously already")]
    Already,
    /// It has not bound a device, or two runs disagree.
    #[default]
    #[display("cannot tell")]
    Unknown,
}

/// What to do about it, and why.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Advice {
    /// What it comes to.
    pub verdict: Verdict,
    /// What the driver has asked for.
    pub probe_type: Option<ProbeType>,
    /// From the beginning of a plain insmod until all probes of the driver have ended.
    pub now: Option<Micros>,
    /// The same with `PROBE_PREFER_ASYNCHRONOUS`, as a simulation has it.
    pub then: Option<Micros>,
    /// The same where processors take turns, if that differs.
    pub then_in_turns: Option<Micros>,
    /// The same as it was measured with `async_probe`.
    pub measured: Option<Micros>,
    /// Why, in sentences.
    pub why: Vec<String>,
}

impl Advice {
    /// Why, in a line.
    pub fn in_brief(&self) -> String {
        use Verdict::{Gains, NoGain, Unknown};
        if let (Gains | NoGain, Some(now), Some(then)) = (self.verdict, self.now, self.then) {
            return format!(
                "its devices are bound after {now} ms, and would be after {then} ms (simulated)."
            );
        }
        // What leaves it open comes after all figures.
        if self.verdict == Unknown {
            return self.why.last().cloned().unwrap_or_default();
        }
        // The first reason that is no figure, and rather one that is not above already.
        let is_reason = |why: &&String| {
            !why.starts_with("insmod waits ") && why.split(' ').nth(2) != Some("took")
        };
        let is_above = |why: &&String| {
            why.starts_with("A fault was seen") || why.starts_with("A law is broken")
        };
        let reasons = self.why.iter().filter(is_reason);
        match reasons.min_by_key(is_above) {
            Some(why) if is_above(&why) => "The faults above have to be mended first.".to_owned(),
            why => why.cloned().unwrap_or_default(),
        }
    }
}

/// Advises.
pub fn advise(facts: &Facts<'_>) -> Advice {
    let mut advice = Advice {
        probe_type: facts.plain.probe_type(facts.driver),
        ..Advice::default()
    };
    let probes = own(facts.plain, facts.driver);
    let reasons = reasons(facts, &probes, advice.probe_type);
    if !probes.iter().any(|probe| probe.has_bound()) {
        advice.why.extend(reasons);
        advice.why.push(no_device(facts, &probes));
        return advice;
    }
    advice.now = ended(&probes);
    let sum: Micros = probes.iter().filter_map(|probe| probe.took).sum();
    let longest = probes.iter().filter_map(|probe| probe.took).max();
    advice.why.push(match probes.len() {
        1 => format!("Its probe took {sum} ms."),
        many => format!(
            "{many} probes took {sum} ms together, the longest {} ms.",
            longest.unwrap_or_default()
        ),
    });
    advice.why.extend(others(facts.plain));
    let asynchronous = probes.iter().any(|probe| probe.how == How::Async);
    if !reasons.is_empty() {
        advice.verdict = Verdict::Forbidden;
        advice.why.extend(reasons);
    } else if asynchronous {
        already(facts, &mut advice);
    } else {
        predict(facts, &probes, sum, &mut advice);
    }
    advice
}

/// The probes of a driver that a load has set off.
fn own<'f>(load: &'f Load, driver: &'f Named) -> Vec<&'f Probe> {
    load.of(driver).filter(|probe| load.is_own(probe)).collect()
}

/// When the last one has ended.
fn ended(probes: &[&Probe]) -> Option<Micros> {
    probes.iter().filter_map(|probe| probe.ended()).max()
}

/// When the first could have begun: at the registration, for devices that were there.
fn start(probes: &[&Probe]) -> Option<Micros> {
    let start = |probe: &&Probe| probe.began - probe.waited.unwrap_or_default();
    probes.iter().map(start).min()
}

/// Why there is nothing to tell by.
fn no_device(facts: &Facts<'_>, probes: &[&Probe]) -> String {
    let results: BTreeSet<String> = probes.iter().map(|probe| probe.result()).collect();
    match (probes.len(), facts.devices) {
        (0, 0) => {
            "It has bound no device: there is nothing to tell by. Give it one (WITH, BEFORE, \
                   AFTER, DEVICE)."
                .to_owned()
        }
        (0, _) => {
            "Its devices were bound without a probe (device_bind_driver()): there is nothing \
                   to be asynchronous."
                .to_owned()
        }
        (number, _) => {
            let results: Vec<String> = results.into_iter().collect();
            let probes = count(number, "probe has", "probes have");
            format!("Its {probes} bound no device: {}.", results.join(", "))
        }
    }
}

/// The async functions that insmod waits for and that are no probes.
fn others(plain: &Load) -> impl Iterator<Item = String> + '_ {
    let others = plain.others.iter();
    let long = others.filter(|(_, waited)| *waited >= WORTH_IT);
    long.map(|(function, waited)| {
        format!(
            "insmod waits {waited} ms for {function}. That is no probe: the probe type does not \
             change it."
        )
    })
}

/// Why it must not be asynchronous.
fn reasons(facts: &Facts<'_>, probes: &[&Probe], asks: Option<ProbeType>) -> Vec<String> {
    let mut why: Vec<String> = Vec::new();
    if let Some(complaint) = facts.complaints.first() {
        why.push(format!("A fault was seen ({complaint}): mend that first."));
    }
    if !facts.broken.is_empty() {
        let broken = facts.broken.join(", ");
        why.push(format!("A law is broken ({broken}): mend that first."));
    }
    why.extend(deferred(probes));
    if asks == Some(ProbeType::ForceSynchronous) {
        why.push(
            "It asks for PROBE_FORCE_SYNCHRONOUS: its author relies on its devices being bound when \
             the registration returns."
                .to_owned(),
        );
    }
    let recorded = simulate::forbidden(facts.life, &[&facts.driver.name]);
    for reason in recorded.into_iter().flat_map(|of| of.why) {
        use simulate::Why::{RequestsModule, SynchronousChild};
        // The others are better told by a comparison with a run.
        if matches!(reason, RequestsModule(_) | SynchronousChild(..)) {
            why.push(capital(&format!("{reason}.")));
        }
    }
    if let Some(load) = facts.asynchronous {
        why.extend(compared(facts, load));
    }
    why
}

/// Devices whose probes are deferred to the end.
fn deferred(probes: &[&Probe]) -> Option<String> {
    let devices: BTreeSet<&str> = probes.iter().map(|probe| probe.device.as_str()).collect();
    let of = |device: &str| {
        let of_device = probes.iter().filter(|probe| probe.device == device);
        let tries = of_device.clone().count();
        let last = of_device.max_by_key(|probe| probe.began)?;
        (last.ret == Some(EPROBE_DEFER))
            .then(|| format!("{device} ({})", count(tries, "try", "tries")))
    };
    let never: Vec<String> = devices.into_iter().filter_map(of).collect();
    (!never.is_empty()).then(|| {
        format!(
            "The load ends with devices that are deferred (EPROBE_DEFER) and not bound: {}. What \
             they wait for does not come, or comes later than this load.",
            some(&never)
        )
    })
}

/// What is not as it was without `async_probe`.
fn compared(facts: &Facts<'_>, load: &Load) -> Vec<String> {
    let plain = facts.plain;
    if let Some(ret) = load.ret.filter(|ret| *ret != 0) {
        let errno = errno::name(ret);
        let again = facts.again.and_then(|again| again.ret);
        return vec![match again {
            Some(again) if again != 0 => format!(
                "A second insmod fails, with async_probe ({errno}) and without ({}): it is not \
                 asynchronous probing that makes it fail.",
                errno::name(again)
            ),
            _ => format!(
                "With async_probe its insmod fails ({errno}): its init relies on probes having \
                 ended when a registration returns."
            ),
        }];
    }
    let bound = |load: &Load| -> BTreeSet<String> {
        let probes = own(load, facts.driver);
        let bound = probes.iter().filter(|probe| probe.has_bound());
        let stays = bound.filter(|probe| !load.gone.contains(&probe.device));
        stays.map(|probe| probe.device.clone()).collect()
    };
    let lost: Vec<String> = bound(plain).difference(&bound(load)).cloned().collect();
    if !lost.is_empty() {
        let lost = some(&lost);
        return vec![format!("With async_probe it does not bind {lost}.")];
    }
    let mut why = Vec::new();
    let only_in = |one: &Load, other: &Load| -> Vec<String> {
        let names = one.added.keys().cloned();
        names
            .filter(|name| !other.added.contains_key(name))
            .collect()
    };
    let missing = only_in(plain, load);
    let more = !only_in(load, plain).is_empty();
    if !missing.is_empty() && !more {
        why.push(format!(
            "With async_probe there is no {}, which a plain insmod adds: its init relies on its \
             devices being bound when the registration returns.",
            some(&missing)
        ));
    }
    let named = plain.added.iter().filter(|(name, _)| !is_numbered(name));
    let moved = named.filter_map(|(name, of)| {
        let (was, is) = (of.as_ref()?, load.added.get(name)?.as_ref()?);
        (was != is).then(|| format!("{name} belongs to {was} then, and to {is} with async_probe"))
    });
    let moved: Vec<String> = moved.collect();
    if !moved.is_empty() {
        why.push(format!(
            "The names of what its probes add depend on the order of the probes: {}.",
            some(&moved)
        ));
    }
    why
}

/// Whether the number in a name is one that nothing may rely on: that of a platform device with
/// `PLATFORM_DEVID_AUTO`, or one that a subsystem draws. Its devices are told apart by other names.
fn is_numbered(device: &str) -> bool {
    const DRAWN: [&str; 8] = [
        "hwmon",
        "input",
        "event",
        "mouse",
        "js",
        "iio:device",
        "gpiochip",
        "usb",
    ];
    let mut numbers = DRAWN
        .iter()
        .filter_map(|prefix| device.strip_prefix(prefix));
    // What is on a USB bus has the number of that bus, or a name that each device has:
    // `1-0:1.0`, `ep_81` (drivers/usb/core).
    let on_usb = device.starts_with("ep_")
        || device
            .split_once('-')
            .is_some_and(|(bus, _)| bus.parse::<u32>().is_ok());
    device.ends_with(".auto") || on_usb || numbers.any(|number| number.parse::<u32>().is_ok())
}

/// It is probed asynchronously.
fn already(facts: &Facts<'_>, advice: &mut Advice) {
    advice.verdict = Verdict::Already;
    advice.then = advice.now;
    let waits = |load: &Load| load.took >= load.all_ended();
    let insmod = match (waits(facts.plain), facts.asynchronous.is_some_and(waits)) {
        (true, true) => "Its insmod takes as long as the longest probe, with async_probe too.",
        (true, false) => {
            "Its insmod takes as long as the longest probe, and with async_probe it does not wait."
        }
        (false, _) => "Its probes are in a domain of their own, for which insmod does not wait.",
    };
    advice.why.push(insmod.to_owned());
    advice.why.push(match facts.convoy {
        Some(waited) => format!(
            "Beside its probes, the insmod or rmmod of an unrelated module waited {waited} ms. \
             Documentation/your-driver.rst has two ways out."
        ),
        None => "No unrelated insmod or rmmod was seen to wait for its probes.".to_owned(),
    });
}

/// It leaves the probe type to its loader.
fn predict(facts: &Facts<'_>, probes: &[&Probe], sum: Micros, advice: &mut Advice) {
    // A simulated try of a device may be the first that is not too early.
    let last = probes.iter().filter(|probe| {
        let mut others = probes.iter();
        !others.any(|other| other.device == probe.device && probe.began < other.began)
    });
    let spans: Vec<usize> = last.map(|probe| probe.span).collect();
    let by = facts.plain.registered(facts.driver).and_then(|of| of.by);
    let driver = (facts.driver.name.as_str(), by);
    let insmod = facts.plain.insmod;
    let load = |computes, cpus| simulate::load(facts.life, insmod, &spans, driver, computes, cpus);
    let computes = computes(facts);
    let cpus = facts.cpus.max(1);
    // Where it was not measured, a probe may do anything between the two.
    let then = load(computes.unwrap_or(0), cpus);
    let in_turns = load(computes.unwrap_or(1000), 1);
    advice.then = then;
    advice.then_in_turns = in_turns.filter(|_| in_turns != then);
    let Some((now, then)) = advice.now.zip(then) else {
        let why = "The load has not come to its end.";
        return advice.why.push(why.to_owned());
    };
    let Some((measured, from)) = facts
        .asynchronous
        .map(|load| own(load, facts.driver))
        .filter(|probes| probes.iter().all(|probe| probe.how == How::Async))
        .and_then(|probes| ended(&probes).zip(start(&probes)))
    else {
        let why = match facts.asynchronous {
            None => "It was not tried with async_probe: a prediction alone is no advice.",
            Some(_) => "With async_probe its probes are synchronous all the same.",
        };
        advice.why.push(why.to_owned());
        if facts.asynchronous.is_some() && now - then < WORTH_IT {
            advice.verdict = Verdict::NoGain;
        }
        return;
    };
    advice.measured = Some(measured);
    // What insmod does before that is not the same the second time, with any probe type.
    let measured = measured + start(probes).unwrap_or_default() - from;
    let in_turns = in_turns.unwrap_or(then);
    advice.why.push(format!(
        "All its devices are bound after {now} ms now. With PROBE_PREFER_ASYNCHRONOUS a simulation \
         of this load says {then} ms; a load with async_probe says {measured} ms, if \
         as much time passes before its registration."
    ));
    let matters = then + WORTH_IT <= in_turns;
    if let Some(computes) = computes.filter(|_| matters) {
        let computed = Micros(sum.0 * computes / 1000);
        advice.why.push(format!(
            "{computed} ms of the {sum} ms its probes compute, and do not wait. In virtual time \
             processors take turns, so that this does not overlap: {in_turns} ms. On {cpus} \
             processors it does: {then} ms."
        ));
    }
    let (least, most) = match computes {
        None => (then.min(in_turns), then.max(in_turns)),
        Some(_) if facts.turns => (in_turns, in_turns),
        Some(_) => (then, then),
    };
    let near = |time: Micros| WORTH_IT.max(Micros(time.0 / NEAR));
    let mut then = if computes.is_none() { measured } else { then };
    if measured + near(measured) < least || most + near(most) < measured {
        let tries = facts
            .asynchronous
            .map_or(0, |load| own(load, facts.driver).len());
        let slower = measured.max(most);
        if tries == probes.len() || now < slower + WORTH_IT {
            advice.why.push(
                "The two runs disagree: something that a recording does not show keeps the probes \
                 from running beside each other, or makes them shorter."
                    .to_owned(),
            );
            return;
        }
        then = slower;
        advice.why.push(format!(
            "The two differ as devices are deferred in another order: {} now, and {tries} with \
             async_probe.",
            count(probes.len(), "try", "tries")
        ));
    }
    if now - then < WORTH_IT {
        advice.verdict = Verdict::NoGain;
        advice.why.push(
            "insmod would wait for the probes all the same; what gains is a boot with the driver \
             built in, which goes on beside them."
                .to_owned(),
        );
    } else {
        advice.verdict = Verdict::Gains;
        advice.why.push(
            "insmod would still wait for the longest probe, and so would every other insmod and \
             rmmod meanwhile; with async_probe its own would not. What the probes share without a \
             lock is not seen on this kernel: KERNELS=debug-kcsan sees it."
                .to_owned(),
        );
    }
}

/// How much of the synchronous probes of the plain insmod computes, of 1000: all that insmod
/// computed, but for what it did outside of probes.
fn computes(facts: &Facts<'_>) -> Option<u64> {
    let plain = facts.plain;
    let took = plain.took?;
    let within = plain.initial().filter(|probe| probe.began <= took);
    let within: Micros = within
        .filter(|probe| probe.how == How::Sync)
        .filter_map(|probe| probe.took)
        .sum();
    let waited = plain.others.iter().map(|(_, waited)| *waited).max();
    let outside = took - within - waited.unwrap_or_default();
    let inside = facts.computed? - outside;
    (within > Micros(0)).then(|| (inside.0 * 1000 / within.0).min(1000))
}

/// The first few of many.
fn some(names: &[String]) -> String {
    const FEW: usize = 3;
    match names.get(..FEW).filter(|few| few.len() < names.len()) {
        Some(few) => format!("{} and {} more", few.join(", "), names.len() - FEW),
        None => names.join(", "),
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
    use super::super::loads;
    use super::*;
    use crate::laws::test_life::life;

    /// Two probes of 20 ms; each line comes 1 ms after the one before.
    fn plain() -> String {
        let probe = |device| {
            format!("9 probe {device}\n{}9 add_end 0\n9 probe_end 0\n", {
                format!("9 add {}\n", 7 + device) + &"9 uevent 5 change\n".repeat(20)
            })
        };
        format!(
            "call insmod m 9 0\n9 init m\n9 register type=default mod=m\n{}{}9 register_end 0\n\
             9 flush 0\n9 flush_end\n9 init_end 0\nreturn insmod m 9 0\n",
            probe(0),
            probe(1)
        )
    }

    /// The same with `async_probe`.
    fn asynchronous() -> String {
        let [begin, end]: [String; 2] = [
            [30, 31].map(|pid| {
                let device = pid - 30;
                format!("{pid} run\n{pid} driver_attach {device}\n{pid} probe {device}\n{pid} add {}\n{pid} add_end 0\n", 7 + device)
            }),
            [30, 31].map(|pid| format!("{pid} probe_end 0\n{pid} driver_attach_end\n{pid} run_end\n")),
        ]
        .map(|of| of.concat());
        format!(
            "call insmod m 9 1\n9 init m\n9 register type=default mod=m\n9 schedule 0\n9 schedule 1\n\
             9 register_end 0\n9 init_end 0\nreturn insmod m 9 0\n{begin}{}{end}",
            "9 uevent 5 change\n".repeat(8)
        )
    }

    fn load(lines: &str) -> (Life, Vec<Load>) {
        let life = life(lines);
        let loads = loads(&life, "m", &["d"]);
        (life, loads)
    }

    /// Another insmod that fails.
    fn failed(asks: u8) -> String {
        format!("call insmod m 9 {asks}\n9 init m\n9 init_end -19\nreturn insmod m 9 -19\n")
    }

    fn advice(
        plain: &str,
        asynchronous: &str,
        computed: Option<u64>,
        complaints: &[&str],
    ) -> Advice {
        let (life, plain) = load(plain);
        let others = match asynchronous {
            "" => vec![],
            lines => load(lines).1,
        };
        let complaints: Vec<String> = complaints.iter().map(ToString::to_string).collect();
        advise(&Facts {
            driver: &Named::the_first("d"),
            devices: life.of(crate::life::Kind::Add).count() + plain[0].probes.len(),
            plain: &plain[0],
            life: &life,
            asynchronous: others.first(),
            again: others.get(1),
            broken: &[],
            complaints: &complaints,
            convoy: Some(Micros(7)),
            computed: computed.map(Micros),
            cpus: 2,
            turns: true,
        })
    }

    #[test]
    fn what_is_predicted_and_confirmed() {
        let advice = advice(&plain(), &asynchronous(), Some(0), &[]);
        assert_eq!(advice.verdict, Verdict::Gains, "{:?}", advice.why);
        assert_eq!(advice.now, Some(Micros(50_000)));
        assert_eq!(advice.then, Some(Micros(27_070)));
        assert_eq!(advice.measured, Some(Micros(29_000)));
    }

    #[test]
    fn numbers_that_are_drawn() {
        for device in [
            "hwmon3",
            "iio:device0",
            "cell.1.auto",
            "usb10",
            "1-0:1.0",
            "ep_81",
        ] {
            assert!(is_numbered(device), "{device}");
        }
        for device in ["hwmon", "inputs", "rigdisk1", "watchdog0", "sda", "cell.1"] {
            assert!(!is_numbered(device), "{device}");
        }
    }

    #[test]
    fn what_forbids_it() {
        let (plain, asynchronous) = (plain(), asynchronous());
        let twice = failed(1) + &failed(0);
        let forced = plain.replace("type=default", "type=force");
        let probe = "9 probe 2\n9 probe_end 517\n9 register_end 0";
        let deferred = plain.replace("9 register_end 0", probe);
        let alone = asynchronous.replace("31 add 8\n31 add_end 0\n", "");
        let turned = asynchronous
            .replace("add 7", "add 6")
            .replace("add 8", "add 7")
            .replace("add 6", "add 8");
        let lost = asynchronous.replace("31 probe_end 0", "31 probe_end 5");
        for (plain, asynchronous, complaints, why) in [
            (&plain, &asynchronous, &["oops"][..], "seen (oops)"),
            (&forced, &asynchronous, &[], "FORCE_SYNCHRONOUS"),
            (&deferred, &asynchronous, &[], "d.2 (1 try)"),
            (&plain, &failed(1), &[], "insmod fails (ENODEV)"),
            (
                &plain,
                &twice,
                &[],
                "with async_probe (ENODEV) and without (ENODEV)",
            ),
            (&plain, &alone, &[], "there is no d.8"),
            (
                &plain,
                &turned,
                &[],
                "d.7 belongs to d.0 then, and to d.1 with async_probe",
            ),
            (&plain, &lost, &[], "does not bind d.1"),
        ] {
            let Advice {
                verdict, why: all, ..
            } = advice(plain, asynchronous, Some(0), complaints);
            assert_eq!(verdict, Verdict::Forbidden, "{why}: {all:?}");
            assert!(all[1].contains(why), "{why}: {all:?}");
        }
    }

    #[test]
    fn what_cannot_be_told() {
        let (plain, asynchronous) = (plain(), asynchronous());
        let waits = "9 register_end 0\n".to_owned() + &"9 uevent 5 x\n".repeat(40);
        let slow = asynchronous.replace("9 register_end 0\n", &waits);
        let nothing = "call insmod m 9 0\n9 init m\n9 init_end 0\nreturn insmod m 9 0\n";
        let by_itself = nothing.replace("9 init_end", "9 add 1\n9 add_end 0\n9 init_end");
        for (plain, asynchronous, why) in [
            (plain.as_str(), "", "not tried with async_probe"),
            (&plain, &slow, "The two runs disagree"),
            (
                &plain,
                &plain.replace("call insmod m 9 0", "call insmod m 9 1"),
                "synchronous all the",
            ),
            (nothing, &asynchronous, "there is nothing to tell by"),
            (&by_itself, &asynchronous, "without a probe"),
            (
                &plain.replace("probe_end 0", "probe_end 16"),
                &asynchronous,
                "bound no device: EBUSY",
            ),
        ] {
            // Probes that compute: the report has figures of that too.
            let advice = advice(plain, asynchronous, Some(50_000), &[]);
            assert_eq!(advice.verdict, Verdict::Unknown, "{why}: {:?}", advice.why);
            assert!(advice.in_brief().contains(why), "{why}: {:?}", advice.why);
        }
    }

    #[test]
    fn who_is_asynchronous_already_is_told_of_the_convoy() {
        let asynchronous = asynchronous();
        let advice = advice(&asynchronous, &asynchronous, None, &[]);
        assert_eq!(advice.verdict, Verdict::Already);
        assert!(advice.why[1].contains("does not wait"), "{:?}", advice.why);
        let convoy = "waited 0.007 ms";
        assert!(advice.why[2].contains(convoy), "{:?}", advice.why);
    }

    /// Probes that compute overlap on processors, and not where these take turns.
    #[test]
    fn what_computes() {
        let advice = advice(&plain(), &asynchronous(), Some(50_000), &[]);
        assert!(advice.then < advice.then_in_turns, "{advice:?}");
    }
}
