// SPDX-License-Identifier: GPL-2.0

//! Logs in JSON: `dmesg --json`, `journalctl -o json` and its like, objects that have a console's
//! output in a string, and what LAVA keeps, which is YAML with a record of JSON in each line.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::{Deserializer, Value};

use super::journal::Entry;
use super::message::counts;
use super::number::seconds;
use super::prefix;
use super::refusal::{Clock, Reason, Refusal};
use crate::micros::Micros;

/// Whether the text is of this form.
pub(super) fn is_json(text: &str) -> bool {
    let text = text.trim_start_matches(['\u{1e}', ' ', '\n', '\r', '\t']);
    let text = text.strip_prefix("data: ").unwrap_or(text);
    // A line of the console may begin with a bracket, and `{` begins no line of the kernel's.
    text.starts_with("{\"")
        || text.starts_with("{\n")
        || text.starts_with("{ ")
        || text
            .strip_prefix('[')
            .is_some_and(|list| list.trim_start().starts_with(['{', '"']))
}

/// Whether each line is a record of LAVA's.
pub(super) fn is_lava(text: &str) -> bool {
    let first = text.lines().find(|line| !line.trim().is_empty());
    first.is_some_and(|line| line.starts_with("- {") && line.contains("msg"))
}

/// What a log in JSON has.
pub(super) enum Item<'a> {
    /// A message.
    Entry(Entry),
    /// A line of a console, and the number of the line that it is in.
    Line(usize, &'a str),
}

