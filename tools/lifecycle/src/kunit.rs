// SPDX-License-Identifier: GPL-2.0

//! KUnit: the unit tests that run in the kernel, as its log tells of them (`lib/kunit/test.c`),
//! held against those that the sources have.

use crate::ktap::{Parser, Status, Test};

/// A unit test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The name of its suite.
    pub suite: String,
    /// Its own name.
    pub name: String,
}

/// The verdict on a case, or on all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The name of the case.
    pub name: String,
    /// Why the verdict is against it, if it is.
    pub broken: Option<String>,
}

/// The cases in a file of Rust: the functions marked as tests in modules marked as suites.
pub fn declared(source: &str) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut suite = None;
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix("#[kunit_tests(") {
            suite = name.strip_suffix(")]");
        } else if line == "#[test]" {
            is_test = true;
        } else if let Some((name, _)) = line.strip_prefix("fn ").and_then(|it| it.split_once('(')) {
            if let (true, Some(suite)) = (is_test, suite) {
                cases.push(Case {
                    suite: suite.to_owned(),
                    name: name.to_owned(),
                });
            }
            is_test = false;
        }
    }
    cases
}

/// The cases that `scripts/doctests.awk` makes of the examples in the documentation of a file.
pub fn examples(file: &str, source: &str) -> Vec<Case> {
    let name = file.rsplit('/').next().unwrap_or(file);
    let name = name.strip_suffix(".rs").unwrap_or(name);
    let lines = source.lines().map(str::trim_start);
    let text = lines.filter_map(|line| line.strip_prefix("///").or(line.strip_prefix("//!")));
    let fences = text.filter_map(|line| line.trim_start().strip_prefix("```"));
    let begins = fences.step_by(2).filter(|kind| kind.is_empty());
    let case = |(number, _)| Case {
        suite: "async_probe_doctests".to_owned(),
        name: format!("{name}_{}", number + 1),
    };
    begins.enumerate().map(case).collect()
}

