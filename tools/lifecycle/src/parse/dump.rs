// SPDX-License-Identifier: GPL-2.0

//! What a machine that dies prints of its recording, by `ftrace_dump_on_oops`
//! (`kernel/trace/trace.c`, `ftrace_dump_one()`).
//!
//! ```text
//! [    8.422046] Dumping ftrace instance life buffer:
//! [    8.422061] ---------------------------------
//! [    8.422398] check_dr-119       1..... 581720us : init: (do_init_module+0x0/0x250) mod="m"
//! [    8.424900] ---------------------------------
//! ```
//!
//! The times count from when the recording began, and names of tasks are cut to 8 bytes.

use super::number::{digits, seconds};
use super::recording;
use crate::{Event, Micros};

/// What is before the name of the instance, in the first line.
const FIRST: &str = "] Dumping ftrace instance ";

/// The line before the first event and after the last.
const RULE: &str = "---------------------------------";

/// What is there if nothing is recorded.
const EMPTY: &str = "(ftrace buffer empty)";

/// Tells the lines of a console that are part of what is printed.
#[derive(Debug, Default)]
pub struct Printed {
    /// How many rules are to come.
    rules: u8,
}

impl Printed {
    /// Whether the next line is part of it.
    pub fn has(&mut self, line: &str) -> bool {
        if line.contains(FIRST) {
            self.rules = 2;
            return true;
        }
        let before = self.rules;
        if line.contains(EMPTY) {
            self.rules = 0;
        } else if line.trim_end().ends_with(RULE) {
            self.rules = before.saturating_sub(1);
        }
        before > 0
    }
}

/// The events that a console has of a recording, with the kernel's own times. What other processors
/// print in between is left out. None if nothing was printed.
pub fn events(console: &str) -> Vec<Event> {
    let mut printed = Printed::default();
    let dump = console.lines().filter(|line| printed.has(line));
    let lines: Vec<Line<'_>> = dump.filter_map(Line::split).collect();
    // A line that is on the console and in the recording gives the difference.
    let began = lines.iter().find_map(|line| {
        let said = line.rest.strip_prefix("console: ")?.trim_end();
        let mut lines = console.lines().filter_map(|line| line.split_once("] "));
        let is_ours = said.starts_with("lifecycle: ");
        let (time, _) = lines.find(|(_, text)| is_ours && text.trim_end() == said)?;
        let time = seconds(time.trim_start_matches(['[', ' ']))?;
        Some(time.0.saturating_sub(line.micros))
    });
    let began = began.unwrap_or(0);
    let lines = lines.iter().map(|line| line.as_in_tracefs(began));
    recording::cut(lines)
}

/// A line in the format for latencies.
struct Line<'a> {
    /// The task with its number.
    task: &'a str,
    cpu: &'a str,
    micros: u64,
    /// The event.
    rest: &'a str,
}

impl<'a> Line<'a> {
    /// `[    8.422398] check_dr-119       1d.... 581720us+: init: …`
    fn split(line: &'a str) -> Option<Self> {
        let (_, text) = line.split_once("] ")?;
        let (head, rest) = text.split_once("us")?;
        // How long it was until the next event.
        let rest = rest.get(1..)?.strip_prefix(": ")?;
        let (head, micros) = head.trim_end().rsplit_once(' ')?;
        let (task, place) = head.trim_end().rsplit_once(' ')?;
        let flags = place.find(|first: char| !first.is_ascii_digit())?;
        Some(Self {
            task: task.trim(),
            cpu: &place[..flags],
            micros: digits(micros)?,
            rest,
        })
    }

    fn as_in_tracefs(&self, began: u64) -> String {
        let time = Micros(began + self.micros).printk();
        format!(
            "{} [{:0>3}] ..... {time}: {}",
            self.task, self.cpu, self.rest
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONSOLE: &str = include_str!("../../tests/consoles/dump.txt");

    #[test]
    fn what_a_dying_machine_prints() {
        let events = events(CONSOLE);
        let text: Vec<String> = events.iter().map(ToString::to_string).collect();
        assert_eq!(text.len(), 7, "{text:?}");
        assert!(
            text[0].contains("call_began") && text[0].contains("7.860488"),
            "{}",
            text[0]
        );
        assert!(
            text[6].contains("work_runs at=0xff11000005673868"),
            "{}",
            text[6]
        );
        // As a recording it is whole.
        let whole = recording::write("7.3.4", &events);
        assert_eq!(recording::parse(&whole).unwrap().len(), 7);
        assert!(super::events("[    1.0] all is well\n").is_empty());
    }
}
