// SPDX-License-Identifier: GPL-2.0

//! What the host's cargo builds and runs: the static programs for the guest, and the host's tests.

use std::env;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lifecycle::ktap::{Status, Test};
use serde::Deserialize;

use crate::arch::Arch;
use crate::enter::tethered;
use crate::error::{Error, IoContext, Kind, Result};
use crate::paths::name;
use crate::process::{self, into_log, wait, Guarded, Line};
use crate::progress::say;
use crate::project::Project;

fn cargo(project: &Project) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = tethered(&program.to_string_lossy());
    command
        .current_dir(project.top().join("tools"))
        .env("CARGO_TARGET_DIR", project.out("target"))
        .env("CARGO_TERM_COLOR", "never")
        .stdin(Stdio::null());
    command
}

/// Whether cargo only says what it does.
fn is_progress(line: &str) -> bool {
    let words = [
        "Compiling",
        "Finished",
        "Downloaded",
        "Downloading",
        "Locking",
        "Updating",
    ];
    let word = line.split_whitespace().next().unwrap_or_default();
    words.contains(&word)
}

/// The part of cargo's messages that we read.
#[derive(Debug, Deserialize)]
struct Message {
    executable: Option<PathBuf>,
}

/// The package of the guest programs, and the name of the file that has them all.
const PACKAGE: &str = "selftests";

/// A program that a guest program tests: it is built with them, and is in the same directory as
/// the file that has them all.
pub(crate) const PROBE_ANALYZE: &str = "probe-analyze";

/// The sources of the guest programs, in the checkout.
pub(crate) const SOURCES: &str = "tools/testing/selftests/async_probe/src/programs";

/// Where the guest programs are after a build, as links to the one file.
const LINKS: &str = "selftests";

/// The names of all guest programs, sorted: those of their sources.
pub(crate) fn names(project: &Project) -> Result<Vec<String>> {
    let sources = project.top().join(SOURCES);
    let mut names = Vec::new();
    for entry in fs::read_dir(&sources).at(&sources, "read the directory")? {
        let source = entry.at(&sources, "read the directory")?.path();
        names.push(name(&source.with_extension("")));
    }
    names.sort();
    Ok(names)
}

/// Makes a link by each name, unless it is there.
fn links(project: &Project, file: &Path) -> Result<Vec<PathBuf>> {
    let dir = project.out(LINKS);
    fs::create_dir_all(&dir).at(&dir, "create the directory")?;
    let make = |name: String| {
        let link = dir.join(name);
        if fs::read_link(&link).ok().as_deref() != Some(file) {
            let _ = fs::remove_file(&link);
            symlink(file, &link).at(&link, "make the link")?;
        }
        Ok(link)
    };
    names(project)?.into_iter().map(make).collect()
}

/// Builds the guest programs; returns them sorted by name.
pub(crate) fn build(project: &Project, arch: &Arch) -> Result<Vec<PathBuf>> {
    let file = executable(project, arch, &[PACKAGE, PROBE_ANALYZE])?;
    links(project, &file)
}

/// Builds `probe-analyze` alone.
pub(crate) fn probe_analyze(project: &Project, arch: &Arch) -> Result<PathBuf> {
    executable(project, arch, &[PROBE_ANALYZE])
}

/// Builds the program of the base initramfs.
pub(crate) fn late_initramfs(project: &Project, arch: &Arch) -> Result<PathBuf> {
    executable(project, arch, &[late_initramfs::NAME])
}

/// Builds static programs of these packages, of the same names; returns the first.
fn executable(project: &Project, arch: &Arch, packages: &[&str]) -> Result<PathBuf> {
    let mut command = cargo(project);
    command.args(["build", "--release"]);
    for package in packages {
        command.args(["--package", package, "--bin", package]);
    }
    command
        // Named explicitly, so that build scripts and macros are not built statically.
        .args(["--target", arch.rust])
        .args(["--message-format=json-render-diagnostics"])
        .env("RUSTFLAGS", "-C target-feature=+crt-static");
    let mut messages = String::new();
    let status = process::build(
        "building the guest programs",
        &mut command,
        &mut |line, step| match line {
            Line::Output(line) => {
                messages += line;
                messages.push('\n');
            }
            Line::Error(line) if is_progress(line) => step.message(line.trim()),
            Line::Error(line) => say(line),
        },
    )?;
    let package = packages[0];
    if !status.success() {
        return Err(Error::new(
            Kind::Build,
            "the guest programs do not build",
            format!("cargo: {status}; its messages are above"),
            format!("mend the package {package}, then run the same command again"),
        ));
    }
    let mut files = messages
        .lines()
        .filter_map(|line| serde_json::from_str::<Message>(line).ok()?.executable);
    files.find(|file| file.ends_with(package)).ok_or_else(|| {
        Error::new(
            Kind::Build,
            "the guest programs are not there",
            format!("cargo has built no executable of the package {package}"),
            "this is a bug of the lab: report it",
        )
    })
}

