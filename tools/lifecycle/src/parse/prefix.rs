// SPDX-License-Identifier: GPL-2.0

//! What stands before the text of a line of the console, of `dmesg`, or of a program that keeps
//! what the console prints.
//!
//! `info_print_prefix()` (`kernel/printk/printk.c`) puts `[%5lu.%06lu]` right before the text, and
//! behind it the caller's column with `CONFIG_PRINTK_CALLER`. What is before the bracket came from
//! the program that took the log, or is a line of userspace on the same port that had no end yet.

use super::number::{digits, seconds};
use crate::micros::Micros;

/// A line with a time of printk's form.
#[derive(Debug)]
pub(super) struct Line<'a> {
    /// What is before the time.
    pub(super) before: &'a str,
    pub(super) time: Micros,
    /// All that is behind the time, for comparisons.
    pub(super) rest: &'a str,
    /// The task that printed it, with `CONFIG_PRINTK_CALLER` or in a vendor's column.
    pub(super) caller: Option<u32>,
    /// `host kernel: ` stands between the time and the text, as `journalctl -o short-monotonic`
    /// prints it.
    pub(super) journal: bool,
    pub(super) text: &'a str,
}

/// The line at each time of printk's form in this line, from the left.
pub(super) fn lines(line: &str) -> impl Iterator<Item = Line<'_>> {
    // No console loses the ends of so many lines.
    const MOST: usize = 100;
    let mut from = 0;
    std::iter::from_fn(move || loop {
        let at = from + line[from..].find('[')?;
        from = at + 1;
        if let Some((time, rest)) = bracket(&line[from..]) {
            return Some((at, time, rest));
        }
    })
    .take(MOST)
    .map(|(at, time, rest)| {
        let (caller, journal, text) = columns(rest);
        Line {
            before: &line[..at],
            time,
            rest,
            caller,
            journal,
            text,
        }
    })
}

/// A time of `dmesg --time-format iso`, and what follows: `2026-11-22T06:43:01,123456+00:00 text`.
fn calendar(text: &str) -> Option<(&str, &str)> {
    const FORM: &[u8] = b"dddd-dd-ddTdd:dd:dd,dddddd?dd:dd ";
    let (time, rest) = text.split_at_checked(FORM.len())?;
    let mut bytes = FORM.iter().zip(time.bytes());
    let is_form = bytes.all(|(form, byte)| match form {
        b'd' => byte.is_ascii_digit(),
        b'?' => matches!(byte, b'+' | b'-'),
        form => *form == byte,
    });
    is_form.then_some((time, rest))
}

/// A line of `dmesg --time-format iso`, which may have `kern  :info  : ` before it. All its times
/// are printk's, with the same added to each.
pub(super) fn iso(line: &str) -> Option<Line<'_>> {
    let (before, after) = line.split_at(line.find(|c: char| c.is_ascii_digit())?);
    let (time, rest) = calendar(after)?;
    if before.chars().any(|c| !matches!(c, 'a'..='z' | ' ' | ':')) {
        return None;
    }
    let number = |at: usize, length: usize| time[at..at + length].parse::<i64>().ok();
    let (year, month, day) = (number(0, 4)?, number(5, 2)?, number(8, 2)?);
    // Days since March of the year 0, so that the leap day is the last of a year.
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5 + day;
    let zone = (number(27, 2)? * 60 + number(30, 2)?) * 60;
    let zone = if &time[26..27] == "-" { -zone } else { zone };
    let seconds = ((days * 24 + number(11, 2)?) * 60 + number(14, 2)?) * 60 + number(17, 2)? - zone;
    let micros = seconds
        .checked_mul(1_000_000)?
        .checked_add(number(20, 6)?)?;
    let (caller, journal, text) = columns(rest);
    Some(Line {
        before,
        time: Micros(u64::try_from(micros).ok()?),
        rest,
        caller,
        journal,
        text,
    })
}

/// Whether the facility before the time, if it is there, is the kernel's: `kern  :info  : ` of
/// `dmesg --decode`, `<6>` of `dmesg --raw` and of consoles that print as syslog does.
pub(super) fn is_kernel(before: &str) -> bool {
    const LEVELS: &str = " emerg alert crit err warn notice info debug ";
    const OTHERS: &str = " user mail daemon auth syslog lpr news uucp cron authpriv ftp local ";
    let is_of = |words: &str, word: &str| words.contains(&format!(" {} ", word.trim()));
    let before = before.trim();
    let priority = || digits::<u32>(before.strip_prefix('<')?.strip_suffix('>')?);
    let decoded = || before.strip_suffix(':')?.split_once(':');
    let is_others = |(facility, level): (&str, &str)| {
        let facility = facility.trim_end_matches(|c: char| c.is_ascii_digit());
        is_of(LEVELS, level) && is_of(OTHERS, facility)
    };
    priority().is_none_or(|of| of < 8) && !decoded().is_some_and(is_others)
}

