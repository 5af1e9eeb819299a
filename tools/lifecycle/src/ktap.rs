// SPDX-License-Identifier: GPL-2.0

//! Reads KTAP, the test anything protocol of the kernel (`Documentation/dev-tools/ktap.rst`): what
//! the guest programs print, and what KUnit leaves in the log.

use std::time::Duration;

/// How a test ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// It passed.
    Passed,
    /// It failed.
    Failed,
    /// It was not run, for this reason.
    Skipped(String),
}

/// One test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Test {
    /// Its name, with those of the tests around it.
    pub name: String,
    /// How it ended.
    pub status: Status,
    /// What it said before its result.
    pub comments: Vec<String>,
    /// How long it took, if it said so.
    pub time: Option<Duration>,
}

impl Test {
    /// One that has failed, and why.
    pub fn failed(name: impl Into<String>, comments: Vec<String>) -> Self {
        Self {
            name: name.into(),
            status: Status::Failed,
            comments,
            time: None,
        }
    }
}

/// A level of nesting.
#[derive(Clone, Debug, Default)]
struct Level {
    /// Blanks before its lines.
    indent: usize,
    planned: Option<usize>,
    seen: usize,
    children: Vec<Test>,
}

/// Reads line by line. Lines of something else may stand between them.
#[derive(Clone, Debug, Default)]
pub struct Parser {
    /// Each is indented further than the one before it.
    levels: Vec<Level>,
    comments: Vec<String>,
    time: Option<Duration>,
    skipped: Option<String>,
}

impl Parser {
    /// Takes one line.
    pub fn line(&mut self, line: &str) {
        let text = line.trim_start();
        let indent = line.len() - text.len();
        if text.starts_with("KTAP version") || text.starts_with("TAP version") {
            match self.levels.last_mut() {
                Some(level) if level.indent == indent => level.begin_again(),
                _ => self.open(indent),
            }
        } else if let Some(plan) = text.strip_prefix("1..") {
            self.open(indent);
            let (number, reason) = plan.split_once(" # SKIP").unwrap_or((plan, ""));
            if let Some(level) = self.levels.last_mut() {
                level.planned = number.trim().parse().ok();
            }
            if plan.contains("# SKIP") && indent == 0 {
                self.skipped = Some(reason.trim().to_owned());
            }
        } else if let Some((passed, rest)) = result(text) {
            self.result(indent, passed, rest);
        } else if !text.is_empty() {
            let comment = text.strip_prefix("# ").unwrap_or(text);
            match time(comment) {
                None => self.comments.push(comment.to_owned()),
                time => self.time = time,
            }
        }
    }

    /// Opens a level, if lines that are indented so begin one.
    fn open(&mut self, indent: usize) {
        if self.levels.last().is_none_or(|level| level.indent < indent) {
            self.levels.push(Level {
                indent,
                ..Level::default()
            });
        }
    }

    fn result(&mut self, indent: usize, passed: bool, rest: &str) {
        let inner = self
            .levels
            .iter()
            .position(|level| level.indent > indent)
            .unwrap_or(self.levels.len());
        let children: Vec<Test> = self
            .levels
            .drain(inner..)
            .flat_map(|level| {
                let missing = level.missing();
                level.children.into_iter().chain(missing)
            })
            .collect();
        self.open(indent);
        let Some(level) = self.levels.last_mut() else {
            return;
        };
        let (name, status) = split(passed, rest);
        level.seen += 1;
        let comments = std::mem::take(&mut self.comments);
        let time = self.time.take();
        let all_well = children.iter().all(|child| child.status != Status::Failed);
        if !children.is_empty() && (passed || !all_well) {
            // The children are the tests; their parent is only a heading.
            level
                .children
                .extend(children.into_iter().map(|child| Test {
                    name: format!("{name}: {}", child.name),
                    ..child
                }));
        } else {
            level.children.push(Test {
                name,
                status,
                comments,
                time,
            });
        }
    }

    /// All tests; a plan that was not fulfilled is one more, which failed.
    pub fn finish(mut self) -> Vec<Test> {
        if self.levels.is_empty() {
            return vec![Test::failed("(no plan)", self.comments)];
        }
        let mut tests: Vec<Test> = Vec::new();
        for level in std::mem::take(&mut self.levels) {
            let missing = level.missing();
            tests.extend(level.children);
            tests.extend(missing.map(|test| Test {
                comments: std::mem::take(&mut self.comments),
                ..test
            }));
        }
        if let (Some(reason), true) = (self.skipped, tests.is_empty()) {
            tests.push(Test {
                name: "(all)".to_owned(),
                status: Status::Skipped(reason),
                comments: vec![],
                time: None,
            });
        }
        tests
    }
}

impl Level {
    /// Another document begins.
    fn begin_again(&mut self) {
        self.children.extend(self.missing());
        (self.planned, self.seen) = (None, 0);
    }

