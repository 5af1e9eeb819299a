// SPDX-License-Identifier: GPL-2.0

//! The results that the pages show are those of tests that there are.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../..")
}

/// All pages in one text.
fn pages() -> String {
    let files = fs::read_dir(top().join("Documentation")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rst"));
    files.push(top().join("README.md"));
    let texts = files.iter().map(|file| fs::read_to_string(file).unwrap());
    texts.collect::<Vec<_>>().join("\n")
}

/// The names of the tests of a program.
fn tests_of(program: &str) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_selftests"))
        .arg0(program)
        .env("ASYNC_PROBE_LIST", "1")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("# test: "));
    names.map(str::to_owned).collect()
}

/// Reads `ok    force_sync: …` and `ok 1 force_sync: …`.
fn shown(line: &str) -> Option<&str> {
    let rest = line.strip_prefix("    ok ")?.trim_start();
    Some(
        rest.trim_start_matches(|c: char| c.is_ascii_digit())
            .trim_start(),
    )
}

#[test]
fn each_result_is_of_a_test() {
    let pages = pages();
    let mut seen = 0;
    for name in pages.lines().filter_map(shown) {
        let program = name.split(':').next().unwrap_or_default();
        // KUnit knows the names of its cases, and the runner of kselftests has its own results.
        if matches!(program, "kunit" | "selftests") {
            continue;
        }
        seen += 1;
        let tests = tests_of(program);
        assert!(tests.iter().any(|test| test == name), "no test {name}");
    }
    assert!(seen > 3, "{seen} results only");
}
