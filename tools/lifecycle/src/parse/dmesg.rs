// SPDX-License-Identifier: GPL-2.0

//! The parser of the dmesg interface v1 (`Documentation/dmesg-timing.rst`), and of what any kernel
//! prints with `initcall_debug`.
//!
//! It reads what `dmesg` and the console print, `[   12.345678] text`, with the caller's column of
//! `CONFIG_PRINTK_CALLER` or without, raw, decoded or as a syslog daemon keeps it, and the records of
//! `/dev/kmsg`, `6,339,12345678,-;text`. Without printk's own time a log is refused: what `dmesg
//! --ctime` or a daemon's clock says is not exact enough.
//!
//! Lines of others are ignored. A line of ours that it does not understand is an error, never
//! skipped: a log is either understood or refused. So is a log of which something is known to be
//! missing: a last line without its end, a gap in the sequence numbers of `/dev/kmsg`, or a
//! console that says that it dropped lines. And one that has been put together wrongly: a line that
//! is there twice, time that runs backwards by more than [`SKEW`], a task that returns from another
//! call than it is in.
//!
//! Lines bear no number and no checksum, except the number in `/dev/kmsg`. So what is cut off after
//! the end of a line reads as a shorter log, which is true as far as it goes, and what is missing in
//! the middle of a console's log may not be noticed here. It is for the laws to see: each demands
//! the end of what it judges, and `one_at_a_time` knows which devices have something
//! [under way](crate::laws::one_at_a_time::under_way). Lines of different devices and tasks less than
//! [`SKEW`] apart may change places, as they do when two CPUs print them. Where that is not enough,
//! take a [recording](super::recording).

use std::collections::BTreeMap;

use super::initcall_debug;
use super::prefix::{unescape, Line, Record};
use super::refusal::{Reason, Refusal};
use super::timing::{kernel_event, user_event};
use crate::event::{Call, Event, Initcall, SmolStr, What, KERNEL_PREFIX, USER_PREFIX};
use crate::micros::Micros;

/// How much earlier than the line before it a line may be. A CPU stamps a line before it puts it
/// into the log (`kernel/printk/printk.c`, `vprintk_store()`), so another CPU may come between.
pub const SKEW: Micros = Micros(100_000);

/// Reads a log line by line.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    line: usize,
    next_record: Option<u64>,
    /// The latest time so far.
    time: Micros,
    /// The events that are not earlier than that by more than [`SKEW`].
    recent: Vec<Event>,
    /// The call that each task is in, if any, from the first that has been seen of it.
    calls: BTreeMap<u32, Option<(Call, SmolStr)>>,
}

/// Reads a whole log.
///
/// # Errors
///
/// The first line that is wrong.
pub fn parse(log: &str) -> Result<Vec<Event>, Refusal> {
    let mut parser = Parser::default();
    let mut events = Vec::new();
    for line in log.split_inclusive('\n') {
        match line.strip_suffix('\n') {
            Some(line) => events.extend(parser.line(line)?),
            None => return Err(Refusal::of_line(parser.line + 1, Reason::CutOff, line)),
        }
    }
    Ok(events)
}

/// The text of a line of the console or of `dmesg`, without what is before it.
pub fn message(line: &str) -> Option<&str> {
    Line::split(line).map(|line| line.text)
}

impl Parser {
    /// Reads the next line, given without its line feed, and returns its event if it is of ours.
    ///
    /// # Errors
    ///
    /// What is wrong with the line.
    pub fn line(&mut self, line: &str) -> Result<Option<Event>, Refusal> {
        self.line += 1;
        self.read(line)
            .map_err(|reason| Refusal::of_line(self.line, reason, line))
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
            self.in_order(record.time)?;
            let event = event(Some(record.time), record.caller, &unescape(record.text))?;
            return self.plausible(event);
        }
        if self.next_record.is_some() {
            // The properties of a record follow it, each on a line that starts with a space.
            return if line.starts_with(' ') {
                Ok(None)
            } else {
                Err(Reason::NotARecord)
            };
        }

