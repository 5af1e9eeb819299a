// SPDX-License-Identifier: GPL-2.0

//! What the host's cargo builds and runs: the static programs for the guest, and the host's tests.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;

use crate::arch::Arch;
use crate::error::{Error, IoContext, Kind, Result};
use crate::ktap::{Status, Test};
use crate::process::{wait, Guarded};
use crate::project::Project;

fn cargo(project: &Project) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command
        .current_dir(project.top().join("tools"))
        .env("CARGO_TARGET_DIR", project.out("target"))
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null());
    command
}

/// The part of cargo's messages that we read.
#[derive(Debug, Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// Builds the guest programs of a package; returns them sorted by name.
pub fn build(project: &Project, arch: &Arch, package: &str) -> Result<Vec<PathBuf>> {
    let output = cargo(project)
        .args(["build", "--release", "--package", package, "--bins"])
        // Named explicitly, so that build scripts and macros are not built statically.
        .args(["--target", arch.rust])
        .args(["--quiet", "--message-format=json-render-diagnostics"])
        .env("RUSTFLAGS", "-C target-feature=+crt-static")
        .stderr(Stdio::inherit())
        .output()
        .at(Path::new("cargo"), "run")?;
    if !output.status.success() {
        return Err(Error::new(
            Kind::Build,
            "the guest programs do not build",
            format!("cargo: {}; its messages are above", output.status),
            format!("mend the package {package}, then run the same command again"),
        ));
    }
    let mut programs: Vec<PathBuf> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable)
        .collect();
    programs.sort();
    Ok(programs)
}

/// Runs the host's tests whose names contain the filter.
pub fn host_tests(project: &Project, filter: &str) -> Result<Vec<Test>> {
    let log = project.out("log/host-tests.log");
    if let Some(dir) = log.parent() {
        fs::create_dir_all(dir).at(dir, "create the directory")?;
    }
    let file = fs::File::create(&log).at(&log, "write")?;
    let copy = file.try_clone().at(&log, "write")?;
    let mut command = cargo(project);
    command
        .args(["test", "--workspace", "--no-fail-fast", "--", filter])
        .stdout(file)
        .stderr(copy);
    let status = wait(&mut Guarded::spawn(&mut command)?, || ())?;
    let text = fs::read_to_string(&log).at(&log, "read")?;
    let mut tests = results(&text);
    let failed = tests.iter().any(|test| test.status == Status::Failed);
    if !status.success() && !failed {
        tests.push(Test::failed(
            "host: cargo test",
            text.lines()
                .rev()
                .take(30)
                .map(str::to_owned)
                .collect::<Vec<_>>()
                .into_iter()
                .rev()
                .collect(),
        ));
    }
    Ok(tests)
}

/// Reads what cargo test prints.
fn results(text: &str) -> Vec<Test> {
    let mut unit = String::new();
    let mut tests: Vec<Test> = Vec::new();
    for line in text.lines() {
        let words = line.trim_start();
        if let Some(rest) = words.strip_prefix("Running ") {
            rest.rsplit(['/', '('])
                .next()
                .unwrap_or(rest)
                .trim_end_matches(')')
                .clone_into(&mut unit);
            if let Some((name, _hash)) = unit.rsplit_once('-') {
                unit = name.to_owned();
            }
        } else if let Some(name) = words.strip_prefix("Doc-tests ") {
            unit = format!("{name} (documentation)");
        } else if let Some((name, verdict)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            let status = match verdict.split(',').next().unwrap_or(verdict) {
                "ok" => Status::Passed,
                "ignored" => Status::Skipped(
                    verdict
                        .trim_start_matches("ignored")
                        .trim_start_matches(", ")
                        .to_owned(),
                ),
                _ => Status::Failed,
            };
            tests.push(Test {
                name: format!("{unit}: {name}"),
                status,
                comments: vec![],
                time: None,
            });
        } else if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            unit_output(&mut tests, &unit, name, text);
        }
    }
    tests
}

/// Gives a failed test what it printed.
fn unit_output(tests: &mut [Test], unit: &str, name: &str, text: &str) {
    let wanted = format!("{unit}: {name}");
    let marker = format!("---- {name} stdout ----");
    if let Some(test) = tests.iter_mut().rev().find(|test| test.name == wanted) {
        test.comments = text
            .lines()
            .skip_while(|line| **line != marker)
            .skip(1)
            .take_while(|line| !line.starts_with("---- ") && *line != "failures:")
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
     Running unittests src/lib.rs (/x/out/target/debug/deps/lifecycle-0a1b2c)

running 3 tests
test dmesg::tests::one ... ok
test dmesg::tests::two ... FAILED
test slow ... ignored, takes an hour

failures:

---- dmesg::tests::two stdout ----
assertion failed

failures:
    dmesg::tests::two

test result: FAILED. 1 passed; 1 failed; 1 ignored; 0 measured; 0 filtered out
   Doc-tests firmware
test ../samples/firmware/lib.rs - (line 8) ... ok
";

    #[test]
    fn host_results() {
        let tests = results(OUTPUT);
        let names: Vec<&str> = tests.iter().map(|test| test.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "lifecycle: dmesg::tests::one",
                "lifecycle: dmesg::tests::two",
                "lifecycle: slow",
                "firmware (documentation): ../samples/firmware/lib.rs - (line 8)"
            ]
        );
        assert_eq!(tests[1].status, Status::Failed);
        assert_eq!(tests[1].comments, ["assertion failed"]);
        assert_eq!(tests[2].status, Status::Skipped("takes an hour".into()));
    }
}