/// The text of a line of the console or of `dmesg`, without what is before it.
pub fn message(line: &str) -> Option<&str> {
    Some(lines(line).next()?.text)
}

/// The time in a bracket that has been opened, and what follows.
///
/// `12.345678]`; `12.345678 <    0.000012>]` of `dmesg --show-delta`; `12.345678@0]`,
/// `12.345678,0]`, `12.345678s]` and `12.345678 / 01-01 00:00:12.345]` of vendors' kernels.
fn bracket(opened: &str) -> Option<(Micros, &str)> {
    let opened = opened.trim_start_matches(' ');
    let length = opened
        .bytes()
        .position(|byte| !byte.is_ascii_digit() && byte != b'.')?;
    let (time, rest) = opened.split_at(length);
    // A time since 1970, and not since boot, is of `ts '[%.s]'`.
    let time = seconds(time)?;
    if let Some(rest) = rest.strip_prefix(']') {
        return Some((time, rest));
    }
    if let Some(rest) = rest.strip_prefix("s]") {
        return Some((time, rest));
    }
    // No column is longer, and a line may have many brackets that are not closed.
    const LONGEST: usize = 64;
    let end = rest.bytes().take(LONGEST).position(|byte| byte == b']')?;
    let (column, rest) = (&rest[..end], &rest[end + 1..]);
    let is_delta = || {
        let delta = column.trim_start_matches(' ').strip_prefix('<')?;
        let delta = delta.trim_end_matches(' ').strip_suffix('>')?;
        delta.trim().parse::<f64>().ok()
    };
    let is_cpu = || digits::<u32>(column.strip_prefix(['@', ','])?.trim_end_matches('d'));
    let is_date = || column.starts_with(" / ") && column.contains(':');
    (is_delta().is_some() || is_cpu().is_some() || is_date()).then_some((time, rest))
}

/// Takes the columns between the time and the text off: the caller, whether the journal's
/// `kernel: ` is among them, and the text.
fn columns(rest: &str) -> (Option<u32>, bool, &str) {
    let mut caller = None;
    let mut rest = rest.strip_prefix([' ', '\t']).unwrap_or(rest);
    while let Some((found, behind)) = column(rest) {
        caller = found.or(caller);
        rest = behind.strip_prefix(' ').unwrap_or(behind);
    }
    rest = located(rest).unwrap_or(rest);
    let from_kernel = |text| str::strip_prefix(text, "kernel: ");
    let behind_host = || from_kernel(rest.split_once(' ')?.1);
    match from_kernel(rest).or_else(behind_host) {
        Some(text) => (caller, true, text),
        None => (caller, false, rest),
    }
}

/// The text of a line of `kernel/async.c` or `drivers/base/dd.c` behind what the flags of dynamic
/// debug put before it: `dd:really_probe_debug:511: ` with all of them (`lib/dynamic_debug.c`).
fn located(text: &str) -> Option<&str> {
    let (place, text) = text.split_once(' ')?;
    let place = place.strip_suffix(':')?;
    let is_place = ["async", "dd", "probe"].iter().any(|of| place.contains(of))
        || digits::<u32>(place).is_some();
    let is_its = ["async_", "calling ", "initcall ", "probe of "]
        .iter()
        .any(|begin| text.starts_with(begin));
    (is_place && is_its).then_some(text)
}

/// Takes a column off: the caller's, one that a vendor's kernel has, or the time in another form,
/// which dmesg prints if it is given several.
fn column(rest: &str) -> Option<(Option<u32>, &str)> {
    // Before the kernel had a caller's column, several vendors' had two blanks here.
    let rest = rest.trim_start_matches(' ');
    if let Some((_, rest)) = calendar(rest) {
        return Some((None, rest));
    }
    // MediaTek's `<0>.(1)[23:kworker/1:1]`, with a mark for interrupts.
    let marked = rest
        .strip_prefix(['.', '-'])
        .filter(|rest| rest.starts_with('('));
    let rest = marked.unwrap_or(rest);
    // Samsung's mark.
    let rest = rest
        .strip_prefix('I')
        .filter(|rest| rest.starts_with('['))
        .unwrap_or(rest);
    match rest.bytes().next()? {
        b'<' => {
            let (level, rest) = rest[1..].split_once('>')?;
            digits::<u32>(level)?;
            Some((None, rest))
        }
        b'(' => {
            let (cpu, rest) = rest[1..].split_once(')')?;
            digits::<u32>(cpu)?;
            rest.starts_with('[').then_some((None, rest))
        }
        b'[' => {
            // The name of a task may contain a bracket, but no vendor's kernel escapes it.
            let (column, rest) = rest[1..].split_once(']')?;
            Some((caller(column)?, rest))
        }
        // Qualcomm's `c0    123 `, and Spreadtrum's, without the task.
        b'c' => {
            let (cpu, rest) = rest[1..].split_once(' ')?;
            digits::<u32>(cpu)?;
            let task = rest.trim_start_matches(' ').split_once(' ');
            let task = task.and_then(|(task, rest)| Some((Some(digits(task)?), rest)));
            Some(task.unwrap_or((None, rest)))
        }
        _ => None,
    }
}