        if line.starts_with("** ") && line.ends_with(" printk messages dropped **") {
            return Err(Reason::Dropped);
        }
        match Line::split(line) {
            Some(line) => {
                self.in_order(line.time)?;
                let event = event(Some(line.time), line.caller, line.text)?;
                self.plausible(event)
            }
            // Whatever somebody has put in the place of the time.
            None => event(None, None, text(line)),
        }
    }

    /// Time does not run backwards, in others' lines neither.
    fn in_order(&mut self, time: Micros) -> Result<(), Reason> {
        if self.time - time > SKEW {
            return Err(Reason::OutOfOrder(self.time));
        }
        self.time = self.time.max(time);
        Ok(())
    }

    /// An event comes once, and a task is in one call at a time.
    fn plausible(&mut self, event: Option<Event>) -> Result<Option<Event>, Reason> {
        let Some(event) = event else {
            return Ok(None);
        };
        let latest = self.time;
        self.recent.retain(|recent| latest - recent.time <= SKEW);
        if self.recent.contains(&event) {
            return Err(Reason::Twice);
        }
        match &event.what {
            // Different files may have init functions of one name, and the clock of an early boot
            // stands still: called after it has returned it is another.
            What::Initcall(Initcall::Calling { function, .. }) => self.recent.retain(|recent| {
                !matches!(&recent.what, What::Initcall(Initcall::Returned { function: of, .. }) if of == function)
            }),
            What::Initcall(Initcall::Returned { function, .. }) => self.recent.retain(|recent| {
                !matches!(&recent.what, What::Initcall(Initcall::Calling { function: of, .. }) if of == function)
            }),
            What::CallBegan { call, on, pid } => {
                let within = self.calls.insert(*pid, Some((*call, on.clone())));
                if within.flatten().is_some() {
                    return Err(Reason::InACall(*pid));
                }
            }
            What::CallReturned { call, on, pid, .. } => {
                // The log may begin within a call.
                let begun = self.calls.insert(*pid, None);
                if begun.is_some_and(|begun| begun != Some((*call, on.clone()))) {
                    return Err(Reason::NotCalled(*pid));
                }
            }
            _ => {}
        }
        self.recent.push(event.clone());
        Ok(Some(event))
    }
}

/// The text of a line of ours, without what is before it.
fn text(line: &str) -> &str {
    let ours = line
        .find(KERNEL_PREFIX)
        .or_else(|| initcall_debug::find(line));
    &line[ours.unwrap_or(0)..]
}

/// The event of a line, if it is of ours, or of `initcall_debug`.
pub(super) fn event(
    time: Option<Micros>,
    caller: Option<u32>,
    text: &str,
) -> Result<Option<Event>, Reason> {
    let what = if let Some(text) = text.strip_prefix(KERNEL_PREFIX) {
        kernel_event(text)?
    } else if let Some(text) = text.strip_prefix(USER_PREFIX) {
        user_event(text)?
    } else if let Some(initcall) = initcall_debug::parse(text, caller) {
        What::Initcall(initcall)
    } else {
        return Ok(None);
    };
    let time = time.ok_or(Reason::NoTime)?;
    Ok(Some(Event { time, what }))
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
                device: "d.0".into(),
                driver: "d".into(),
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
    fn init_functions_of_one_name() {
        const CALLING: &str = "[    0.390867] calling  activate_jump_labels+0x0/0x40 @ 1\n";
        const RETURNED: &str =
            "[    0.390867] initcall activate_jump_labels+0x0/0x40 returned 0 after 0 usecs\n";
        let reason = |lines: &[&str]| parse(&lines.concat()).map_err(|error| error.reason);
        let two = [CALLING, RETURNED, CALLING, RETURNED];
        assert_eq!(reason(&two).unwrap().len(), 4);
        assert_eq!(reason(&[CALLING, CALLING]), Err(Reason::Twice));
        assert_eq!(reason(&[CALLING, RETURNED, RETURNED]), Err(Reason::Twice));
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
            ("removing", Reason::Key("dev")),
            ("removing  dev=d driver=d", Reason::Key("dev")),
            ("removing driver=d dev=d", Reason::Key("dev")),
            ("removing dev=d", Reason::Key("driver")),
            ("removing dev=d ", Reason::Key("driver")),
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
                Reason::Key("task"),
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
        let record = |number: u64| format!("6,{number},{number},-;{ENDED}\n");
        let log = record(7) + " SUBSYSTEM=platform\n DEVICE=+platform:d.0\n" + &record(8);
        assert_eq!(parse(&log).unwrap(), [ended(7), ended(8)]);

        let reason = |log: &str| parse(log).map_err(|error| (error.line, error.reason));
        assert_eq!(
            reason(&(record(7) + &record(9))),
            Err((
                Some(2),
                Reason::Gap {
                    expected: 8,
                    found: 9
                }
            ))
        );
        // Others' records count as well.
        assert_eq!(
            reason(&(record(7) + "5,9,9,-;usb 1-1: new device\n")),
            Err((
                Some(2),
                Reason::Gap {
                    expected: 8,
                    found: 9
                }
            ))
        );
        assert_eq!(
            reason(&(record(7) + ",12345678,-;cut at its head\n")),
            Err((Some(2), Reason::NotARecord))
        );
        assert_eq!(
            reason("** 12 printk messages dropped **\n"),
            Err((Some(1), Reason::Dropped))
        );
        assert_eq!(reason(record(7).trim_end()), Err((Some(1), Reason::CutOff)));
        assert_eq!(reason("\n[    1.0"), Err((Some(2), Reason::CutOff)));
    }
}
