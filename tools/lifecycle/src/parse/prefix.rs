// SPDX-License-Identifier: GPL-2.0

//! What stands before the text of a line.

use super::number::{digits, number, seconds};
use crate::micros::Micros;

/// A record of `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`).
pub(super) struct Record<'a> {
    pub(super) number: u64,
    pub(super) time: Micros,
    /// The task that printed it, with `CONFIG_PRINTK_CALLER`.
    pub(super) caller: Option<u32>,
    pub(super) text: &'a str,
}

impl<'a> Record<'a> {
    /// `<priority>,<sequence number>,<time in us>,<flags>[,<more>];<text>`
    pub(super) fn split(line: &'a str) -> Option<Self> {
        let (head, text) = line.split_once(';')?;
        let mut fields = head.split(',');
        number::<u32>(fields.next()?)?;
        let record = Self {
            number: number(fields.next()?)?,
            time: Micros(number(fields.next()?)?),
            caller: None,
            text,
        };
        let _flags = fields.next()?;
        let caller = fields.find_map(|field| task(field.strip_prefix("caller=")?));
        Some(Self { caller, ..record })
    }
}

/// Undoes the escapes of `/dev/kmsg`: `\xNN` for what is not printable ASCII and for the backslash.
pub(super) fn unescape(text: &str) -> String {
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

/// A line of the console or of `dmesg`, with the time that printk gave it.
pub(super) struct Line<'a> {
    pub(super) time: Micros,
    /// The task that printed it, with `CONFIG_PRINTK_CALLER`.
    pub(super) caller: Option<u32>,
    pub(super) text: &'a str,
}

impl<'a> Line<'a> {
    /// `[<6>][   12.345678][[  T123]] text`, as the console and `dmesg` print it, also after what
    /// `dmesg --decode` or a syslog daemon puts before it.
    pub(super) fn split(line: &'a str) -> Option<Self> {
        let line = match line.strip_prefix('<') {
            Some(raw) => raw.split_once('>')?.1,
            None => &line[before(line)..],
        };
        let (time, rest) = line.strip_prefix('[')?.split_once(']')?;
        let time = seconds(time.trim_start_matches(' '))?;

        let (caller, rest) = match caller(rest.strip_prefix(' ').unwrap_or(rest)) {
            Some((caller, rest)) => (caller, rest),
            None => (None, rest),
        };
        Some(Self {
            time,
            caller,
            text: rest.strip_prefix(' ').unwrap_or(rest),
        })
    }
}

/// The length of what `dmesg --decode` (`kern  :info  : `) or a syslog daemon
/// (`Nov 22 06:43:01 host kernel: `) puts before printk's timestamp.
fn before(line: &str) -> usize {
    const DAEMON: &str = " kernel: ";
    let Some(at) = line.find(": [").map(|at| at + 2) else {
        return 0;
    };
    let head = &line[..at];
    let decoded = head
        .strip_suffix(": ")
        .and_then(|head| head.split_once(':'));
    let decoded = decoded.is_some_and(|(facility, level)| {
        let word = |text: &str| {
            let text = text.trim_end_matches(' ');
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase())
        };
        word(facility) && word(level)
    });
    let from_a_daemon = head.ends_with(DAEMON) && !head.contains('[');
    if decoded || from_a_daemon {
        at
    } else {
        0
    }
}

/// Takes the caller's column off: `[  T123]` for a task, `[    C0]` for an interrupt on a CPU.
fn caller(rest: &str) -> Option<(Option<u32>, &str)> {
    let (column, rest) = rest.strip_prefix('[')?.split_once(']')?;
    let column = column.trim_start_matches(' ');
    digits::<u64>(column.strip_prefix(['T', 'C'])?).map(|_| (task(column), rest))
}

/// The number of the task, if it is one.
fn task(caller: &str) -> Option<u32> {
    digits(caller.strip_prefix('T')?)
}