/// Who has printed the line, if the column says it: `  T123` a task, `    C0` an interrupt on a
/// CPU; `1:swapper/0` MediaTek's, `0:  swapper/0:    1` Samsung's, `pid:1,cpu0,swapper/0` Huawei's.
/// `c0`, `cpu0` and a mere number do not say it, nor does a date.
fn caller(column: &str) -> Option<Option<u32>> {
    let column = column.trim_matches(' ');
    let number = column.trim_start_matches(|c: char| c.is_ascii_alphabetic());
    let name = &column[..column.len() - number.len()];
    if matches!(name, "" | "T" | "C" | "c" | "cpu" | "CPU") && digits::<u32>(number).is_some() {
        return Some(task(column));
    }
    if is_date(column) {
        return Some(None);
    }
    if let Some(task) = column.strip_prefix("pid:") {
        return digits(task.split_once(",cpu")?.0).map(Some);
    }
    if let Some(caller) = hooked(column) {
        return Some(caller);
    }
    let (first, rest) = column.split_once(':')?;
    let first: u32 = digits(first)?;
    match rest.rsplit_once(':') {
        // The number of the CPU comes first, that of the task last.
        Some((name, last)) if name.starts_with(' ') => Some(digits(last.trim_start())),
        _ if rest.is_empty() => None,
        _ => Some(Some(first)),
    }
}

/// What modules make of the caller's column on Android (`android_vh_printk_caller`): Unisoc's
/// `T1@C0`, X-Ring's `T1-C0` and, in a column of its own, `cpu0,pid1,swapper/0`; Xiaomi's `T,T1,C0`
/// with the context first; and Amlogic's `0 T1     ..`, in which the task may have its name and no
/// number.
fn hooked(column: &str) -> Option<Option<u32>> {
    let is_cpu = |part: &str| part.strip_prefix('C').and_then(digits::<u32>).is_some();
    let is_state = |part: &str| part.len() == 2 && part.bytes().all(|is| b"dXZzHhs.".contains(&is));
    if let Some((of, cpu)) = column.split_once(['@', '-']) {
        return task(of).filter(|_| is_cpu(cpu)).map(Some);
    }
    if let Some((cpu, of)) = column.split_once(",pid") {
        digits::<u32>(cpu.strip_prefix("cpu")?)?;
        return digits(of.split_once(',')?.0).map(Some);
    }
    if let Some((_, of)) = column.split_once(',') {
        let (of, cpu) = of.split_once(',')?;
        return task(of).filter(|_| is_cpu(cpu)).map(Some);
    }
    let mut words = column.split_whitespace();
    let (cpu, of, state) = (words.next()?, words.next()?, words.next()?);
    let all = words.next().is_none() && digits::<u32>(cpu).is_some() && is_state(state);
    all.then(|| task(of))
}

/// `Sun Nov 22 06:43:01 2026` of `dmesg --ctime`.
fn is_date(column: &str) -> bool {
    let mut words = column.split_whitespace();
    let (year, time) = (words.next_back(), words.next_back());
    let is_year = year.is_some_and(|year| year.len() == 4 && digits::<u32>(year).is_some());
    is_year && time.is_some_and(|time| time.split(':').count() == 3) && words.count() == 3
}

/// The number of the task, if the caller is one: `T1`, `T1@C0`.
pub(super) fn task(caller: &str) -> Option<u32> {
    digits(caller.strip_prefix('T')?.split('@').next()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn iso_times() {
        let time = |line: &str| iso(line).map(|line| (line.time.0, line.text.to_owned()));
        let first = time("2024-02-29T23:59:59,999999+00:00 x").unwrap();
        assert_eq!(first.1, "x");
        let after = |line: &str| time(line).unwrap().0 - first.0;
        assert_eq!(after("2024-03-01T00:00:00,000000+00:00 x"), 1);
        assert_eq!(
            after("kern  :info  : 2024-03-01T01:00:00,000000+01:00 x"),
            1
        );
        assert_eq!(after("2024-02-29T18:30:00,000000-05:30 x"), 1);
        let caller = iso("2024-03-01T00:00:00,000000+00:00 [Fri Mar  1 00:00:00 2024] [  T12] x");
        assert_eq!(
            caller.map(|line| (line.caller, line.text)),
            Some((Some(12), "x"))
        );
        assert_eq!(
            after("2025-01-01T00:00:00,000000+00:00 x"),
            306 * 86_400_000_000 + 1
        );
        for line in [
            "2024-02-29T23:59:59,999999+00:00",
            "2024-02-29T23:59:59.999999+00:00 x",
            "2024-02-29T23:59:59+00:00 x",
            "host 1 2024-02-29T23:59:59,999999+00:00 x",
        ] {
            assert_eq!(time(line), None, "{line}");
        }
    }
}
