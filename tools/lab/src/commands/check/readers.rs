// SPDX-License-Identifier: GPL-2.0

//! The kernel's own parser of KTAP must make sense of what the guest programs print, and of what
//! the kernel's runner of kselftests makes of that: `scripts/read-ktap.py`.

use lifecycle::ktap::{Parser, Status, Test};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::cache::remove_tree;
use crate::error::{IoContext, Result};
use crate::session::Session;

const SCRIPT: &str = "scripts/read-ktap.py";

/// Where the files are, in the checkout.
const DIRECTORY: &str = "out/check/ktap";

/// What the script that runs the runner puts before its output.
const QUOTED: &str = "# | ";

/// Has all outputs read whose names contain the filter.
pub(super) fn run(
    session: &Session,
    outputs: &[(String, String)],
    filter: &str,
) -> Result<Vec<Test>> {
    let top = session.project.top();
    let dir = top.join(DIRECTORY);
    remove_tree(&dir)?;
    fs::create_dir_all(&dir).at(&dir, "create the directory")?;
    let mut files = Vec::new();
    // kunit.py takes a program that has nothing to test here, `1..0 # SKIP`, for an error.
    let is_skipped = |text: &str| text.lines().any(|line| line.starts_with("1..0 # SKIP"));
    for (name, text) in outputs
        .iter()
        .filter(|(name, text)| name.contains(filter) && !is_skipped(text))
    {
        files.push((name.clone(), text.clone()));
        let quoted = documents(text).into_iter().enumerate();
        files.extend(quoted.map(|(number, text)| (format!("{name}-{number}"), text)));
    }
    if files.is_empty() {
        return Ok(vec![]);
    }
    let mut names = Vec::new();
    for (name, text) in files {
        let path = dir.join(format!("{name}.ktap"));
        fs::write(&path, text).at(&path, "write")?;
        names.push(format!("{DIRECTORY}/{name}.ktap"));
    }

    // The root file system has what the kernel's parser needs of Python.
    let argv = ["python3", SCRIPT, "/lab/kernel"];
    let argv = argv.map(str::to_owned).into_iter();
    let command = session
        .env
        .enter(argv.chain(names))
        .bind(top, "/lab/project")
        .bind(&session.kernel.source(), "/lab/kernel")
        .workdir("/lab/project")
        .command();
    read(command)
}

/// The documents that the runner has printed.
fn documents(text: &str) -> Vec<String> {
    let mut documents: Vec<String> = Vec::new();
    for line in text.lines().filter_map(|line| line.strip_prefix(QUOTED)) {
        if line.starts_with("TAP version ") {
            documents.push(String::new());
        }
        if let Some(document) = documents.last_mut() {
            document.push_str(line);
            document.push('\n');
        }
    }
    documents
}

/// Runs the script and reads its own KTAP.
fn read(mut command: Command) -> Result<Vec<Test>> {
    let script = Path::new(SCRIPT);
    let output = command.stdin(Stdio::null()).output().at(script, "run")?;
    let mut parser = Parser::default();
    for line in String::from_utf8_lossy(&output.stdout).lines() {
        parser.line(line);
    }
    let mut tests = parser.finish();
    for test in &mut tests {
        if test.status == Status::Failed && test.comments.is_empty() {
            // The script itself has failed.
            let errors = String::from_utf8_lossy(&output.stderr);
            test.comments = errors.lines().map(str::to_owned).collect();
        }
        test.name = format!("ktap: {}", test.name);
    }
    Ok(tests)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_runner_said() {
        let text = "KTAP version 1\n1..1\n# | a:b\n# | TAP version 13\n# | 1..1\n# | # x\n\
                    # | ok 1 a\nok 1 one\n# | TAP version 13\n# | 1..0\nok 2 two\n";
        assert_eq!(
            documents(text),
            [
                "TAP version 13\n1..1\n# x\nok 1 a\n",
                "TAP version 13\n1..0\n"
            ]
        );
        assert!(documents("KTAP version 1\n1..1\nok 1 x\n").is_empty());
    }
}
