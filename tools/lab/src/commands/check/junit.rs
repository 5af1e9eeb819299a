// SPDX-License-Identifier: GPL-2.0

//! The results for CI systems, as JUnit XML.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use lifecycle::ktap::{Status, Test};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use crate::error::{Error, Kind, Result};
use crate::paths;

/// A kind of tests, and what identifies the run of them.
#[derive(Debug)]
pub(super) struct Group<'a> {
    pub(super) tests: &'a [Test],
    pub(super) properties: Vec<(&'static str, String)>,
}

/// Writes the results of everything, which took so long. The file appears when it is whole.
pub(super) fn write(path: &Path, groups: &[Group<'_>], wall: Duration) -> Result<()> {
    let mut report = Report::new("async_probe");
    report.set_time(wall);
    for group in groups {
        report.add_test_suites(suites(group));
    }
    let text = report.to_string().map_err(|error| {
        Error::new(
            Kind::Failed,
            "the results cannot be written as JUnit XML",
            error.to_string(),
            "this is a bug of the lab: report it",
        )
    })?;
    paths::write(path, &text)
}

/// A suite for each program: what stands before the colon in the names of its tests.
fn suites(group: &Group<'_>) -> Vec<TestSuite> {
    let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
    for test in group.tests {
        let (program, name) = test.name.split_once(": ").unwrap_or(("lab", &test.name));
        let suite = suites.entry(program).or_insert_with(|| {
            let mut suite = TestSuite::new(program);
            for (name, value) in &group.properties {
                suite.add_property((*name, value.as_str()));
            }
            suite
        });
        if let Some(time) = test.time {
            suite.set_time(suite.time.unwrap_or_default() + time);
        }
        let mut case = TestCase::new(name, status(test));
        case.set_classname(program);
        if let Some(time) = test.time {
            case.set_time(time);
        }
        suite.add_test_case(case);
    }
    suites.into_values().collect()
}

fn status(test: &Test) -> TestCaseStatus {
    match &test.status {
        Status::Passed => TestCaseStatus::success(),
        Status::Skipped(reason) => {
            let mut status = TestCaseStatus::skipped();
            status.set_message(reason);
            status
        }
        Status::Failed => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            if let Some(first) = test.comments.first() {
                status.set_message(first);
            }
            status.set_description(test.comments.join("\n"));
            status
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_a_ci_system_reads() {
        let test = |name: &str, status, time: Option<u64>, comments: &[&str]| Test {
            name: name.to_owned(),
            status,
            comments: comments.iter().map(|line| (*line).to_owned()).collect(),
            time: time.map(Duration::from_millis),
        };
        let guest = [
            test("a: one", Status::Passed, Some(1500), &[]),
            test("b: x", Status::Skipped("no <node>".into()), None, &[]),
            test(
                "a: two",
                Status::Failed,
                Some(250),
                &["law: \u{1b}[1mx", "seen: y"],
            ),
        ];
        let host = [test("crate: tests::t", Status::Passed, None, &[])];
        let groups = [
            Group {
                tests: &host,
                properties: vec![],
            },
            Group {
                tests: &guest,
                properties: vec![("kernel", "7.3.4".to_owned())],
            },
        ];
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("junit.xml");
        write(&path, &groups, Duration::from_secs(9)).unwrap();
        let report = Report::deserialize_from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!((report.tests, report.failures), (4, 1));
        let names: Vec<_> = report
            .test_suites
            .iter()
            .map(|suite| suite.name.as_str())
            .collect();
        assert_eq!(names, ["crate", "a", "b"]);
        let a = &report.test_suites[1];
        assert_eq!(a.time, Some(Duration::from_millis(1750)));
        assert_eq!(a.properties[0].value.as_str(), "7.3.4");
        let TestCaseStatus::NonSuccess { description, .. } = &a.test_cases[1].status else {
            panic!("not a failure");
        };
        assert!(description
            .as_ref()
            .unwrap()
            .as_str()
            .ends_with("x\nseen: y"));
        let TestCaseStatus::Skipped { message, .. } = &report.test_suites[2].test_cases[0].status
        else {
            panic!("not skipped");
        };
        assert_eq!(message.as_ref().unwrap().as_str(), "no <node>");
        // Nothing is left beside it.
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
