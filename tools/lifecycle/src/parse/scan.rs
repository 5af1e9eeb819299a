// SPDX-License-Identifier: GPL-2.0

//! The boots of a log, message by message.

use std::collections::HashMap;

use super::copies::Runs;
use super::kernel::Kernel;
use super::message::Message;
use super::note::Note;
use super::order::{Order, SKEW};
use super::refusal::{Clock, Reason, Refusal};
use crate::event::{Event, What};
use crate::micros::Micros;

/// One message, taken out of whatever the log is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given<'a> {
    /// The number of its line, from 1.
    pub(super) number: usize,
    /// The line, for what is refused.
    pub(super) line: &'a str,
    pub(super) stamp: Stamp,
    /// Two consoles may have printed it.
    pub(super) console: bool,
}

/// The time of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stamp {
    /// printk's.
    Printk(Micros),
    /// printk's, or that at which journald has read the line: `journalctl -o short-monotonic`.
    Journal(Micros),
    /// printk's, with the same added to each.
    Calendar(Micros),
}

impl Stamp {
    pub(super) fn time(self) -> Micros {
        match self {
            Self::Printk(time) | Self::Journal(time) | Self::Calendar(time) => time,
        }
    }
}

/// What one boot has left in a log.
#[derive(Debug, Default)]
pub(super) struct Boot {
    pub(super) kernel: Kernel,
    pub(super) events: Vec<Event>,
    /// The line of each event.
    pub(super) lines: Vec<u32>,
    /// The run of equal lines that each event is in, from 1; 0 if it cannot be a copy.
    runs_of: Vec<u32>,
    runs: Runs,
    /// When the first line was printed.
    began: Option<Stamp>,
    /// When the last line was.
    last: Option<Stamp>,
    /// How many events are those of the boot before it, one by one, if there are no others: a
    /// second console may be printing that boot once more.
    replayed: Option<usize>,
    /// The console says that it prints the last line once more.
    again: bool,
    /// A line says that the machine goes down, or to another kernel.
    is_over: bool,
    /// A line of ours without a time.
    untimed: Option<Refusal>,
    /// Lines of ours that something is in front of, and the first of them.
    behind: Option<(usize, Refusal)>,
    /// Lines of ours that another text is in, and the first of them.
    garbled: Option<(usize, usize)>,
    /// A line that says that others have been left out, behind an event.
    left_out: Option<usize>,
    pub(super) notes: Vec<Note>,
    pub(super) refusal: Option<Refusal>,
}