/// Runs the host's tests whose names contain the filter; hands on those that have passed as they
/// come. Tests that do something at random do the same for the same seed.
pub(crate) fn host_tests(
    project: &Project,
    filter: &str,
    seed: u64,
    passed: &dyn Fn(&Test),
) -> Result<Vec<Test>> {
    let mut shown = 0;
    let mut command = cargo(project);
    command.env("PROPTEST_RNG_SEED", seed.to_string());
    command.args(["test", "--workspace", "--no-fail-fast", "--", filter]);
    let (status, text) = logged(project, command, &mut |text| {
        let tests = results(text);
        let new = tests.get(shown..).unwrap_or_default();
        new.iter()
            .filter(|test| test.status == Status::Passed)
            .for_each(passed);
        shown = tests.len();
    })?;
    let mut tests = results(&text);
    let failed = tests.iter().any(|test| test.status == Status::Failed);
    if !status.success() && !failed {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let last = lines[lines.len().saturating_sub(30)..].to_vec();
        tests.push(Test::failed("host: cargo test", last));
    }
    Ok(tests)
}

/// The names of the host's tests.
pub(crate) fn host_names(project: &Project) -> Result<Vec<String>> {
    let mut command = cargo(project);
    command.args(["test", "--workspace", "--", "--list", "--format=terse"]);
    let (status, text) = logged(project, command, &mut |_| ())?;
    if !status.success() {
        return Err(Error::new(
            Kind::Build,
            "the host's tests do not build",
            format!("cargo: {status}"),
            "cd tools && cargo test --no-run shows its messages",
        ));
    }
    Ok(listed(&text))
}

/// Runs `cargo test` with its output in a log; returns that. What has come of it so far is handed
/// on about once a second.
fn logged(
    project: &Project,
    mut command: Command,
    so_far: &mut dyn FnMut(&str),
) -> Result<(ExitStatus, String)> {
    let log = project.out("log/host-tests.log");
    into_log(&mut command, &log)?;
    let read = || fs::read(&log).at(&log, "read");
    let mut last = Instant::now();
    let status = wait(&mut Guarded::spawn(&mut command)?, || {
        if last.elapsed() > Duration::from_secs(1) {
            last = Instant::now();
            let text = read().unwrap_or_default();
            // A line may be half written.
            let whole = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
            so_far(&String::from_utf8_lossy(&text[..whole]));
        }
    })?;
    Ok((status, String::from_utf8_lossy(&read()?).into_owned()))
}

/// The name of what cargo says that it runs.
fn unit(line: &str) -> Option<String> {
    if let Some(rest) = line.strip_prefix("Running ") {
        let file = rest.rsplit(['/', '(']).next()?.trim_end_matches(')');
        let name = file.rsplit_once('-').map_or(file, |(name, _hash)| name);
        return Some(name.to_owned());
    }
    let name = line.strip_prefix("Doc-tests ")?;
    Some(format!("{name} (documentation)"))
}

/// Reads what `cargo test -- --list` prints.
fn listed(text: &str) -> Vec<String> {
    let mut of = String::new();
    let mut names = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if let Some(unit) = unit(line) {
            of = unit;
        } else if let Some(name) = line.strip_suffix(": test") {
            names.push(format!("{of}: {name}"));
        }
    }
    names
}

/// Reads what cargo test prints.
fn results(text: &str) -> Vec<Test> {
    let mut of = String::new();
    let mut tests: Vec<Test> = Vec::new();
    for line in text.lines() {
        if let Some(unit) = unit(line.trim_start()) {
            of = unit;
        } else if let Some((name, verdict)) = line
            .strip_prefix("test ")
            .and_then(|rest| rest.rsplit_once(" ... "))
        {
            let status = match verdict.split(',').next().unwrap_or(verdict) {
                "ok" => Status::Passed,
                "ignored" => {
                    let reason = verdict.trim_start_matches("ignored");
                    Status::Skipped(reason.trim_start_matches(", ").to_owned())
                }
                _ => Status::Failed,
            };
            tests.push(Test {
                status,
                ..Test::failed(format!("{of}: {name}"), vec![])
            });
        } else if let Some(name) = line
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            unit_output(&mut tests, &of, name, text);
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
    fn host_names() {
        let text = "   Compiling x v1\n     Running unittests src/lib.rs (/x/deps/lab-0a)\n\
                    a::b: test\nc: benchmark\n   Doc-tests lab\nsrc/x.rs - (line 8): test\n";
        assert_eq!(
            listed(text),
            ["lab: a::b", "lab (documentation): src/x.rs - (line 8)"]
        );
    }

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
