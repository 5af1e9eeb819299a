// SPDX-License-Identifier: GPL-2.0

//! The journal's own forms: `journalctl -o export` and `-o verbose`.
//!
//! Only the field `_SOURCE_MONOTONIC_TIMESTAMP` has printk's time (`dev_kmsg_record()` of journald
//! takes it from `/dev/kmsg`). All other times are of when journald read the line: many lines of an
//! early boot at once.

use std::collections::HashMap;

use super::message::{counts, is_loss};
use super::number::{digits, since_boot};
use super::refusal::Clock;
use crate::micros::Micros;

/// A message with what is known of it.
#[derive(Debug)]
pub(super) struct Entry {
    /// The line that it begins in.
    pub(super) line: usize,
    /// The boot that it is of.
    pub(super) boot: Option<String>,
    /// The times are of a calendar: printk's with the same added to each.
    pub(super) iso: bool,
    /// printk's time, or the clock that was there instead.
    pub(super) time: Result<Micros, Clock>,
    pub(super) caller: Option<u32>,
    pub(super) text: String,
}

impl Entry {
    /// The entry that has these fields, and begins in this line.
    pub(super) fn of(line: usize, field: impl Fn(&str) -> Option<String>) -> Self {
        let (is_of_buffer, is_kernel) = match field("_TRANSPORT") {
            // The kernel's buffer has what others write to /dev/kmsg, too.
            Some(transport) => (
                transport == "kernel",
                field("SYSLOG_FACILITY").is_none_or(|of| of == "0"),
            ),
            // Without the field, as `--output-fields` may have left it out.
            None => (
                field("SYSLOG_IDENTIFIER").is_none_or(|of| of == "kernel"),
                true,
            ),
        };
        let text = field("MESSAGE")
            .filter(|text| is_of_buffer && counts(is_kernel, text) || is_loss(text));
        Self {
            line,
            boot: field("_BOOT_ID"),
            iso: false,
            time: field("_SOURCE_MONOTONIC_TIMESTAMP")
                .and_then(|source| digits(&source))
                .and_then(|time| since_boot(Micros(time)))
                .ok_or(Clock::Journal),
            caller: None,
            text: text.unwrap_or_default(),
        }
    }

    fn of_fields(line: usize, fields: &HashMap<&str, &str>) -> Self {
        Self::of(line, |name| Some((*fields.get(name)?).to_owned()))
    }
}

/// Whether the text is of `journalctl -o export`.
pub(super) fn is_export(text: &str) -> bool {
    text.starts_with("__CURSOR=") || text.starts_with("__REALTIME_TIMESTAMP=")
}

/// Whether the text is of `journalctl -o verbose`: a head such as
/// `Sun 2026-11-22 06:43:01.123456 UTC [s=...;i=...]`, then the fields.
pub(super) fn is_verbose(text: &str) -> bool {
    let mut lines = text
        .lines()
        .skip_while(|line| line.starts_with("-- ") || line.is_empty());
    let head = lines
        .next()
        .is_some_and(|line| line.contains(" [s=") && line.ends_with(']'));
    head && lines.next().is_some_and(|line| line.starts_with("    "))
}

/// Hands out the entries. A field whose value has a line feed or a control character comes with its
/// length in binary, eight bytes of which most are zero.
pub(super) fn export(text: &str, mut take: impl FnMut(Entry)) {
    let mut fields = HashMap::new();
    let mut first = None;
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if line.is_empty() {
            if let Some(first) = first.take() {
                take(Entry::of_fields(first, &fields));
                fields.clear();
            }
            continue;
        }
        first.get_or_insert(number);
        if let Some((name, value)) = line.split_once('=') {
            fields.insert(name, value);
        } else if line == "MESSAGE" {
            // The zeros in the length have become the end of a line.
            lines.next();
            fields.extend(lines.next().map(|(_, value)| (line, value)));
        }
    }
    if let Some(first) = first {
        take(Entry::of_fields(first, &fields));
    }
}

/// Hands out the entries.
pub(super) fn verbose(text: &str, mut take: impl FnMut(Entry)) {
    let mut fields = HashMap::new();
    let mut first = None;
    for (number, line) in (1..).zip(text.lines()) {
        if let Some(field) = line.strip_prefix("    ") {
            fields.extend(field.split_once('='));
            continue;
        }
        if let Some(first) = first.take() {
            take(Entry::of_fields(first, &fields));
            fields.clear();
        }
        first = line.contains(" [s=").then_some(number);
    }
    if let Some(first) = first {
        take(Entry::of_fields(first, &fields));
    }
}