/// Judges the lines of a kernel's log, without what printk puts before them: all declared cases
/// have run once and passed, and as many ran as were planned. Suites of others do not count.
pub fn judge<'a>(lines: impl IntoIterator<Item = &'a str>, declared: &[Case]) -> Vec<Verdict> {
    let mut parser = Parser::default();
    lines.into_iter().for_each(|line| parser.line(line));
    let mut ran = parser.finish();
    let mut verdicts: Vec<Verdict> = declared
        .iter()
        .map(|Case { suite, name }| {
            let name = format!("{suite}: {name}");
            let (runs, rest): (Vec<Test>, _) = std::mem::take(&mut ran)
                .into_iter()
                .partition(|test| test.name == name);
            ran = rest;
            let broken = match runs.as_slice() {
                [] => Some("it did not run".to_owned()),
                [run] if run.status == Status::Passed => None,
                // A case that is skipped proves nothing.
                [run] => Some(format!("{:?}: {}", run.status, run.comments.join("\n"))),
                _ => Some("it ran more than once".to_owned()),
            };
            Verdict { name, broken }
        })
        .collect();

    // A plan that was not fulfilled, the verdict on a suite that is not that on its cases, or a
    // case that is in no source.
    let is_ours = |test: &&Test| {
        let suite = test.name.split(": ").next().unwrap_or_default();
        suite.starts_with("(") || declared.iter().any(|case| case.suite == suite)
    };
    let others: Vec<String> = ran
        .iter()
        .filter(is_ours)
        .map(|test| format!("{}: {:?}", test.name, test.status))
        .collect();
    verdicts.push(Verdict {
        name: "what was planned ran".to_owned(),
        broken: (!others.is_empty()).then(|| others.join("\n")),
    });
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOURCE: &str = "
        fn not_a_test() {}

        #[kunit_tests(one)]
        mod tests {
            fn helper(x: u8) {}

            #[test]
            fn a() {}

            #[test]
            fn b() -> Result {}
        }

        #[kunit_tests(two)]
        mod more_tests {
            #[test]
            fn a() {}
        }
    ";

    const LOG: &str = "\
Booting
KTAP version 1
1..3
    KTAP version 1
    # Subtest: of_others
    1..2
    not ok 1 x
    ok 2 y # SKIP not here
not ok 1 of_others
    KTAP version 1
    # Subtest: one
    # module: m
    1..2
    ok 1 a
usb 1-1: new device
    ok 2 b
# one: pass:2 fail:0 skip:0 total:2
# Totals: pass:2 fail:0 skip:0 total:2
ok 2 one
    KTAP version 1
    # Subtest: two
    # module: m
    1..1
    ok 1 a
ok 3 two
m: loaded
";

    #[test]
    fn examples_are_counted() {
        let source = "
            //! ```text
            //! ```
            /// ```
            /// let one = \"```\";
            /// ```
            fn code() {}
                // ```
                /// ```
                /// ```
        ";
        let names: Vec<_> = examples("bus/device.rs", source)
            .into_iter()
            .map(|case| case.name)
            .collect();
        assert_eq!(names, ["device_1", "device_2"]);
        assert!(examples("device.rs", SOURCE).is_empty());
    }

    /// What is wrong, of those that something is wrong with.
    fn broken(log: &str) -> Vec<(String, String)> {
        judge(log.lines(), &declared(SOURCE))
            .into_iter()
            .filter_map(|verdict| Some((verdict.name, verdict.broken?)))
            .collect()
    }

    fn pair(name: &str, broken: &str) -> (String, String) {
        (name.to_owned(), broken.to_owned())
    }

    #[test]
    fn cases_of_a_source() {
        let cases: Vec<_> = declared(SOURCE)
            .into_iter()
            .map(|case| (case.suite, case.name))
            .collect();
        assert_eq!(
            cases,
            [pair("one", "a"), pair("one", "b"), pair("two", "a")]
        );
    }

    #[test]
    fn all_is_well() {
        assert_eq!(broken(LOG), []);
        assert_eq!(judge(LOG.lines(), &declared(SOURCE)).len(), 4);
    }

    /// A log in which a line is another, or none: the nth of what is wrong.
    #[test]
    fn what_is_wrong() {
        const PLAN: &str = "what was planned ran";
        let doctored = |line: &str, by: &str| {
            assert_eq!(LOG.matches(line).count(), 1, "{line}");
            LOG.replace(line, by)
        };
        let b = |by: &str| doctored("    ok 2 b", by);
        let failed = "b: ASSERTION FAILED at m.rs:0";
        let missing = doctored("    ok 2 b\n", "");
        let (cut, _) = LOG.split_once("ok 2 one").unwrap();
        for (log, nth, name, why) in [
            (
                b(&format!("    # {failed}\n    not ok 2 b")),
                0,
                "one: b",
                failed,
            ),
            (b("    ok 2 b # SKIP no"), 0, "one: b", "Skipped"),
            (b("    ok 2 c"), 1, PLAN, "one: c: Passed"),
            (doctored("ok 3 two", "not ok 3 two"), 1, PLAN, "two: Failed"),
            (missing.clone(), 0, "one: b", "it did not run"),
            (missing, 1, PLAN, "planned 2 tests, saw 1 results"),
            (doctored("ok 3 two\n", ""), 1, PLAN, "saw 2 results"),
            (cut.to_owned(), 3, PLAN, "saw 1 results"),
            (String::new(), 3, PLAN, "no plan"),
            (LOG.repeat(2), 0, "one: a", "it ran more than once"),
            (doctored("1..3", "1..x"), 0, PLAN, "no plan"),
        ] {
            let broken = broken(&log);
            let (is, says) = &broken[nth];
            assert!(is == name && says.contains(why), "{broken:?}\n{log}");
        }
    }
}
