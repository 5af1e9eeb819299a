// SPDX-License-Identifier: GPL-2.0

//! Progress of the long steps: a spinner on a terminal, plain lines elsewhere.

use std::io::{stderr, stdout, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

/// One step in progress.
#[derive(Debug)]
pub struct Step {
    what: String,
    began: Instant,
    bar: Option<ProgressBar>,
}

impl Step {
    /// Announces a step.
    pub fn begin(what: &str) -> Self {
        let bar = stderr().is_terminal().then(|| {
            let style = ProgressStyle::with_template("{spinner} {prefix} [{elapsed}] {wide_msg}");
            let bar = ProgressBar::new_spinner().with_prefix(what.to_owned());
            if let Ok(style) = style {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        if bar.is_none() {
            eprintln!("lab: {what} ...");
        }
        Self {
            what: what.to_owned(),
            began: Instant::now(),
            bar,
        }
    }

    /// Shows what the step is at.
    pub fn message(&self, text: &str) {
        if let Some(bar) = &self.bar {
            bar.set_message(text.to_owned());
        }
    }

    /// Closes a step that went well.
    pub fn done(self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        eprintln!(
            "lab: {}: {:.1} s",
            self.what,
            self.began.elapsed().as_secs_f64()
        );
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

/// Says something that the person should know about a step.
pub fn note(text: &str) {
    eprintln!("lab: {text}");
}

/// Prints a line of results. Who reads them may go away early: `make check | head`.
pub fn result(text: &str) {
    let _ = writeln!(stdout(), "{text}");
}
