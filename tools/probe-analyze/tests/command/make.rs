// SPDX-License-Identifier: GPL-2.0

//! `make report`, `make timeline` and `make diff`: what they pass on.

use std::path::Path;
use std::process::Command;

/// The arguments that the program gets from a target with these variables.
fn arguments(target: &str, variables: &[&str]) -> Vec<String> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    // Prints the commands, with a program that prints each of its arguments in a line.
    let made = Command::new("make")
        .args([
            "--dry-run",
            "--silent",
            "PROBE_ANALYZE=printf '%s\\n'",
            target,
        ])
        .args(variables)
        .current_dir(top)
        .env_remove("MAKEFLAGS")
        .output()
        .unwrap();
    let commands = String::from_utf8(made.stdout).unwrap();
    let command = commands.lines().find(|line| line.starts_with("printf"));
    let command = command.unwrap_or_else(|| panic!("{commands}"));
    let printed = Command::new("sh").args(["-c", command]).output().unwrap();
    let printed = String::from_utf8(printed.stdout).unwrap();
    printed.lines().map(str::to_owned).collect()
}

#[test]
fn names_of_logs_with_blanks_and_quotes() {
    // $(value) keeps a dollar as it was typed.
    let odd = "it's a \"log\" `of` $(mine) $HOME";
    assert_eq!(
        arguments("report", &[&format!("LOG={odd}"), "ALL=1", "BOOT=2"]),
        ["report", "--all", "--boot=2", "--", odd]
    );
    assert_eq!(
        arguments("timeline", &["LOG=a b"]),
        ["timeline", "--out=out/timeline", "--", "a b"]
    );
    assert_eq!(
        arguments("diff", &["A=a b", "B=it's", "JSON=1"]),
        ["diff", "--json", "--", "a b", "it's"]
    );
}

#[test]
fn without_a_log_it_is_that_of_the_demonstration() {
    assert_eq!(
        arguments("report", &[]),
        ["report", "--", "out/run/results.log"]
    );
    // The program says what is missing.
    assert_eq!(arguments("diff", &["A=a"]), ["diff", "--", "a"]);
}
