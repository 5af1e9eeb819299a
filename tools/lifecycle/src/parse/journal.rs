// SPDX-License-Identifier: GPL-2.0

//! The journal's own forms: `journalctl -o export` and `-o verbose`.
//!
//! Only the field `_SOURCE_MONOTONIC_TIMESTAMP` has printk's time (`dev_kmsg_record()` of journald
//! takes it from `/dev/kmsg`). All other times are of when journald read the line: many lines of an
//! early boot at once.

use super::message::is_loss;
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

/// The fields of an entry that count.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) transport: Option<String>,
    pub(super) identifier: Option<String>,
    pub(super) boot: Option<String>,
    pub(super) source: Option<String>,
    pub(super) message: Option<String>,
}

impl Fields {
    pub(super) fn entry(self, line: usize) -> Entry {
        let is_kernel = match &self.transport {
            Some(transport) => transport == "kernel",
            // Without the field, as `--output-fields` may have left it out.
            None => self.identifier.is_none_or(|of| of == "kernel"),
        };
        let text = self.message.filter(|text| is_kernel || is_loss(text));
        Entry {
            line,
            boot: self.boot,
            iso: false,
            time: self
                .source
                .and_then(|source| digits(&source))
                .and_then(|time| since_boot(Micros(time)))
                .ok_or(Clock::Journal),
            caller: None,
            text: text.unwrap_or_default(),
        }
    }

    fn set(&mut self, name: &str, value: String) {
        let field = match name {
            "_TRANSPORT" => &mut self.transport,
            "SYSLOG_IDENTIFIER" => &mut self.identifier,
            "_BOOT_ID" => &mut self.boot,
            "_SOURCE_MONOTONIC_TIMESTAMP" => &mut self.source,
            "MESSAGE" => &mut self.message,
            _ => return,
        };
        *field = Some(value);
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
    let mut fields = Fields::default();
    let mut first = None;
    let mut lines = (1..).zip(text.lines());
    while let Some((number, line)) = lines.next() {
        if line.is_empty() {
            if let Some(first) = first.take() {
                take(std::mem::take(&mut fields).entry(first));
            }
            continue;
        }
        first.get_or_insert(number);
        if let Some((name, value)) = line.split_once('=') {
            fields.set(name, value.to_owned());
        } else if line == "MESSAGE" {
            // The zeros in the length have become the end of a line.
            lines.next();
            if let Some((_, value)) = lines.next() {
                fields.set(line, value.to_owned());
            }
        }
    }
    if let Some(first) = first {
        take(fields.entry(first));
    }
}

/// Hands out the entries.
pub(super) fn verbose(text: &str, mut take: impl FnMut(Entry)) {
    let mut fields = Fields::default();
    let mut first = None;
    for (number, line) in (1..).zip(text.lines()) {
        let Some(field) = line.strip_prefix("    ") else {
            if let Some(first) = first.take() {
                take(std::mem::take(&mut fields).entry(first));
            }
            first = line.contains(" [s=").then_some(number);
            continue;
        };
        if let Some((name, value)) = field.split_once('=') {
            fields.set(name, value.to_owned());
        }
    }
    if let Some(first) = first {
        take(fields.entry(first));
    }
}
