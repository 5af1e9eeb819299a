// SPDX-License-Identifier: GPL-2.0

//! The lives of `tests/laws`, and the verdicts of the laws on them.
//!
//! A file has the name of its law. `life NAME` begins a life: the indented lines below it, in the
//! short form of [`recording`](super::test_life::recording). `NAME: VERDICT` demands a verdict on
//! that life, `NAME, twice: VERDICT` on a kernel that probes each device twice. Indented lines
//! below it change the life first, from its beginning to its end, as a patch does: `- LINE` takes
//! the next such line away, `+ LINE` adds one here, a line without a sign goes on behind the next
//! such line, and `...` stands for all lines that follow.
//!
//! Words behind the name, as in `NAME, unbind d.0: VERDICT`, are what a test expects: they go to a
//! function of the law ([`expected`]).
//!
//! A verdict is `kept` with the number of cases, `no case`, `cannot be seen`, `broken` with a part
//! of what was seen, `saw` with all of that, or `demands` with a part of what was expected.

use std::fs;
use std::path::Path;

use super::law::{Law, Verdict, Violation};
use super::test_life::life_on;
use super::{
    autoprobe_off, boot_waits, convoy, designs, manual_bind_sync, nothing_outlives, numa,
    one_at_a_time, probe_remove_probe, register_returns, single_slot, two_phase, LAWS,
};
use crate::event::Call;
use crate::{Life, Micros, Probing};

/// The laws of what no life shows: of a console, of the steps of a test module, of two lives, or of
/// exact times. The tests in their files are all that they have.
const OTHERS: &[&str] = &[
    "containment",
    "domain_sync",
    "drop_order",
    "order_of_arrival",
    "parallel_efficiency",
    "reboot_in_flight",
    "second_phase_in_flight",
    "shutdown_bound",
    "suspend_in_flight",
];

/// A line that is not indented, its number, and the indented ones below it.
struct Block<'a> {
    number: usize,
    head: &'a str,
    lines: Vec<&'a str>,
}

fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks: Vec<Block<'_>> = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        match line.strip_prefix("    ") {
            Some(line) => blocks.last_mut().expect("no head").lines.push(line),
            None if line.is_empty() || line.starts_with('#') => {}
            None => blocks.push(Block {
                number,
                head: line,
                lines: vec![],
            }),
        }
    }
    blocks
}

/// The life with these changes.
fn changed(life: &[&str], changes: &[&str]) -> String {
    let mut rest = life;
    let mut lines: Vec<&str> = Vec::new();
    for change in changes {
        let (sign, line) = change.split_at(2);
        if sign == "+ " {
            lines.push(line);
            continue;
        }
        let next = rest.iter().position(|of| *of == line);
        let at = match line {
            "..." => rest.len(),
            _ => next.unwrap_or_else(|| panic!("no `{line}` follows")),
        };
        // `- ...` takes away all that follows.
        if change != &"- ..." {
            lines.extend(&rest[..at]);
        }
        if sign == "  " {
            lines.extend(rest.get(at));
        }
        rest = rest.get(at + 1..).unwrap_or_default();
    }
    lines.extend(rest);
    lines.join("\n")
}

/// The verdict of the law itself.
fn verdict(law: &Law, life: &Life) -> Result<String, Violation> {
    match law.verdict(life) {
        Verdict::Kept(cases) => Ok(format!("kept {cases}")),
        Verdict::NoCase => Ok("no case".to_owned()),
        Verdict::CannotBeSeen(_) => Ok("cannot be seen".to_owned()),
        Verdict::Broken(violation) => Err(violation),
    }
}

