// SPDX-License-Identifier: GPL-2.0

//! The records of `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`), and of netconsole's extended
//! form (`Documentation/networking/netconsole.rst`).

use super::message::counts;
use super::number::{number, since_boot};
use super::prefix::task;
use super::refusal::Reason;
use crate::micros::Micros;

/// A record.
pub(super) struct Record<'a> {
    number: u64,
    time: Micros,
    /// The task that printed it, with `CONFIG_PRINTK_CALLER`.
    caller: Option<u32>,
    /// Where the text belongs in that of the whole record, and how long that is.
    fragment: Option<(usize, usize)>,
    /// The priority is the facility times eight and the level, and the kernel's facility is 0.
    is_kernel: bool,
    text: &'a str,
}

impl<'a> Record<'a> {
    /// `[<release>,]<priority>,<sequence number>,<time in us>,<flags>[,<more>];<text>`
    ///
    /// Programs such as ts put a time and a blank before it.
    pub(super) fn split(line: &'a str) -> Option<Self> {
        let (head, text) = line.split_once(';')?;
        let head = head.rsplit_once(' ').map_or(head, |(_, head)| head);
        let mut fields = head.split(',').peekable();
        // netconsole puts the release before it, if it is told to.
        if fields.peek()?.contains('.') {
            fields.next();
        }
        let priority: u32 = number(fields.next()?)?;
        let mut record = Self {
            number: number(fields.next()?)?,
            time: since_boot(Micros(number(fields.next()?)?))?,
            caller: None,
            fragment: None,
            is_kernel: priority < 8,
            text,
        };
        let _flags = fields.next()?;
        for field in fields {
            if let Some(caller) = field.strip_prefix("caller=") {
                record.caller = task(caller);
            } else if let Some(fragment) = field.strip_prefix("ncfrag=") {
                let (at, length) = fragment.split_once('/')?;
                record.fragment = Some((number(at)?, number(length)?));
            }
        }
        Some(record)
    }
}

/// A message of the kernel's, whole.
pub(super) struct Message {
    pub(super) time: Micros,
    pub(super) caller: Option<u32>,
    pub(super) text: String,
}

/// Reads records one after the other: each has a number, so none can be missing unnoticed.
#[derive(Clone, Debug, Default)]
pub(super) struct Records {
    next: Option<u64>,
    /// The text so far of a record that comes in fragments.
    begun: String,
}

impl Records {
    /// Whether there has been a record: then all lines have to be.
    pub(super) fn begun(&self) -> bool {
        self.next.is_some()
    }

    /// Takes the next record, and returns its message if it is whole and counts.
    pub(super) fn take(&mut self, record: &Record<'_>) -> Result<Option<Message>, Reason> {
        let banner = record.text.starts_with("Linux version ");
        let goes_on = record.fragment.is_some_and(|(at, _)| at > 0);
        let expected = match (goes_on, self.next) {
            // The numbers begin anew with each boot.
            (_, None) => None,
            (false, Some(next)) if banner && record.number < next => None,
            (false, Some(next)) => Some(next),
            (true, Some(next)) => Some(next.saturating_sub(1)),
        };
        if let Some(expected) = expected.filter(|expected| *expected != record.number) {
            return Err(Reason::Gap {
                expected,
                found: record.number,
            });
        }
        if !goes_on && !self.begun.is_empty() {
            return Err(Reason::Fragment);
        }
        self.next = record.number.checked_add(1);
        let text = match record.fragment {
            None => unescape(record.text),
            Some((at, length)) => {
                if at != self.begun.len() {
                    return Err(Reason::Fragment);
                }
                self.begun.push_str(record.text);
                if self.begun.len() < length {
                    return Ok(None);
                }
                unescape(&std::mem::take(&mut self.begun))
            }
        };
        Ok(counts(record.is_kernel, &text).then_some(Message {
            time: record.time,
            caller: record.caller,
            text,
        }))
    }
}

/// Undoes the escapes of `/dev/kmsg`: `\xNN` for what is not printable ASCII and for the backslash.
fn unescape(text: &str) -> String {
    if !text.contains('\\') {
        return text.to_owned();
    }
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&byte, tail)) = rest.split_first() {
        if let [b'\\', b'x', high, low, tail @ ..] = rest {
            if let (Some(high), Some(low)) = (hex(*high), hex(*low)) {
                bytes.push(high << 4 | low);
                rest = tail;
                continue;
            }
        }
        bytes.push(byte);
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}
