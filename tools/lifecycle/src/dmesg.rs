// SPDX-License-Identifier: GPL-2.0

//! The parser of the dmesg interface v1 (`Documentation/dmesg-timing.rst`).
//!
//! It reads what `dmesg` and the console print, `[   12.345678] text`, with the caller's column of
//! `CONFIG_PRINTK_CALLER` or without, and the records of `/dev/kmsg`, `6,339,12345678,-;text`.
//!
//! Lines of others are ignored. A line of ours that it does not understand is an error, never
//! skipped: a log is either understood or refused. So is a log of which something is known to be
//! missing: a last line without its end, a gap in the sequence numbers of `/dev/kmsg`, or a
//! console that says that it dropped lines.

use std::str::FromStr;

use crate::event::{Call, KERNEL_PREFIX, USER_PREFIX};
use crate::{Event, Micros, ProbeType, What};

/// Why a log was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}: `{text}`")]
pub struct Error {
    /// Number of the line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: Reason,
    /// The line.
    pub text: String,
}

/// What can be wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The log ends in the middle of a line.
    #[error("the line is cut off")]
    CutOff,
    /// A line of ours carries no timestamp (`printk.time=0`).
    #[error("the line has no timestamp")]
    NoTime,
    /// The first word after the prefix names no event.
    #[error("unknown event `{0}`")]
    UnknownEvent(String),
    /// A key is missing, or not where it belongs.
    #[error("expected `{0}=` here")]
    Expected(&'static str),
    /// A value is not what its key calls for.
    #[error("`{key}={value}` is not {expected}")]
    BadValue {
        /// The key.
        key: &'static str,
        /// Its value.
        value: String,
        /// What the value should have been.
        expected: &'static str,
    },
    /// The line goes on after its last key.
    #[error("`{0}` follows the last key")]
    Trailing(String),
    /// Records of `/dev/kmsg` are missing.
    #[error("records are missing: expected number {expected}, found {found}")]
    Gap {
        /// The sequence number that should have come.
        expected: u64,
        /// The sequence number that came.
        found: u64,
    },
    /// The console dropped lines.
    #[error("the console dropped lines")]
    Dropped,
    /// Amid records of `/dev/kmsg`, a line that is none.
    #[error("not a record of /dev/kmsg")]
    NotARecord,
}

/// Reads a log line by line.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    line: usize,
    next_record: Option<u64>,
}

/// Reads a whole log.
///
/// # Errors
///
/// The first line that is wrong.
pub fn parse(log: &str) -> Result<Vec<Event>, Error> {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for line in log.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => events.extend(parser.line(line)?),
            None => {
                return Err(Error {
                    line: parser.line + 1,
                    reason: Reason::CutOff,
                    text: line.to_owned(),
                })
            }
        }
    }
    Ok(events)
}

impl Parser {
    /// Reads the next line, given without its line feed, and returns its event if it is of ours.
    ///
    /// # Errors
    ///
    /// What is wrong with the line.
    pub fn line(&mut self, line: &str) -> Result<Option<Event>, Error> {
        self.line += 1;
        self.read(line).map_err(|reason| Error {
            line: self.line,
            reason,
            text: line.to_owned(),
        })
    }

    fn read(&mut self, line: &str) -> Result<Option<Event>, Reason> {
        // A serial console ends its lines with a carriage return too.
        let line = line.strip_suffix('\r').unwrap_or(line);

        if let Some(record) = Record::split(line) {
            if let Some(expected) = self.next_record.filter(|next| *next != record.number) {
                return Err(Reason::Gap {
                    expected,
                    found: record.number,
                });
            }
            self.next_record = record.number.checked_add(1);
            return event(Some(record.time), &unescape(record.text));
        }
        if self.next_record.is_some() {
            // The properties of a record follow it, each on a line that starts with a space.
            return if line.starts_with(' ') {
                Ok(None)
            } else {
                Err(Reason::NotARecord)
            };
        }

        let (time, text) = match split_timestamp(line) {
            Some((time, text)) => (Some(time), text),
            None => (None, line),
        };
        if line.starts_with("** ") && line.ends_with(" printk messages dropped **") {
            return Err(Reason::Dropped);
        }
        event(time, text)
    }
}

