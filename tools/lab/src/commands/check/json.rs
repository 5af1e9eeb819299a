// SPDX-License-Identifier: GPL-2.0

//! The results for programs, as JSON.

use std::time::Duration;

use bench::Identity;
use lifecycle::ktap::{Status, Test};
use serde::Serialize;

use super::tally::Tally;

/// All results of a run.
#[derive(Debug, Serialize)]
pub(super) struct Results<'a> {
    identity: &'a Identity,
    wall_seconds: f64,
    guest_seconds: f64,
    #[serde(flatten)]
    tally: Tally,
    tests: Vec<Row<'a>>,
}

/// One test.
#[derive(Debug, Serialize)]
struct Row<'a> {
    name: &'a str,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    said: &'a [String],
}

impl<'a> Results<'a> {
    /// Those of these tests.
    pub(super) fn new(
        identity: &'a Identity,
        tests: &'a [Test],
        wall: Duration,
        guest: Duration,
    ) -> Self {
        Self {
            identity,
            wall_seconds: wall.as_secs_f64(),
            guest_seconds: guest.as_secs_f64(),
            tally: Tally::of(tests),
            tests: tests.iter().map(row).collect(),
        }
    }
}

fn row(test: &Test) -> Row<'_> {
    let (status, reason) = match &test.status {
        Status::Passed => ("passed", None),
        Status::Failed => ("failed", None),
        Status::Skipped(reason) => ("skipped", Some(reason.as_str())),
    };
    Row {
        name: &test.name,
        status,
        reason,
        seconds: test.time.map(|time| time.as_secs_f64()),
        said: &test.comments,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows() {
        let skipped = Test {
            name: "a: b".to_owned(),
            status: Status::Skipped("why".to_owned()),
            comments: vec![],
            time: Some(Duration::from_millis(1500)),
        };
        let json = serde_json::to_value(row(&skipped)).unwrap();
        let wanted = r#"{"name":"a: b","status":"skipped","reason":"why","seconds":1.5,"said":[]}"#;
        let wanted: serde_json::Value = serde_json::from_str(wanted).unwrap();
        assert_eq!(json, wanted);
        let failed = Test::failed("c", vec!["said".to_owned()]);
        let failed = row(&failed);
        assert_eq!((failed.status, failed.said.len()), ("failed", 1));
    }
}
