// SPDX-License-Identifier: GPL-2.0

//! The parts of a run that was divided (`PARTITION=m/n`), put together again.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::tally::Tally;
use crate::error::{Error, Kind, Result};
use crate::partition::Partition;
use crate::progress::result;

/// Adds the results of all parts up. Each test counts once.
///
/// # Errors
///
/// [`Kind::Failed`] if a part is missing, if one test is in two parts, if the parts are of
/// different runs, or if a test has failed.
pub(super) fn join(dir: &Path, of: usize) -> Result<()> {
    let mut missing = Vec::new();
    let mut tests: BTreeMap<String, String> = BTreeMap::new();
    let mut identity = Value::Null;
    for part in Partition::all(of) {
        let name = part.name().unwrap_or_default();
        let text = fs::read_to_string(dir.join(format!("{name}.json"))).unwrap_or_default();
        let Ok(mut results) = serde_json::from_str::<Value>(&text) else {
            missing.push(part.to_string());
            continue;
        };
        let own = results["identity"].take();
        if !identity.is_null() && identity != own {
            return Err(wrong(
                format!("part {part} ran on something else: {own}"),
                of,
            ));
        }
        identity = own;
        for test in results["tests"].as_array().into_iter().flatten() {
            let word = |key: &str| test[key].as_str().unwrap_or_default().to_owned();
            if tests.insert(word("name"), word("status")).is_some() {
                return Err(wrong(format!("{} is in two parts", word("name")), of));
            }
        }
    }
    if !missing.is_empty() {
        return Err(Error::new(
            Kind::Failed,
            format!("{} of {of} parts are missing", missing.len()),
            format!("there are no results of {}", missing.join(", ")),
            format!("make check PARTITION={}; then JOIN={of} again", missing[0]),
        ));
    }
    let count = |status: &str| tests.values().filter(|of| *of == status).count();
    let tally = Tally {
        passed: count("passed"),
        failed: count("failed"),
        skipped: count("skipped"),
    };
    for (name, _) in tests.iter().filter(|(_, status)| *status == "failed") {
        result(&format!("FAIL  {name}"));
    }
    result(&tally.to_string());
    tally.verdict("make check TESTS=<part of a name> runs some of them")
}

fn wrong(why: String, of: usize) -> Error {
    Error::new(
        Kind::Failed,
        "the parts do not belong together",
        why,
        format!("run all parts again, of one revision: make check PARTITION=1/{of} and so on"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts() {
        let dir = tempfile::tempdir().unwrap();
        let part = |number: usize, revision: &str, tests: &str| {
            let text = format!("{{\"identity\": \"{revision}\", \"tests\": [{tests}]}}");
            fs::write(dir.path().join(format!("part-{number}-of-2.json")), text).unwrap();
        };
        let test = |name: &str, status: &str| {
            format!("{{\"name\": \"{name}\", \"status\": \"{status}\"}}")
        };
        part(1, "a", &test("x", "passed"));
        let error = join(dir.path(), 2).unwrap_err();
        assert!(error.why.ends_with("2/2"), "{error}");
        part(2, "a", &test("y", "skipped"));
        join(dir.path(), 2).unwrap();
        part(2, "a", &test("y", "failed"));
        assert_eq!(join(dir.path(), 2).unwrap_err().what, "1 of 2 tests failed");
        part(2, "a", &test("x", "passed"));
        assert_eq!(join(dir.path(), 2).unwrap_err().why, "x is in two parts");
        part(2, "b", "");
        assert!(join(dir.path(), 2)
            .unwrap_err()
            .why
            .contains("something else"));
    }
}