/// A record of `/dev/kmsg` (`Documentation/ABI/testing/dev-kmsg`).
struct Record<'a> {
    number: u64,
    time: Micros,
    text: &'a str,
}

impl<'a> Record<'a> {
    /// `<priority>,<sequence number>,<time in us>,<flags>[,<more>];<text>`
    fn split(line: &'a str) -> Option<Self> {
        let (head, text) = line.split_once(';')?;
        let mut fields = head.split(',');
        number::<u32>(fields.next()?)?;
        let record = Self {
            number: number(fields.next()?)?,
            time: Micros(number(fields.next()?)?),
            text,
        };
        fields.next().map(|_flags| record)
    }
}

/// Undoes the escapes of `/dev/kmsg`: `\xNN` for what is not printable ASCII and for the backslash.
fn unescape(text: &str) -> String {
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

/// `[<6>][   12.345678][[  T123]] text`, as the console and `dmesg` print it.
fn split_timestamp(line: &str) -> Option<(Micros, &str)> {
    let line = match line.strip_prefix('<') {
        Some(raw) => raw.split_once('>')?.1,
        None => line,
    };
    let (time, rest) = line.strip_prefix('[')?.split_once(']')?;
    let (seconds, micros) = time.trim_start_matches(' ').split_once('.')?;
    let seconds: u64 = digits(seconds)?;
    let micros: u64 = digits(micros).filter(|_| micros.len() == 6)?;
    let time = seconds.checked_mul(1_000_000)?.checked_add(micros)?;

    let rest = match caller(rest.strip_prefix(' ').unwrap_or(rest)) {
        Some(rest) => rest,
        None => rest,
    };
    Some((Micros(time), rest.strip_prefix(' ').unwrap_or(rest)))
}

/// Takes the caller's column off: `[  T123]` for a task, `[    C0]` for an interrupt on a CPU.
fn caller(rest: &str) -> Option<&str> {
    let (column, rest) = rest.strip_prefix('[')?.split_once(']')?;
    let id = column.trim_start_matches(' ').strip_prefix(['T', 'C'])?;
    digits::<u64>(id).map(|_| rest)
}

/// The event of a line, if it is of ours.
pub(crate) fn event(time: Option<Micros>, text: &str) -> Result<Option<Event>, Reason> {
    let what = if let Some(text) = text.strip_prefix(KERNEL_PREFIX) {
        kernel_event(text)?
    } else if let Some(text) = text.strip_prefix(USER_PREFIX) {
        user_event(text)?
    } else {
        return Ok(None);
    };
    let time = time.ok_or(Reason::NoTime)?;
    Ok(Some(Event { time, what }))
}

/// The text of an event of the kernel side, without its prefix.
fn kernel_event(text: &str) -> Result<What, Reason> {
    let (word, mut keys) = Keys::of(text);
    let what = match word {
        "registered" => What::Registered {
            driver: keys.name("driver")?,
            probe_type: keys.probe_type()?,
            ret: keys.ret()?,
            took: keys.ms()?,
        },
        "probe_began" => {
            return Ok(What::ProbeBegan {
                device: keys.name("dev")?,
                driver: keys.name("driver")?,
                asynchronous: keys.flag("async")?,
                cpu: keys.number("cpu")?,
                pid: keys.number("pid")?,
                task: keys.tail("task")?,
            })
        }
        "firmware_arrived" => What::FirmwareArrived {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
            bytes: keys.number("bytes")?,
            ret: keys.ret()?,
            took: keys.ms()?,
        },
        "probe_ended" => What::ProbeEnded {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
            ret: keys.ret()?,
            took: keys.ms()?,
        },
        "ready" => What::Ready {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
            ret: keys.ret()?,
            took: keys.ms()?,
        },
        "removing" => What::Removing {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
        },
        "unbound" => What::Unbound {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
        },
        "devres_released" => What::DevresReleased {
            device: keys.name("dev")?,
            driver: keys.name("driver")?,
        },
        "unregistered" => What::Unregistered {
            driver: keys.name("driver")?,
            took: keys.ms()?,
        },
        word => return Err(Reason::UnknownEvent(word.to_owned())),
    };
    keys.end().map(|()| what)
}

/// The text of an event of userspace, without its prefix.
fn user_event(text: &str) -> Result<What, Reason> {
    let (word, mut keys) = Keys::of(text);
    let what = match word {
        "call_began" => What::CallBegan {
            call: keys.call()?,
            on: keys.name("on")?,
            pid: keys.number("pid")?,
        },
        "call_returned" => What::CallReturned {
            call: keys.call()?,
            on: keys.name("on")?,
            pid: keys.number("pid")?,
            ret: keys.ret()?,
        },
        word => return Err(Reason::UnknownEvent(word.to_owned())),
    };
    keys.end().map(|()| what)
}

/// The `key=value` pairs of a line, one space between them.
struct Keys<'a>(Option<&'a str>);

