// SPDX-License-Identifier: GPL-2.0

//! What the person at the keyboard sees: progress of the long steps, notes, and results.
//!
//! A step has a line with a clock on a terminal. Elsewhere it has a line when it begins, one when
//! it ends, and one in [`SILENCE`] with what it is at.

use std::io::{stderr, stdout, IsTerminal, Write};
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verbosity {
    /// What failed, and the results that were asked for.
    Quiet,
    /// Progress and notes, too.
    Normal,
    /// All that programs and tests say.
    Verbose,
}

static VERBOSITY: AtomicU8 = AtomicU8::new(Verbosity::Normal as u8);

/// All lines of steps on the terminal.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// How long a step says nothing where there is no terminal.
const SILENCE: Duration = Duration::from_secs(30);

/// Says how much is to be said from now on.
pub(crate) fn set_verbosity(verbosity: Verbosity) {
    VERBOSITY.store(verbosity as u8, Ordering::Relaxed);
}

/// Whether as much is to be said.
pub(crate) fn says(verbosity: Verbosity) -> bool {
    VERBOSITY.load(Ordering::Relaxed) >= verbosity as u8
}

/// One step in progress.
#[derive(Debug)]
pub(crate) struct Step {
    what: String,
    began: Instant,
    bar: Option<ProgressBar>,
    /// When it has said something last.
    said: Mutex<Instant>,
}

impl Step {
    /// Announces a step.
    pub(crate) fn begin(what: &str) -> Self {
        let shown = says(Verbosity::Normal) && stderr().is_terminal();
        let bar = shown.then(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg}");
            let bar = BARS.add(ProgressBar::new_spinner().with_prefix(what.to_owned()));
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if bar.is_none() {
            note(&format!("{what} ..."));
        }
        Self {
            what: what.to_owned(),
            began: Instant::now(),
            bar,
            said: Mutex::new(Instant::now()),
        }
    }

    /// Shows what the step is at.
    pub(crate) fn message(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() > SILENCE && !text.is_empty() {
            *said = Instant::now();
            let seconds = self.began.elapsed().as_secs();
            note(&format!("{} [{seconds} s]: {text}", self.what));
        }
    }

    /// Closes a step that went well.
    pub(crate) fn done(self) {
        let seconds = self.began.elapsed().as_secs_f64();
        let text = format!("{}: {seconds:.1} s", self.what);
        drop(self);
        note(&text);
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            BARS.remove(bar);
        }
    }
}

/// Says something that the person should know about a step.
pub(crate) fn note(text: &str) {
    if says(Verbosity::Normal) {
        say(&format!("lab: {text}"));
    }
}

/// Prints a line to stderr, however little is to be said.
pub(crate) fn say(text: &str) {
    BARS.suspend(|| eprintln!("{text}"));
}

/// Prints a line of results. The reader of stdout may end first, as in `make check | head`.
pub(crate) fn result(text: &str) {
    BARS.suspend(|| {
        let mut out = stdout().lock();
        let _ = writeln!(out, "{text}").and_then(|()| out.flush());
    });
}

/// A number of bytes, in megabytes.
pub(crate) fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}
