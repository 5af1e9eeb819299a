// SPDX-License-Identifier: GPL-2.0

//! Fuzzes what reads files: bytes to text, text to events.
//!
//! `make fuzz` runs it, with cargo-fuzz (`cargo install cargo-fuzz`) on a stable toolchain.
//!
//! Whatever is read has events, and reads the same with carriage returns; whatever is refused is
//! refused at a line that is there, in words that a terminal can print.

#![no_main]

use libfuzzer_sys::fuzz_target;
use lifecycle::parse::refusal::Refusal;
use lifecycle::parse::{bytes, dmesg, log, recording};

fuzz_target!(|input: &[u8]| {
    let text = match bytes::text(input.to_vec()) {
        Ok(text) => text,
        Err(refusal) => {
            printable(&refusal);
            String::from_utf8_lossy(input).into_owned()
        }
    };
    for boot in [None, Some(1)] {
        match log::parse(&text, boot) {
            Ok(log) => assert!(!log.events.is_empty()),
            Err(refusal) => {
                printable(&refusal);
                assert!(refusal
                    .line
                    .is_none_or(|line| line <= text.lines().count().max(1)));
            }
        }
    }
    if let Ok(events) = dmesg::parse(&text) {
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
    // A fuzzer does not guess checksums.
    if text.starts_with(recording::FIRST) {
        let end = text.rfind("# lifecycle: end").unwrap_or(text.len());
        let _ = recording::parse(&recording::seal(text[..end].to_owned()));
    }
});

fn printable(refusal: &Refusal) {
    let said = refusal.to_string();
    assert!(
        !said.is_empty() && !said.chars().any(char::is_control),
        "{said:?}"
    );
    assert!(!refusal.next().is_empty());
}