impl<'a> Keys<'a> {
    /// Splits the first word off.
    fn of(text: &'a str) -> (&'a str, Self) {
        match text.split_once(' ') {
            Some((word, rest)) => (word, Self(Some(rest))),
            None => (text, Self(None)),
        }
    }

    /// The value of the next key and all that follows.
    fn rest(&mut self, key: &'static str) -> Result<&'a str, Reason> {
        self.0
            .take()
            .and_then(|rest| rest.strip_prefix(key)?.strip_prefix('='))
            .ok_or(Reason::Expected(key))
    }

    /// The value of the next key, whatever it is.
    fn value(&mut self, key: &'static str) -> Result<&'a str, Reason> {
        let rest = self.rest(key)?;
        match rest.split_once(' ') {
            Some((value, rest)) => {
                self.0 = Some(rest);
                Ok(value)
            }
            None => Ok(rest),
        }
    }

    /// The value of the next key if `read` understands it.
    fn parsed<T>(
        &mut self,
        key: &'static str,
        expected: &'static str,
        read: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, Reason> {
        let value = self.value(key)?;
        read(value).ok_or_else(|| Reason::BadValue {
            key,
            value: value.to_owned(),
            expected,
        })
    }

    fn name(&mut self, key: &'static str) -> Result<String, Reason> {
        self.parsed(key, "a name", |value| {
            (!value.is_empty()).then(|| value.to_owned())
        })
    }

    fn number<T: FromStr>(&mut self, key: &'static str) -> Result<T, Reason> {
        self.parsed(key, "a number in range", number)
    }

    fn flag(&mut self, key: &'static str) -> Result<bool, Reason> {
        self.parsed(key, "0 or 1", |value| match value {
            "0" => Some(false),
            "1" => Some(true),
            _ => None,
        })
    }

    fn ret(&mut self) -> Result<i32, Reason> {
        self.parsed("ret", "0 or a negative errno", |value| match value {
            "0" => Some(0),
            // Through i64, so that the lowest number is in range too.
            value => number::<i64>(value.strip_prefix('-')?)
                .filter(|errno| *errno != 0)
                .and_then(|errno| i32::try_from(-errno).ok()),
        })
    }

    fn ms(&mut self) -> Result<Micros, Reason> {
        self.parsed("ms", "milliseconds with three decimals", |value| {
            let (millis, micros) = value.split_once('.')?;
            let millis: u64 = number(millis)?;
            let micros: u64 = digits(micros).filter(|_| micros.len() == 3)?;
            millis.checked_mul(1000)?.checked_add(micros).map(Micros)
        })
    }

    fn probe_type(&mut self) -> Result<ProbeType, Reason> {
        self.parsed("probe_type", "a probe type", |value| value.parse().ok())
    }

    fn call(&mut self) -> Result<Call, Reason> {
        self.parsed("call", "a call", |value| {
            Call::ALL.into_iter().find(|call| call.name() == value)
        })
    }

    /// The value of the last key, which may contain spaces.
    fn tail(mut self, key: &'static str) -> Result<String, Reason> {
        self.rest(key).map(str::to_owned)
    }

    /// Nothing follows.
    fn end(self) -> Result<(), Reason> {
        match self.0 {
            Some(rest) => Err(Reason::Trailing(rest.to_owned())),
            None => Ok(()),
        }
    }
}

/// Decimal digits and nothing else.
pub(crate) fn digits<T: FromStr>(text: &str) -> Option<T> {
    let all = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

/// A number as `%u` prints it: no sign, no leading zero.
fn number<T: FromStr>(text: &str) -> Option<T> {
    (text == "0" || !text.starts_with('0'))
        .then(|| digits(text))
        .flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(line: &str) -> Result<Option<Event>, Reason> {
        Parser::default().line(line).map_err(|error| error.reason)
    }

    const ENDED: &str = "async_probe: timing: probe_ended dev=d.0 driver=d ret=-2 ms=0.417";

    fn ended(time: u64) -> Event {
        Event {
            time: Micros(time),
            what: What::ProbeEnded {
                device: "d.0".to_owned(),
                driver: "d".to_owned(),
                ret: -2,
                took: Micros(417),
            },
        }
    }

    #[test]
    fn every_prefix_of_the_console() {
        for prefix in [
            "[   12.345678] ",
            "[12.345678] ",
            "[   12.345678][  T123] ",
            "[   12.345678][    C0] ",
            "[   12.345678] [  T123] ",
            "<6>[   12.345678] ",
            "6,339,12345678,-;",
            "6,339,12345678,-,caller=T1;",
        ] {
            assert_eq!(
                one(&format!("{prefix}{ENDED}")),
                Ok(Some(ended(12_345_678))),
                "{prefix}"
            );
            assert_eq!(
                one(&format!("{prefix}{ENDED}\r")),
                Ok(Some(ended(12_345_678))),
                "{prefix} with a carriage return"
            );
        }
    }

    #[test]
    fn lines_of_others() {
        for line in [
            "",
            "SeaBIOS (version 1.16.3)",
            "[    0.000000] Linux version 7.3.4",
            "[    1.000000] slow_platform_driver: async_probe: nothing",
            "[    1.000000] x async_probe: timing: probe_ended",
            "[    1.000000] async_probe",
            "[    1.000000] async_probe: loading out-of-tree module taints kernel.",
            "[    1.000000] async_probe: module verification failed: signature and/or required key missing - tainting kernel",
            "[   ] async",
            "[",
            "<",
            "<6>[",
            "5,1,2,-;Linux version",
        ] {
            assert_eq!(one(line), Ok(None), "{line}");
        }
    }

    #[test]
    fn what_is_wrong() {
        let bad = |key, value: &str, expected| Reason::BadValue {
            key,
            value: value.to_owned(),
            expected,
        };
        for (text, reason) in [
            ("", Reason::UnknownEvent(String::new())),
            (
                "probe_end dev=d",
                Reason::UnknownEvent("probe_end".to_owned()),
            ),
            ("removing", Reason::Expected("dev")),
            ("removing  dev=d driver=d", Reason::Expected("dev")),
            ("removing driver=d dev=d", Reason::Expected("dev")),
            ("removing dev=d", Reason::Expected("driver")),
            ("removing dev=d ", Reason::Expected("driver")),
            ("removing dev= driver=d", bad("dev", "", "a name")),
            ("removing dev=d driver=d ", Reason::Trailing(String::new())),
            (
                "removing dev=d driver=d x=1",
                Reason::Trailing("x=1".to_owned()),
            ),
            (
                "registered driver=d probe_type=fast ret=0 ms=0.001",
                bad("probe_type", "fast", "a probe type"),
            ),
            (
                "probe_began dev=d driver=d async=2 cpu=0 pid=1 task=x",
                bad("async", "2", "0 or 1"),
            ),
            (
                "probe_began dev=d driver=d async=1 cpu=00 pid=1 task=x",
                bad("cpu", "00", "a number in range"),
            ),
            (
                "probe_began dev=d driver=d async=1 cpu=0 pid=+1 task=x",
                bad("pid", "+1", "a number in range"),
            ),
            (
                "probe_began dev=d driver=d async=1 cpu=0 pid=4294967296 task=x",
                bad("pid", "4294967296", "a number in range"),
            ),
            (
                "probe_began dev=d driver=d async=1 cpu=0 pid=1",
                Reason::Expected("task"),
            ),
            (
                "unregistered driver=d ms=1.2",
                bad("ms", "1.2", "milliseconds with three decimals"),
            ),
            (
                "unregistered driver=d ms=1",
                bad("ms", "1", "milliseconds with three decimals"),
            ),
            (
                "probe_ended dev=d driver=d ret=1 ms=0.001",
                bad("ret", "1", "0 or a negative errno"),
            ),
            (
                "probe_ended dev=d driver=d ret=-0 ms=0.001",
                bad("ret", "-0", "0 or a negative errno"),
            ),
            (
                "probe_ended dev=d driver=d ret= ms=0.001",
                bad("ret", "", "0 or a negative errno"),
            ),
        ] {
            let line = format!("[    1.000000] async_probe: timing: {text}");
            assert_eq!(one(&line), Err(reason), "{line}");
        }
        assert_eq!(one(ENDED), Err(Reason::NoTime));
        assert_eq!(
            one("[    1.000000] lifecycle: call_began call=reboot on=x pid=1"),
            Err(bad("call", "reboot", "a call"))
        );
    }

    #[test]
    fn a_task_may_contain_anything() {
        for (line, name) in [
            ("[    1.000000] async_probe: timing: probe_began dev=d driver=d async=0 cpu=0 pid=1 task=a b  task=c ", "a b  task=c "),
            ("[    1.000000] async_probe: timing: probe_began dev=d driver=d async=0 cpu=0 pid=1 task=", ""),
            ("6,1,1000000,-;async_probe: timing: probe_began dev=d driver=d async=0 cpu=0 pid=1 task=a\\x5cb;c", "a\\b;c"),
        ] {
            match one(line) {
                Ok(Some(Event {
                    what: What::ProbeBegan { task, .. },
                    ..
                })) => assert_eq!(task, name),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn what_is_missing_is_missed() {
        let record = |number: u64| format!("6,{number},12345678,-;{ENDED}\n");
        let log = record(7) + " SUBSYSTEM=platform\n DEVICE=+platform:d.0\n" + &record(8);
        assert_eq!(parse(&log).unwrap(), [ended(12_345_678), ended(12_345_678)]);

        let reason = |log: &str| parse(log).map_err(|error| (error.line, error.reason));
        assert_eq!(
            reason(&(record(7) + &record(9))),
            Err((
                2,
                Reason::Gap {
                    expected: 8,
                    found: 9
                }
            ))
        );
        // Others' records count as well.
        assert_eq!(
            reason(&(record(7) + "5,9,12345678,-;usb 1-1: new device\n")),
            Err((
                2,
                Reason::Gap {
                    expected: 8,
                    found: 9
                }
            ))
        );
        assert_eq!(
            reason(&(record(7) + ",12345678,-;cut at its head\n")),
            Err((2, Reason::NotARecord))
        );
        assert_eq!(
            reason("** 12 printk messages dropped **\n"),
            Err((1, Reason::Dropped))
        );
        assert_eq!(reason(record(7).trim_end()), Err((1, Reason::CutOff)));
        assert_eq!(reason("\n[    1.0"), Err((2, Reason::CutOff)));
    }
}
