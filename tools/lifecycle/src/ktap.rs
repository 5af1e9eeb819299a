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

    #[test]
    fn cases() {
        for case in include_str!("../tests/ktap.txt").split("\n\n").skip(1) {
            let is_test = |line: &&str| line.starts_with("Test {");
            let (expected, lines): (Vec<&str>, Vec<&str>) = case.lines().skip(1).partition(is_test);
            let mut parser = Parser::default();
            lines.into_iter().for_each(|line| parser.line(line));
            let tests: Vec<String> = parser
                .finish()
                .iter()
                .map(|test| format!("{test:?}"))
                .collect();
            assert_eq!(tests, expected, "{case}");
        }
    }
}