/// The verdict of a function of the law, to which a test says what it expects.
fn expected(law: &str, words: &[&str], life: &Life) -> Result<String, Violation> {
    let number = |word: &str| word.parse::<usize>().unwrap();
    let call = |name: &str| {
        Call::ALL
            .into_iter()
            .find(|of| of.to_string() == name)
            .unwrap()
    };
    let kept = |()| "kept".to_owned();
    let kept_in = |cases: usize| format!("kept {cases}");
    match (law, words) {
        (_, ["every", "law"]) => {
            let broken = super::judge(life).into_iter().find_map(|(_, of)| match of {
                Verdict::Broken(violation) => Some(violation),
                _ => None,
            });
            broken.map_or(Ok(kept(())), Err)
        }
        ("autoprobe_off", [driver, device]) => autoprobe_off::check(life, driver, device).map(kept),
        ("boot_waits", [boot, devices]) => {
            let boot = match *boot {
                "probes" => boot_waits::Boot::Probes,
                "waits" => boot_waits::Boot::Waits,
                _ => boot_waits::Boot::GoesOn,
            };
            boot_waits::check_boot(life, "__d_init", "d", number(devices), boot)
                .map(|took| format!("{took} ms"))
        }
        ("convoy", ["free", kind, module]) => {
            convoy::check_free(life, call(kind), module, Micros(3000)).map(kept_in)
        }
        ("designs", [insmod, probes]) => {
            let promise = designs::Promise {
                call: match *insmod {
                    "waits" => designs::Insmod::Waits,
                    _ => designs::Insmod::Returns,
                },
                probes: match *probes {
                    "in_caller" => designs::Probes::InCaller,
                    "in_one_worker" => designs::Probes::InOneWorker,
                    _ => designs::Probes::InParallel,
                },
            };
            designs::check(life, Call::Insmod, "m", "d", 2, promise).map(kept)
        }
        ("manual_bind_sync", [kind, device]) => {
            manual_bind_sync::check_write(life, call(kind), device).map(kept)
        }
        ("nothing_outlives", ["dies"]) => {
            nothing_outlives::at_death(life, &[9]).map_or(Ok("nothing".to_owned()), Err)
        }
        ("nothing_outlives", ["unwaited"]) => {
            Ok(nothing_outlives::unwaited(life).unwrap_or("nothing".to_owned()))
        }
        ("numa", nodes) => {
            let nodes = nodes.iter().map(|of| of.split_once('=').unwrap());
            let nodes = nodes.map(|(device, node)| (device.to_owned(), node.parse().unwrap()));
            numa::check(life, &nodes.collect()).map(kept_in)
        }
        ("one_at_a_time", ["under", "way"]) => {
            let names = one_at_a_time::under_way(life).into_iter();
            Ok(names.fold("is".to_owned(), |text, name| text + " " + name))
        }
        ("probe_remove_probe", ["second", driver]) => {
            probe_remove_probe::second_succeeds(life, driver).map(kept_in)
        }
        ("register_returns", [driver, devices]) => {
            register_returns::check_slow(life, driver, number(devices)).map(kept)
        }
        ("single_slot", [first, second]) => {
            single_slot::check_skipped(life, "d.0", first, second).map(kept)
        }
        ("two_phase", ["insmod", module, driver, devices]) => {
            two_phase::check_insmod(life, module, driver, number(devices)).map(kept)
        }
        ("two_phase", [kind, on, driver, devices, device]) => {
            let devices = number(devices);
            two_phase::check_unbind(life, call(kind), on, driver, devices, device).map(kept)
        }
        _ => panic!("{law} has no function for {words:?}"),
    }
}

/// Whether the verdict is as demanded.
fn fits(verdict: &Result<String, Violation>, demanded: &str) -> bool {
    let (word, rest) = demanded.split_once(' ').unwrap_or((demanded, ""));
    match (verdict, word) {
        (Err(violation), "broken") => violation.seen.contains(rest),
        (Err(violation), "saw") => violation.seen == rest,
        (Err(violation), "demands") => violation.expected.contains(rest),
        (Ok(verdict), _) => verdict == demanded,
        (Err(_), _) => false,
    }
}

/// The verdicts that are not as a file demands them.
fn wrong(law: &Law, text: &str) -> Vec<String> {
    let blocks = blocks(text);
    let (lives, cases): (Vec<_>, Vec<_>) =
        blocks.iter().partition(|of| of.head.starts_with("life "));
    let mut wrong = Vec::new();
    for case in &cases {
        let (head, demanded) = case.head.split_once(": ").expect("a verdict");
        let mut parts = head.split(", ");
        let name = parts.next().unwrap_or_default();
        let (twice, parts): (Vec<_>, Vec<_>) = parts.partition(|part| *part == "twice");
        let probing = match twice[..] {
            [] => Probing::Once,
            _ => Probing::Twice,
        };
        let life = lives.iter().find(|of| of.head == format!("life {name}"));
        let life = life.unwrap_or_else(|| panic!("{}: no life {name}", law.name));
        let life = life_on(&changed(&life.lines, &case.lines), probing);
        let verdict = match parts.first() {
            Some(words) => {
                let words: Vec<&str> = words.split(' ').collect();
                expected(law.name, &words, &life)
            }
            None => verdict(law, &life),
        };
        if !fits(&verdict, demanded) {
            let at = format!("tests/laws/{}.txt:{}", law.name, case.number);
            wrong.push(format!("{at}: expected {demanded}, is {verdict:?}"));
        }
    }
    for words in [&["kept"][..], &["broken", "saw"]] {
        let demanded = |case: &&Block<'_>| {
            let (_, verdict) = case.head.split_once(": ").unwrap_or_default();
            words.iter().any(|word| verdict.starts_with(word))
        };
        if !cases.iter().any(demanded) {
            let (law, word) = (law.name, words[0]);
            wrong.push(format!("tests/laws/{law}.txt: no case is {word}"));
        }
    }
    wrong
}

#[test]
fn each_life_is_judged_as_demanded() {
    let dir = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/laws"));
    let mut failures = Vec::new();
    for law in LAWS {
        let text = fs::read_to_string(dir.join(law.name).with_extension("txt"));
        match text {
            Ok(text) => failures.extend(wrong(law, &text)),
            Err(_) if OTHERS.contains(&law.name) => {}
            Err(error) => failures.push(format!("{}: {error}", law.name)),
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
