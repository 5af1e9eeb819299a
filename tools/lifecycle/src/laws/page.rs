// SPDX-License-Identifier: GPL-2.0

//! `Documentation/laws.rst`, which is made of the table of laws.

use super::law::Law;
use super::mutant::MutantKind;
use super::LAWS;
use crate::life::Life;
use crate::parse::log::Source;

const HEAD: &str = "\
.. SPDX-License-Identifier: GPL-2.0
.. Made of tools/lifecycle/src/laws by: RENEW=1 cargo test -p lifecycle page

================================
The laws of asynchronous probing
================================

Each law is a promise of the kernel about the order of probe, bind, unbind, device
removal and rmmod. A log is held against all of them. The verdict on a law is one of

- **kept** in a number of cases;
- **broken**, with the events that show it;
- **no case**: nothing happened that the law could judge;
- **cannot be seen**: the log does not show what the law has to see. Such a law is
  never called kept.

The kernel keeps these promises for every driver. Where one is broken, a driver or a
bus has gone around the driver core; each section says what its author has done, and
how to mend it. Documentation/testing.rst says how to add a law.
";

/// How wide the text is, in columns.
const WIDTH: usize = 82;

/// The page.
fn page() -> String {
    let sections = LAWS.iter().map(|law| section(law));
    HEAD.to_owned() + &sections.collect::<String>()
}

fn section(law: &Law) -> String {
    let item = |title: &str, text: &str| {
        let options = textwrap::Options::new(WIDTH).subsequent_indent("  ");
        textwrap::fill(&format!("- *{title}*: {text}"), options) + "\n"
    };
    let of = |live: bool, one: &str, more: &str| {
        let is_live = |kind: &MutantKind| matches!(kind, MutantKind::Live | MutantKind::Apart);
        let mutants = law.mutants.iter().filter(|of| is_live(&of.kind) == live);
        match mutants.count() {
            0 => None,
            1 => Some(format!("1 {one}")),
            count => Some(format!("{count} {more}")),
        }
    };
    let mutants = [
        of(true, "wrong driver or bus", "wrong drivers or buses"),
        of(false, "edited log", "edited logs"),
    ];
    let mutants: Vec<String> = mutants.into_iter().flatten().collect();
    let mut text = format!("\n{}\n{}\n\n", law.name, "=".repeat(law.name.len()));
    text += &textwrap::fill(law.promise, WIDTH);
    text += "\n\n";
    text += &item("Kept by", law.kernel);
    text += &item("Where it is broken", law.mend);
    text += &item("Seen in", &seen_in(law));
    if !mutants.is_empty() {
        text += &item("Caught", &mutants.join(", "));
    }
    text
}

/// The sources, alone or together, that show what the law has to see.
fn seen_in(law: &Law) -> String {
    use Source::{Calls, InitcallDebug, Recording, Timing};
    let sources: [(&str, &[Source]); 6] = [
        ("a recording", &[Recording]),
        ("a recording with userspace's calls", &[Recording, Calls]),
        ("the dmesg interface", &[Timing]),
        (
            "the dmesg interface with userspace's calls",
            &[Timing, Calls],
        ),
        ("initcall_debug", &[InitcallDebug]),
        (
            "initcall_debug with the dmesg interface",
            &[InitcallDebug, Timing],
        ),
    ];
    let mut seen: Vec<(&str, &[Source])> = Vec::new();
    for (name, sources) in sources {
        let life = Life {
            sources: sources.to_vec(),
            ..Life::default()
        };
        let shown = law.needs.iter().all(|need| life.sees(*need));
        // What a part of the sources shows is not said once more.
        let part = |of: &[Source]| of.iter().all(|source| sources.contains(source));
        if shown && !seen.iter().any(|(_, of)| part(of)) {
            seen.push((name, sources));
        }
    }
    let seen: Vec<&str> = seen.into_iter().map(|(name, _)| name).collect();
    match seen.as_slice() {
        [] => "a log of several sources".to_owned(),
        seen => seen.join("; "),
    }
}

#[test]
fn the_page_is_what_the_laws_say() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../Documentation/laws.rst");
    if std::env::var_os("RENEW").is_some() {
        std::fs::write(path, page()).unwrap();
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        found == page(),
        "Documentation/laws.rst is not what the laws say; RENEW=1 cargo test -p lifecycle page"
    );
}

#[test]
fn every_law_says_all() {
    for law in LAWS {
        for text in [law.promise, law.kernel, law.mend] {
            let whole = text.ends_with('.') && !text.contains("  ");
            assert!(whole, "{}: {text}", law.name);
        }
    }
    assert!(LAWS.is_sorted_by_key(|law| law.name));
}