/// Takes messages, and keeps the boots that they are of.
#[derive(Debug)]
pub(super) struct Scan {
    boots: Vec<Boot>,
    /// Which of them the next message is of.
    at: usize,
    /// The boot that the journal says the last entry is of.
    id: Option<String>,
    /// Which of them are those that it names: a journal may be of several machines.
    named: HashMap<String, usize>,
}

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            boots: vec![Boot::default()],
            at: 0,
            id: None,
            named: HashMap::new(),
        }
    }

    fn boot(&mut self) -> &mut Boot {
        if self.boots.is_empty() {
            self.push(Boot::default());
        }
        &mut self.boots[self.at]
    }

    fn push(&mut self, boot: Boot) {
        self.at = self.boots.len();
        self.boots.push(boot);
    }

    /// The boots of the log, the first of which may have no beginning.
    pub(super) fn boots(mut self) -> Vec<Boot> {
        let is_replay = |boot: &Boot| boot.replayed > Some(0) && boot.refusal.is_none();
        if self.boots.last().is_some_and(is_replay) {
            self.replayed();
        }
        let seen = |boot: &Boot| {
            boot.began.is_some()
                || boot.refusal.is_some()
                || boot.untimed.is_some()
                || boot.behind.is_some()
        };
        self.boots.into_iter().filter(seen).collect()
    }

    /// The journal says which boot an entry is of.
    pub(super) fn of_boot(&mut self, id: Option<String>) {
        let Some(name) = id.as_ref().filter(|_| self.id != id) else {
            return;
        };
        if let Some(at) = self.named.get(name) {
            self.at = *at;
        } else {
            if self.id.is_some() {
                self.push(Boot::default());
            }
            self.named.insert(name.clone(), self.at);
        }
        self.id = id;
    }

    /// What prints the log says that another boot begins.
    pub(super) fn another(&mut self) {
        if self.boot().began.is_some() {
            self.push(Boot::default());
        }
    }

    /// The next line is the last one once more.
    pub(super) fn again(&mut self) {
        self.boot().again = true;
    }

    /// Refuses the boot that the line is of.
    pub(super) fn refuse(&mut self, number: usize, reason: Reason, line: &str) {
        let boot = self.boot();
        let first = boot.refusal.as_ref().map(|refusal| &refusal.reason);
        // Kernels that count milliseconds do not print the task, either: `calling  f+0x0/0x10`.
        if first.is_none() || first == Some(&Reason::CutOff) && reason == Reason::Milliseconds {
            boot.refusal = Some(Refusal::of_line(number, reason, line));
        }
    }

    pub(super) fn note(&mut self, note: Note) {
        self.boot().notes.push(note);
    }

    /// A line in which a text of ours does not follow the time at once.
    pub(super) fn behind(&mut self, number: usize, prefix: &str, line: &str) {
        let boot = self.boot();
        let reason = || Refusal::of_line(number, Reason::Between(prefix.to_owned()), line);
        let (count, _) = boot.behind.get_or_insert_with(|| (0, reason()));
        *count += 1;
    }

    /// A line of ours that another text is in.
    pub(super) fn garbled(&mut self, number: usize) {
        self.boot().garbled.get_or_insert((0, number)).0 += 1;
    }

    /// The line says that others have been left out.
    pub(super) fn left_out(&mut self, number: usize) {
        let boot = self.boot();
        if !boot.events.is_empty() {
            boot.left_out.get_or_insert(number);
        }
    }

    /// A line that has a time and no text of ours.
    pub(super) fn other(&mut self, time: Micros, rest: &str, console: bool) {
        let boot = self.boot();
        boot.began.get_or_insert(Stamp::Printk(time));
        boot.last = Some(Stamp::Printk(time));
        boot.is_over |= rest.contains("reboot: ") || rest.contains("Starting new kernel");
        if console {
            boot.runs.take(time, rest);
        }
    }

    /// Takes a message. `rest` is all of the line from its time on.
    pub(super) fn message(&mut self, given: Given<'_>, message: Message<'_>, rest: &str) {
        if let Message::Banner(release) = message {
            if self.id.is_none() {
                self.starts(&given, release, rest);
            }
            self.boot().kernel.banner = Some(release.to_owned());
        }
        let boot = self.boot();
        if boot.refusal.is_some() {
            return;
        }
        boot.last = Some(given.stamp);
        let is_calendar = |stamp: Stamp| matches!(stamp, Stamp::Calendar(_));
        let began = *boot.began.get_or_insert(given.stamp);
        if matches!(message, Message::Event(_)) && is_calendar(began) != is_calendar(given.stamp) {
            if !boot.events.is_empty() {
                return self.without_time(given.number, Clock::Wall, given.line);
            }
            boot.began = Some(given.stamp);
        }
        let run = match given.console {
            true => boot.runs.take(given.stamp.time(), rest) + 1,
            false => 0,
        };
        match message {
            Message::Event(what) => self.event(given, what, run),
            Message::Failed(device, errno) => {
                boot.kernel.failed(device, given.stamp.time(), errno);
            }
            Message::Release(release) => {
                boot.kernel
                    .release
                    .get_or_insert_with(|| release.to_owned());
            }
            Message::Asked(list) => boot.kernel.asked = Some(list.to_owned()),
            Message::Dropped => self.refuse(given.number, Reason::Dropped, given.line),
            Message::Replay => self.again(),
            Message::Garbled => self.garbled(given.number),
            Message::Banner(_) | Message::Other => {}
        }
    }

    /// A kernel starts, or a console prints once more how it has started.
    fn starts(&mut self, given: &Given<'_>, release: &str, rest: &str) {
        let boot = self.boot();
        let same = boot.kernel.banner.as_deref() == Some(release);
        // `Booting Linux on physical CPU 0x0` comes before it (arch/arm/kernel/setup.c), and what
        // the microcode says (arch/x86).
        let at_once = boot.is_empty() && boot.kernel.banner.is_none();
        if boot.began.is_none() && boot.untimed.is_none()
            || at_once && boot.began.map(Stamp::time) == Some(given.stamp.time())
        {
            return;
        }
        // Each line is there twice, this one too.
        if given.console && boot.runs.is_last(given.stamp.time(), rest) {
            return;
        }
        let may_replay =
            given.console && same && boot.began == Some(given.stamp) && boot.refusal.is_none();
        let may_replay = may_replay && !boot.is_over;
        self.push(Boot {
            again: false,
            replayed: may_replay.then_some(0),
            ..Boot::default()
        });
    }

    /// What seems to be the last boot is the one before it, printed once more.
    fn replayed(&mut self) {
        let first = self
            .boots
            .pop()
            .and_then(|boot| boot.lines.first().copied());
        self.at = self.boots.len().saturating_sub(1);
        self.note(Note::Replayed(first.unwrap_or(1) as usize));
    }

    fn event(&mut self, given: Given<'_>, what: What, run: u32) {
        let time = given.stamp.time();
        let event = Event { time, what };
        // A console that is registered prints all that is in the buffer, from the first line on. A
        // machine that boots again may print the first events at the same times, and not all.
        if let [.., before, boot] = self.boots.as_mut_slice() {
            if let Some(known) = boot.replayed {
                let same = before.events.get(known) == Some(&event);
                if same && known + 1 == before.events.len() {
                    return self.replayed();
                }
                boot.replayed = same.then_some(known + 1);
            }
        }
        let boot = self.boot();
        if std::mem::take(&mut boot.again) && boot.events.last() == Some(&event) {
            return;
        }
        boot.kernel.event(boot.events.len(), &event);
        boot.events.push(event);
        boot.lines
            .push(u32::try_from(given.number).unwrap_or(u32::MAX));
        boot.runs_of.push(run);
    }

    /// A line of ours has no time of printk's.
    pub(super) fn without_time(&mut self, number: usize, clock: Clock, line: &str) {
        let boot = self.boot();
        if boot.refusal.is_some() {
            return;
        }
        let refusal = Refusal::of_line(number, Reason::NoTime(clock), line);
        // A ring of bytes may begin within a line: only the first can be that.
        if boot.began.is_some() || boot.untimed.is_some() {
            boot.refusal = Some(boot.untimed.take().unwrap_or(refusal));
        } else {
            boot.untimed = Some(refusal);
        }
    }
}