/// Hands out what a log in JSON has.
pub(super) fn read(text: &str, mut take: impl FnMut(Item<'_>)) -> Result<(), Refusal> {
    // `-o json-sse` puts `data: ` before each object, `-o json-seq` a record separator.
    let text = if text.contains('\u{1e}') || text.starts_with("data: ") {
        let lines = text.split_inclusive('\n');
        let lines = lines.map(|line| line.trim_start_matches('\u{1e}'));
        Cow::Owned(
            lines
                .map(|line| line.strip_prefix("data: ").unwrap_or(line))
                .collect(),
        )
    } else {
        Cow::Borrowed(text)
    };
    // The line that a place is in; the places come in order.
    let (mut line, mut last) = (1, 0);
    let mut line_of = |at: usize| {
        line += text[last..at].matches('\n').count();
        last = at;
        line
    };
    let mut values = Deserializer::from_str(&text).into_iter::<Value>();
    loop {
        let at = values.byte_offset();
        let Some(value) = values.next() else {
            return Ok(());
        };
        let value = value.map_err(|error| {
            let line = error.line().clamp(1, text.lines().count().max(1));
            let text = text.lines().nth(line - 1).unwrap_or_default();
            Refusal::of_line(line, Reason::Json(error.to_string()), text)
        })?;
        let from = at + text[at..].len() - text[at..].trim_start().len();
        let line = line_of(from);
        if let Value::Object(of) = &value {
            if let Some(Value::Array(messages)) = of.get("dmesg") {
                let keys = text[from..values.byte_offset()].match_indices("\"msg\"");
                let mut keys = keys.map(|(key, _)| from + key);
                let is_one = |message: &&Value| message.get("msg").is_some();
                for message in messages.iter().filter(is_one) {
                    let line = keys.next().map_or(line, &mut line_of);
                    take(Item::Entry(dmesg(message, line)));
                }
                continue;
            }
        }
        let values = match value {
            Value::Array(values) => values,
            value => vec![value],
        };
        for value in &values {
            items(value, line, &mut take);
        }
    }
}

/// What the output of a console is called: by Docker and collectors of logs for each line, by
/// clouds for all of it.
const OUTPUT: [&str; 13] = [
    "log",
    "Output",
    "output",
    "contents",
    "message",
    "msg",
    "MESSAGE",
    "short_message",
    "line",
    "_raw",
    "text",
    "textPayload",
    "log_excerpt",
];

/// Hands out what an object has: an entry of the journal, the output of a console, or other objects
/// in which it may be.
fn items(value: &Value, line: usize, take: &mut dyn FnMut(Item<'_>)) {
    // A collector of logs keeps the whole line of the console in the journal's field.
    let message = value.get("MESSAGE").and_then(Value::as_str);
    let is_line = message.is_some_and(|text| prefix::message(text).is_some());
    if value.get("MESSAGE").is_some() && !is_line {
        return take(Item::Entry(journal(value, line)));
    }
    let field = || OUTPUT.iter().find_map(|name| value.get(name)?.as_str());
    if let Some(output) = value.as_str().or_else(field) {
        for text in output.split('\n') {
            take(Item::Line(line, text));
        }
        return;
    }
    match value {
        Value::Object(of) => {
            // Whatever it is called, a text of several lines may be the output of a console.
            let is_word = |value: &Value| value.as_str().is_some_and(|text| !text.contains('\n'));
            for value in of.values().filter(|value| !is_word(value)) {
                items(value, line, take);
            }
        }
        Value::Array(of) => of.iter().for_each(|value| items(value, line, take)),
        _ => {}
    }
}

/// A message of `dmesg --json`.
fn dmesg(message: &Value, line: usize) -> Entry {
    let text = message["msg"].as_str();
    let time = match &message["time"] {
        // Six decimals, and fewer digits in all than a double has.
        Value::Number(number) => number.as_f64().and_then(from_seconds).ok_or(Clock::None),
        Value::String(time) => prefix::iso(&format!("{time} "))
            .map(|line| line.time)
            .or_else(|| seconds(time.trim()))
            .ok_or(Clock::Wall),
        _ => Err(Clock::None),
    };
    let caller = message["caller"].as_str().and_then(prefix::task);
    let is_kernel = message["fac"].as_str().is_none_or(|of| of == "kern");
    Entry {
        line,
        boot: None,
        iso: message["time"].is_string(),
        time,
        caller,
        text: text
            .filter(|text| counts(is_kernel, text))
            .unwrap_or_default()
            .to_owned(),
    }
}

fn from_seconds(seconds: f64) -> Option<Micros> {
    let micros = (seconds * 1e6).round();
    // Any time since boot is below 2^53 microseconds.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let time = (0.0..1e15)
        .contains(&micros)
        .then_some(Micros(micros as u64));
    time
}

/// An entry of the journal.
fn journal(entry: &Value, line: usize) -> Entry {
    let bytes = |name: &str| match entry.get(name)? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        // What is not UTF-8 comes as numbers.
        Value::Array(bytes) => {
            let bytes = bytes.iter().map(|byte| u8::try_from(byte.as_u64()?).ok());
            let bytes: Option<Vec<u8>> = bytes.collect();
            Some(String::from_utf8_lossy(&bytes?).into_owned())
        }
        _ => None,
    };
    Entry::of(line, bytes)
}

/// Hands out what the device has printed, with the number of the line.
pub(super) fn lava(text: &str, mut take: impl FnMut(usize, &str)) -> Result<(), Refusal> {
    #[derive(Deserialize)]
    struct Record {
        lvl: String,
        msg: Value,
    }
    for (number, line) in (1..).zip(text.lines()) {
        let Some(record) = line.strip_prefix("- ") else {
            continue;
        };
        // Old versions wrote it as YAML does, with single quotation marks.
        let record: Record = serde_json::from_str(record)
            .or_else(|error| serde_json::from_str(&requoted(record)).map_err(|_| error))
            .map_err(|error| Refusal::of_line(number, Reason::Json(error.to_string()), line))?;
        // Feedback is what the device prints while LAVA is about another one.
        if let ("target" | "feedback", Value::String(msg)) = (record.lvl.as_str(), &record.msg) {
            for line in msg.split('\n') {
                take(number, line);
            }
        }
    }
    Ok(())
}

/// `{dt: '2026-01-04T12:00:03.100', lvl: target, msg: 'it''s'}` as JSON.
fn requoted(record: &str) -> String {
    let field = |key: &str| {
        let (_, rest) = record.split_once(&format!("{key}: "))?;
        let Some(quoted) = rest.strip_prefix('\'') else {
            return Some(match rest.strip_prefix('"') {
                Some(_) => {
                    let mut values = Deserializer::from_str(rest).into_iter::<String>();
                    values.next()?.ok()?
                }
                None => rest.split([',', '}']).next()?.to_owned(),
            });
        };
        let doubled = quoted.replace("''", "\u{1}");
        Some(doubled.split_once('\'')?.0.replace('\u{1}', "'"))
    };
    let fields = [("lvl", field("lvl")), ("msg", field("msg"))];
    let object: serde_json::Map<_, _> = fields
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), Value::String(value?))))
        .collect();
    Value::Object(object).to_string()
}
