// SPDX-License-Identifier: GPL-2.0

//! Shows results as they come.

use lifecycle::ktap::{Status, Test};
use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};

use crate::process::indent;
use crate::progress::{result, says, Verbosity};

/// What a test says of what it has measured.
const FIGURE: &str = "figure: ";

/// The results that have been shown.
#[derive(Debug)]
pub(super) struct Board<'a> {
    filter: &'a str,
    /// Whether lines are shown; JSON is printed at the end instead.
    lines: bool,
    shown: Mutex<BTreeSet<String>>,
}

impl<'a> Board<'a> {
    /// A board for the tests whose names contain the filter.
    pub(super) fn new(filter: &'a str, lines: bool) -> Self {
        Self {
            filter,
            lines,
            shown: Mutex::default(),
        }
    }

    /// Shows a result. Of one that was skipped nothing is known before the end: another boot may
    /// run it.
    pub(super) fn show(&self, test: &Test) {
        if !matches!(test.status, Status::Skipped(_)) {
            self.lines_of(test);
        }
    }

    /// Shows what has not been shown.
    pub(super) fn rest(&self, tests: &[Test]) {
        for test in tests {
            self.lines_of(test);
        }
    }

    fn lines_of(&self, test: &Test) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.lines || !shown.insert(test.name.clone()) {
            return;
        }
        let quiet = !says(Verbosity::Normal);
        if quiet && test.status != Status::Failed {
            return;
        }
        result(&text(test, self.filter));
    }
}

/// The line of a test, with its figures; all that it says comes with it if it has failed, if its
/// program was asked for by name, or if everything is to be said.
fn text(test: &Test, filter: &str) -> String {
    let (line, said) = match &test.status {
        Status::Passed => (format!("ok    {}", test.name), says(Verbosity::Verbose)),
        Status::Skipped(reason) => (format!("skip  {} # {reason}", test.name), false),
        Status::Failed => (format!("FAIL  {}", test.name), true),
    };
    let all = said || test.name.split(':').next() == Some(filter);
    let mut lines = vec![line];
    for comment in &test.comments {
        match comment.strip_prefix(FIGURE) {
            Some(figure) => lines.push(indent(figure)),
            None if all => lines.push(indent(comment)),
            None => {}
        }
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn test(status: Status) -> Test {
        Test {
            name: "p: t".to_owned(),
            status,
            comments: vec!["figure: 5 ms".to_owned(), "more".to_owned()],
            time: None,
        }
    }

    #[test]
    fn lines() {
        assert_eq!(text(&test(Status::Passed), "").lines().count(), 2);
        assert_eq!(text(&test(Status::Passed), "p").lines().count(), 3);
        let failed = text(&test(Status::Failed), "");
        assert!(failed.starts_with("FAIL  p: t\n") && failed.ends_with("more"));
        let skipped = text(&test(Status::Skipped("why".to_owned())), "");
        assert!(skipped.starts_with("skip  p: t # why"));
    }

    #[test]
    fn each_is_shown_once_and_what_is_skipped_last() {
        let board = Board::new("", true);
        let shown = || board.shown.lock().unwrap().len();
        board.show(&test(Status::Skipped(String::new())));
        assert_eq!(shown(), 0);
        board.show(&test(Status::Passed));
        board.rest(&[test(Status::Passed)]);
        assert_eq!(shown(), 1);
    }
}