/// Checks that events may follow each other, each with its line.
fn ordered<'a>(events: impl Iterator<Item = (&'a Event, &'a u32)>) -> Result<(), Refusal> {
    let mut order = Order::default();
    for (event, line) in events {
        let taken = order.take(event);
        taken.map_err(|reason| Refusal::of_line(*line as usize, reason, ""))?;
    }
    Ok(())
}

impl Boot {
    /// Whether the boot has anything of ours.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.refusal.is_none()
            && self.untimed.is_none()
            && self.behind.is_none()
    }

    /// Whether it has a line about probes, even one that cannot be read. Each boot says that it runs
    /// init.
    pub(super) fn tells_of_probes(&self) -> bool {
        let is_of_line = |refusal: &Refusal| {
            !matches!(
                refusal.reason,
                Reason::Dropped | Reason::Gap { .. } | Reason::Fragment | Reason::CutOff
            )
        };
        !self.events.iter().all(Event::runs_init)
            || self.refusal.as_ref().is_some_and(is_of_line)
            || self.untimed.is_some()
            || self.behind.is_some()
    }

    /// Checks what has been read, and takes away what is there only since two consoles have printed
    /// it.
    pub(super) fn finish(&mut self) -> Result<(), Refusal> {
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        match (self.untimed.take(), self.began) {
            (Some(refusal), None) => return Err(refusal),
            (Some(refusal), Some(_)) => {
                self.notes.push(Note::HeadCut(refusal.line.unwrap_or(1)));
            }
            _ => {}
        }
        match (self.behind.take(), self.events.is_empty()) {
            (Some((_, refusal)), true) => return Err(refusal),
            (Some((lines, refusal)), false) => {
                self.notes.push(Note::Behind {
                    lines,
                    first: refusal.line.unwrap_or(1),
                });
            }
            _ => {}
        }
        if let Some((lines, first)) = self.garbled {
            self.notes.push(Note::Garbled { lines, first });
        }
        let last = self.lines.last().copied().unwrap_or(0) as usize;
        let left_out = self.left_out.filter(|line| *line < last);
        self.notes.extend(left_out.map(Note::LeftOut));
        let unknown = self.kernel.outcomes(&mut self.events);
        if unknown > 0 {
            self.notes.push(Note::UnknownOutcomes(unknown));
        }
        if self.kernel.hides_probes(&self.events) {
            self.notes.push(Note::NoProbes);
        }
        self.clock()?;
        self.without_copies();
        let events = || self.events.iter().zip(&self.lines);
        ordered(events()).map_err(|refusal| {
            let pairs = || self.events.windows(2).map(|two| (two[0].time, two[1].time));
            let backwards = pairs().filter(|(one, two)| one > two).count();
            let forwards = pairs().filter(|(one, two)| one < two).count();
            match backwards > forwards && ordered(events().rev()).is_ok() {
                true => Refusal::of_all(Reason::Backwards),
                false => refusal,
            }
        })
    }

    /// When the last line was printed, by the clock of the events; 0 if it has another.
    pub(super) fn end(&self) -> Micros {
        match (self.began, self.last) {
            (Some(Stamp::Calendar(began)), Some(Stamp::Calendar(last))) => last - began,
            (Some(Stamp::Calendar(_)), _) | (_, None | Some(Stamp::Calendar(_))) => Micros(0),
            (_, Some(last)) => last.time(),
        }
    }

    /// Times of a calendar count from the first line; those of journald are no good.
    fn clock(&mut self) -> Result<(), Refusal> {
        match self.began {
            Some(Stamp::Calendar(began)) => {
                for event in &mut self.events {
                    event.time = event.time - began;
                }
                if self.kernel.banner.is_none() {
                    self.notes.push(Note::FromFirstLine);
                }
            }
            // printk's time is 0 when the first line is printed.
            Some(Stamp::Journal(began)) if self.kernel.banner.is_some() && began > SKEW => {
                let line = self.lines.first().copied().unwrap_or(1);
                return Err(Refusal::of_line(
                    line as usize,
                    Reason::NoTime(Clock::Monotonic),
                    "",
                ));
            }
            _ => {}
        }
        Ok(())
    }

    fn without_copies(&mut self) {
        let mut nth = 0;
        let mut last = 0;
        let is_copy = |run: &u32| {
            nth = if *run == last { nth + 1 } else { 0 };
            last = *run;
            *run > 0 && nth >= self.runs.originals(*run - 1)
        };
        let is_copy: Vec<bool> = self.runs_of.iter().map(is_copy).collect();
        let copies = is_copy.iter().filter(|copy| **copy).count();
        if copies == 0 {
            return;
        }
        let mut of_events = is_copy.iter();
        self.events.retain(|_| of_events.next() == Some(&false));
        let mut of_lines = is_copy.iter();
        self.lines.retain(|_| of_lines.next() == Some(&false));
        self.notes.push(Note::Copies(copies));
    }

    /// Whether all times may be those at which journald has read the lines.
    pub(super) fn is_of_journal(&self) -> bool {
        matches!(self.began, Some(Stamp::Journal(_)))
    }
}
