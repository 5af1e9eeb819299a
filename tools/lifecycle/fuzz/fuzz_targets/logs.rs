// SPDX-License-Identifier: GPL-2.0

//! Fuzzes what reads files, and what is made of a log that has been read. `make fuzz` runs it.
//!
//! Whatever is refused is refused at a line that is there, in words that a terminal can print.
//! Whatever is read has events, and reads the same again, with carriage returns, and behind what a
//! program for serial lines puts before each. No span ends before it begins. There are a report, a
//! what-if and pictures of it, the laws judge it, it has no difference to itself, and a recording
//! that is written again reads the same. Each text is read as it is, without one of its lines, with
//! two lines swapped and cut off: four inputs. What is made of a log takes more time
//! than reading it: that is done for one text in eight, and the pictures for one in 64.

#![no_main]

use std::hash::{DefaultHasher, Hasher};

use libfuzzer_sys::fuzz_target;
use lifecycle::diff::{Diff, Facts};
use lifecycle::laws::judge;
use lifecycle::parse::log::Log;
use lifecycle::parse::refusal::Refusal;
use lifecycle::parse::{bytes, dmesg, log, recording};
use lifecycle::report::log::Detail;
use lifecycle::report::{log as of_log, what_if as of_what_if};
use lifecycle::simulate::what_if;
use lifecycle::summary::Summary;
use lifecycle::{Life, Probing, What};
use timeline::{page, svg, trace, Heading};

fuzz_target!(|input: &[u8]| {
    let mut hasher = DefaultHasher::new();
    hasher.write(input);
    let nth = hasher.finish();
    let text = match bytes::text(input.to_vec()) {
        Ok(text) => text,
        Err(refusal) => {
            printable(&refusal);
            String::from_utf8_lossy(input).into_owned()
        }
    };
    read(&text, nth);
    for other in others(&text, nth as usize) {
        checked(&other);
    }
    // A fuzzer does not guess checksums.
    if text.starts_with(recording::FIRST) {
        let end = text.rfind("# lifecycle: end").unwrap_or(text.len());
        let sealed = recording::seal(text[..end].to_owned());
        read(&sealed, nth);
        if nth % 8 == 0 {
            again(&sealed);
        }
    }
});

/// The text without one of its lines, with two lines swapped, and cut off.
fn others(text: &str, nth: usize) -> [String; 3] {
    let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
    let (one, other) = (nth % lines.len().max(1), nth / 64 % lines.len().max(1));
    let mut cut = nth % text.len().max(1);
    while !text.is_char_boundary(cut) {
        cut -= 1;
    }
    let mut without = lines.clone();
    without.drain(one..lines.len().min(one + 1));
    if !lines.is_empty() {
        lines.swap(one, other);
    }
    [without.concat(), lines.concat(), text[..cut].to_owned()]
}

/// Reads a log of whatever kind, and does with it what the commands of probe-analyze do.
fn read(text: &str, nth: u64) {
    if let Some(log) = checked(text).filter(|_| nth % 8 == 0) {
        lines(text);
        assert_eq!(log::parse(text, None).as_ref(), Ok(&log));
        commands(&Summary::of("log", log), nth % 64 == 0);
        let _ = log::parse(text, Some(1)).map_err(|refusal| printable(&refusal));
    }
}

/// Reads a log, or looks at why it is refused.
fn checked(text: &str) -> Option<Log> {
    match log::parse(text, None) {
        Ok(log) => {
            assert!(!log.events.is_empty());
            Some(log)
        }
        Err(refusal) => {
            printable(&refusal);
            let lines = text.lines().count().max(1);
            assert!(refusal.line.is_none_or(|line| line <= lines));
            None
        }
    }
}

fn commands(summary: &Summary, draws: bool) {
    let spans = &summary.life.spans;
    assert!(spans
        .iter()
        .all(|span| span.end.is_none_or(|end| span.begin <= end)));
    let _ = of_log::report(summary, Detail::All);
    assert_eq!(Diff::of(Facts::of(summary), Facts::of(summary)).changes, []);
    let answer = what_if(&summary.life, &[]);
    let _ = of_what_if::report(summary, &answer, Detail::All);
    let drivers = spans
        .iter()
        .filter_map(|span| Some(span.driver.as_ref()?.to_string()));
    let _ = what_if(&summary.life, &drivers.take(4).collect::<Vec<_>>());
    if !draws {
        return;
    }
    let heading = Heading::default();
    for draw in [svg::svg, page::page, trace::trace] {
        let _ = draw(&summary.life, &heading);
    }
}

/// Reads a dmesg as a whole, in other forms, and line by line.
fn lines(text: &str) {
    if let Ok(events) = dmesg::parse(text) {
        if !text.contains('\r') {
            assert_eq!(
                dmesg::parse(&text.replace('\n', "\r\n")).as_ref(),
                Ok(&events)
            );
        }
        if text.lines().all(|line| line.starts_with('[')) {
            let stamped = text.lines().map(|line| format!("[06:43:01.123] {line}\n"));
            assert_eq!(dmesg::parse(&stamped.collect::<String>()), Ok(events));
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