    fn missing(&self) -> Option<Test> {
        let comment = match self.planned {
            Some(planned) if planned == self.seen => return None,
            Some(planned) => format!("planned {planned} tests, saw {} results", self.seen),
            None => format!("no plan, saw {} results", self.seen),
        };
        Some(Test::failed(format!("(plan) {comment}"), vec![]))
    }
}

/// Reads `time: 0.512 s`.
fn time(comment: &str) -> Option<Duration> {
    let seconds = comment.strip_prefix("time: ")?.strip_suffix(" s")?;
    Duration::try_from_secs_f64(seconds.parse().ok()?).ok()
}

/// Splits `ok 1 - name` into the verdict and the rest after the number.
fn result(text: &str) -> Option<(bool, &str)> {
    let (passed, rest) = if let Some(rest) = text.strip_prefix("ok ") {
        (true, rest)
    } else {
        (false, text.strip_prefix("not ok ")?)
    };
    let (number, name) = rest.split_once(' ').unwrap_or((rest, ""));
    number.parse::<usize>().ok()?;
    Some((passed, name.strip_prefix("- ").unwrap_or(name)))
}

/// Splits the directive off a name.
fn split(passed: bool, rest: &str) -> (String, Status) {
    let (name, directive) = rest.split_once('#').unwrap_or((rest, ""));
    let directive = directive.trim();
    let status = match directive.strip_prefix("SKIP") {
        Some(reason) => Status::Skipped(reason.trim().to_owned()),
        None if passed || directive.starts_with("XFAIL") => Status::Passed,
        None => Status::Failed,
    };
    (name.trim().to_owned(), status)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Vec<(String, Status)> {
        let mut parser = Parser::default();
        text.lines().for_each(|line| parser.line(line));
        parser
            .finish()
            .into_iter()
            .map(|test| (test.name, test.status))
            .collect()
    }

    #[test]
    fn how_long_a_test_took() {
        let mut parser = Parser::default();
        for line in [
            "1..2",
            "# time: 0.512 s",
            "ok 1 a",
            "# time: -1 s",
            "not ok 2 b",
        ] {
            parser.line(line);
        }
        let tests = parser.finish();
        assert_eq!(tests[0].time, Some(Duration::from_millis(512)));
        assert!(tests[0].comments.is_empty());
        assert_eq!(tests[1].time, None);
        assert_eq!(tests[1].comments, ["time: -1 s"]);
    }

    #[test]
    fn passes_failures_and_skips() {
        let got = parse(
            "KTAP version 1\n1..3\nok 1 one\n# because\nnot ok 2 - two\nok 3 three # SKIP no root\n",
        );
        assert_eq!(
            got,
            [
                ("one".into(), Status::Passed),
                ("two".into(), Status::Failed),
                ("three".into(), Status::Skipped("no root".into()))
            ]
        );
    }

    #[test]
    fn a_plan_that_was_not_fulfilled_fails() {
        let got = parse("KTAP version 1\n1..3\nok 1 one\n");
        assert_eq!(got.len(), 2);
        assert_eq!(got[1].1, Status::Failed);
        assert_eq!(parse("Killed\n")[0].1, Status::Failed);
        assert_eq!(parse("")[0].1, Status::Failed);
        assert_eq!(parse("KTAP version 1\nok 1 one\n")[1].1, Status::Failed);
    }

    #[test]
    fn an_empty_plan_is_no_test() {
        assert_eq!(parse("KTAP version 1\n1..0\n"), []);
        assert_eq!(
            parse("KTAP version 1\n1..0 # SKIP not root\n"),
            [("(all)".into(), Status::Skipped("not root".into()))]
        );
    }

    #[test]
    fn subtests_count_and_headings_do_not() {
        let got = parse(
            "KTAP version 1\n1..2\n  KTAP version 1\n  1..2\n  ok 1 a\n  not ok 2 b\nnot ok 1 outer\nok 2 last\n",
        );
        assert_eq!(
            got,
            [
                ("outer: a".into(), Status::Passed),
                ("outer: b".into(), Status::Failed),
                ("last".into(), Status::Passed)
            ]
        );
    }

    #[test]
    fn one_document_after_the_other() {
        let one = "KTAP version 1\n1..1\n    KTAP version 1\n    1..1\n    ok 1 a\nok 1 outer\n";
        let got = parse(&one.repeat(2));
        assert_eq!(got, vec![("outer: a".into(), Status::Passed); 2]);
        let cut_off = format!("KTAP version 1\n1..2\n{one}");
        assert_eq!(parse(&cut_off)[0].1, Status::Failed);
    }

    #[test]
    fn a_failing_heading_over_good_subtests_fails() {
        let got = parse("KTAP version 1\n1..1\n  1..1\n  ok 1 a\nnot ok 1 outer\n");
        assert_eq!(got, [("outer".into(), Status::Failed)]);
    }

    #[test]
    fn comments_go_with_the_next_result() {
        let mut parser = Parser::default();
        for line in ["1..1", "# expected 1", "panicked at x", "not ok 1 one"] {
            parser.line(line);
        }
        assert_eq!(parser.finish()[0].comments, ["expected 1", "panicked at x"]);
    }
}
