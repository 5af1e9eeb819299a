// SPDX-License-Identifier: GPL-2.0

//! KUnit: the unit tests that run in the kernel, as its log tells of them (`lib/kunit/test.c`), held
//! against those that the sources have.

/// What KUnit puts before the lines of a suite.
const INDENT: &str = "    ";

/// A unit test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Case {
    /// The name of its suite.
    pub suite: String,
    /// Its own name.
    pub name: String,
}

/// What became of something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// A case, or all of them.
    pub name: String,
    /// What is wrong, if anything.
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

/// A suite, as far as the log tells.
#[derive(Debug, Default)]
struct Suite {
    name: String,
    planned: Option<usize>,
    /// Names of cases, and what is wrong.
    ran: Vec<(String, Option<String>)>,
    passed: Option<bool>,
}

/// What was run at once: at boot, or when a module was loaded.
#[derive(Debug, Default)]
struct Block {
    planned: Option<usize>,
    suites: Vec<Suite>,
}

/// Judges the lines of a kernel's log, without what printk puts before them: all declared cases have
/// run and passed, and as many ran as were planned. Suites of others do not count.
pub fn judge<'a>(lines: impl IntoIterator<Item = &'a str>, declared: &[Case]) -> Vec<Verdict> {
    let blocks = read(lines);
    let ours = |suite: &&Suite| declared.iter().any(|case| case.suite == suite.name);
    let suites: Vec<&Suite> = blocks.iter().flat_map(|block| &block.suites).collect();
    let mut verdicts: Vec<Verdict> = declared
        .iter()
        .map(|case| {
            let mut runs = suites
                .iter()
                .filter(|suite| suite.name == case.suite)
                .flat_map(|suite| &suite.ran)
                .filter(|(name, _)| *name == case.name);
            let broken = match (runs.next(), runs.next()) {
                (None, _) => Some("it did not run".to_owned()),
                (Some((_, broken)), None) => broken.clone(),
                (Some(_), Some(_)) => Some("it ran more than once".to_owned()),
            };
            Verdict {
                name: format!("{}: {}", case.suite, case.name),
                broken,
            }
        })
        .collect();

    let mut broken = Vec::new();
    for block in &blocks {
        let ended = block.suites.iter().filter(|it| it.passed.is_some()).count();
        broken.extend(other("suites", block.planned, ended));
    }
    for suite in suites.into_iter().filter(ours) {
        let name = &suite.name;
        broken.extend(other(
            &format!("cases of {name}"),
            suite.planned,
            suite.ran.len(),
        ));
        let failed = suite.ran.iter().any(|(_, broken)| broken.is_some());
        if suite.passed == Some(failed) {
            broken.push(format!("the verdict on {name} is not that on its cases"));
        }
        for (case, _) in &suite.ran {
            if !declared
                .iter()
                .any(|it| it.suite == *name && it.name == *case)
            {
                broken.push(format!("{name}: {case} is in no source"));
            }
        }
    }
    verdicts.push(Verdict {
        name: "what was planned ran".to_owned(),
        broken: (!broken.is_empty()).then(|| broken.join("\n")),
    });
    verdicts
}

fn other(what: &str, planned: Option<usize>, ran: usize) -> Option<String> {
    match planned {
        Some(planned) if planned == ran => None,
        Some(planned) => Some(format!("{planned} {what} were planned, {ran} ran")),
        None => Some(format!("{what} without a plan: {ran} ran")),
    }
}

