// SPDX-License-Identifier: GPL-2.0

//! Fuzzes what reads files, and what is made of a log that has been read. `make fuzz` runs it.
//!
//! Whatever is refused is refused at a line that is there, in words that a terminal can print.
//! Whatever is read has events and reads the same with carriage returns. There are a report, a
//! what-if and pictures of it, the laws judge it, it has no difference to itself, and a recording
//! that is written again reads the same. The pictures, which take most of the time, are drawn of
//! one log in eight.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifecycle::diff::Diff;
use lifecycle::laws::judge;
use lifecycle::parse::refusal::Refusal;
use lifecycle::parse::{bytes, dmesg, log, recording};
use lifecycle::report::log::Detail;
use lifecycle::report::{log as of_log, what_if as of_what_if};
use lifecycle::simulate::what_if;
use lifecycle::summary::Summary;
use lifecycle::{Life, Probing, What};
use timeline::{page, svg, trace, Heading};

fuzz_target!(|input: &[u8]| {
    let text = match bytes::text(input.to_vec()) {
        Ok(text) => text,
        Err(refusal) => {
            printable(&refusal);
            String::from_utf8_lossy(input).into_owned()
        }
    };
    read(&text);
    lines(&text);
    // A fuzzer does not guess checksums.
    if text.starts_with(recording::FIRST) {
        let end = text.rfind("# lifecycle: end").unwrap_or(text.len());
        let sealed = recording::seal(text[..end].to_owned());
        read(&sealed);
        again(&sealed);
    }
});

/// Reads a log of whatever kind, and does with it what the commands of probe-analyze do.
fn read(text: &str) {
    for boot in [None, Some(1)] {
        match log::parse(text, boot) {
            Ok(log) => {
                assert!(!log.events.is_empty());
                commands(&Summary::of("log", log));
            }
            Err(refusal) => {
                printable(&refusal);
                assert!(refusal
                    .line
                    .is_none_or(|line| line <= text.lines().count().max(1)));
            }
        }
    }
}

fn commands(summary: &Summary) {
    let _ = of_log::report(summary, Detail::All);
    assert_eq!(Diff::of(summary, summary).changes, []);
    let answer = what_if(&summary.life, &[]);
    let _ = of_what_if::report(summary, &answer, Detail::All);
    let drivers: Vec<String> = summary
        .life
        .spans
        .iter()
        .filter_map(|span| Some(span.driver.as_ref()?.to_string()))
        .take(4)
        .collect();
    let _ = what_if(&summary.life, &drivers);
    if summary.life.spans.len() % 8 != 1 {
        return;
    }
    let heading = Heading::default();
    for draw in [svg::svg, page::page, trace::trace] {
        let _ = draw(&summary.life, &heading);
    }
}

/// Reads a dmesg as a whole, and line by line.
fn lines(text: &str) {
    if let Ok(events) = dmesg::parse(text) {
        if !text.contains('\r') {
            assert_eq!(dmesg::parse(&text.replace('\n', "\r\n")), Ok(events));
        }
    }
    let mut parser = dmesg::Parser::default();
    for line in text.lines() {
        let _ = dmesg::message(line);
        if parser.line(line).is_err() {
            break;
        }
    }
}

/// Judges a recording, and writes it again.
fn again(text: &str) {
    let Ok(events) = recording::parse(text) else {
        return;
    };
    for event in &events {
        let _ = event.to_string();
    }
    for probing in [Probing::Once, Probing::Twice] {
        judge(&Life::new(events.clone(), probing));
    }
    // printk's lines are written without the task that printed them, and may have been anything.
    if events
        .iter()
        .all(|event| matches!(event.what, What::Recorded(_)))
    {
        assert_eq!(
            recording::parse(&recording::write("7.3.4", &events)),
            Ok(events)
        );
    }
}

fn printable(refusal: &Refusal) {
    let said = refusal.to_string();
    assert!(
        !said.is_empty() && !said.chars().any(char::is_control),
        "{said:?}"
    );
    assert!(!refusal.next().is_empty());
}