fn read<'a>(lines: impl IntoIterator<Item = &'a str>) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    let mut says = Vec::new();
    for line in lines {
        if line == "KTAP version 1" {
            blocks.push(Block::default());
            continue;
        }
        let Some(block) = blocks.last_mut() else {
            continue;
        };
        if let Some(line) = line.strip_prefix(INDENT) {
            if let Some(name) = line.strip_prefix("# Subtest: ") {
                block.suites.push(Suite {
                    name: name.to_owned(),
                    ..Suite::default()
                });
                continue;
            }
            let Some(suite) = block.suites.last_mut() else {
                continue;
            };
            if let Some(planned) = plan(line) {
                suite.planned = planned;
                says.clear();
            } else if let Some((passed, name)) = result(line) {
                let (name, broken) = match name.split_once(" # ") {
                    // A case that is skipped proves nothing.
                    Some((name, directive)) => (name, Some(directive.to_owned())),
                    None => (name, (!passed).then(|| says.join("\n"))),
                };
                suite.ran.push((name.to_owned(), broken));
                says.clear();
            } else {
                says.push(line.trim_start());
            }
        } else if let Some(planned) = plan(line) {
            block.planned = planned;
        } else if let Some((passed, name)) = result(line) {
            let suite = block.suites.iter_mut().rfind(|suite| suite.name == name);
            if let Some(suite) = suite {
                suite.passed = Some(passed);
            }
        }
    }
    blocks
}

/// Reads `1..3`.
fn plan(line: &str) -> Option<Option<usize>> {
    line.strip_prefix("1..").map(|number| number.parse().ok())
}

/// Reads `ok 1 name` and `not ok 1 name`.
fn result(line: &str) -> Option<(bool, &str)> {
    let (passed, rest) = match line.strip_prefix("not ") {
        Some(rest) => (false, rest),
        None => (true, line),
    };
    let (number, name) = rest.strip_prefix("ok ")?.split_once(' ')?;
    number.parse::<u32>().ok()?;
    Some((passed, name))
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

    /// What is wrong, of those that something is wrong with.
    fn broken(log: &str) -> Vec<(String, String)> {
        judge(log.lines(), &declared(SOURCE))
            .into_iter()
            .filter_map(|verdict| Some((verdict.name, verdict.broken?)))
            .collect()
    }

    /// The same for a log in which a line is another, or none.
    fn doctored(line: &str, by: &str) -> Vec<(String, String)> {
        assert_eq!(LOG.matches(line).count(), 1, "{line}");
        broken(&LOG.replace(line, by))
    }

    fn pair(name: &str, broken: &str) -> (String, String) {
        (name.to_owned(), broken.to_owned())
    }

    const PLAN: &str = "what was planned ran";

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

    #[test]
    fn a_case_fails() {
        let says = "    # b: ASSERTION FAILED at m.rs:0\n    Expected x == y\n    not ok 2 b";
        let seen = doctored("    ok 2 b", says);
        let expected = pair("one: b", "# b: ASSERTION FAILED at m.rs:0\nExpected x == y");
        assert_eq!(seen[0], expected);
        // And its suite does not say so.
        assert_eq!(seen[1].0, PLAN);

        let seen = doctored("    ok 2 b", "    ok 2 b # SKIP no");
        assert_eq!(seen[0], pair("one: b", "SKIP no"));
    }

    #[test]
    fn a_suite_fails_without_a_case() {
        let says = "the verdict on two is not that on its cases";
        assert_eq!(doctored("ok 3 two", "not ok 3 two"), [pair(PLAN, says)]);
    }

    #[test]
    fn what_is_missing() {
        let gone = pair("one: b", "it did not run");
        let plan = pair(PLAN, "2 cases of one were planned, 1 ran");
        assert_eq!(doctored("    ok 2 b\n", ""), [gone, plan]);

        let seen = doctored("ok 3 two\n", "");
        assert_eq!(seen, [pair(PLAN, "3 suites were planned, 2 ran")]);

        let (log, _) = LOG.split_once("ok 2 one").unwrap();
        let seen = broken(log);
        assert_eq!(seen[0], pair("two: a", "it did not run"));
        assert_eq!(seen[1], pair(PLAN, "3 suites were planned, 1 ran"));

        assert_eq!(broken("").len(), 3);
    }

    #[test]
    fn what_is_too_much() {
        let seen = doctored("    ok 2 b", "    ok 2 c");
        assert_eq!(seen[1], pair(PLAN, "one: c is in no source"));
        let twice = broken(&(LOG.to_owned() + LOG));
        assert_eq!(twice[0], pair("one: a", "it ran more than once"));
    }

    #[test]
    fn no_plan() {
        let seen = doctored("1..3", "1..x");
        assert_eq!(seen, [pair(PLAN, "suites without a plan: 3 ran")]);
    }
}
