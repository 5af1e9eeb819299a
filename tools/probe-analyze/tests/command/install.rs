// SPDX-License-Identifier: GPL-2.0

//! What is installed beside the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::run::expect;

/// What the program writes for its installation.
fn data() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    let status = Command::new(env!("CARGO_BIN_EXE_probe-analyze-data"))
        .arg(directory.path())
        .status()
        .unwrap();
    assert!(status.success());
    directory
}

/// The subcommands that `--help` lists.
fn subcommands() -> Vec<String> {
    let help = expect(&["--help"], 0).stdout;
    let list = help.split_once("Commands:\n").unwrap().1;
    let names = list.lines().take_while(|line| !line.is_empty());
    names
        .map(|line| line.split_whitespace().next().unwrap().to_owned())
        .filter(|name| name != "help")
        .collect()
}

#[test]
fn each_subcommand_has_a_man_page() {
    let data = data();
    let pages = data.path().join("share/man/man1");
    let subcommands = subcommands();
    assert!(subcommands.len() >= 3);
    for name in &subcommands {
        let page = fs::read_to_string(pages.join(format!("probe-analyze-{name}.1"))).unwrap();
        assert!(page.contains(r"\-\-quiet"), "{name}: {page}");
        assert!(page.contains("Exit codes:"), "{name}: {page}");
    }
    let main = fs::read_to_string(pages.join("probe-analyze.1")).unwrap();
    assert!(main.contains(r"probe\-analyze\-report(1)"));
    assert_eq!(fs::read_dir(pages).unwrap().count(), subcommands.len() + 1);
}

#[test]
fn bash_completes() {
    let data = data();
    let script = data
        .path()
        .join("share/bash-completion/completions/probe-analyze");
    let complete = |words: &str| {
        let last = words.rsplit(' ').next().unwrap();
        let at = words.split(' ').count() - 1;
        let shell = format!(
            "source '{}'; COMP_WORDS=({words}); COMP_CWORD={at}; \
             function=$(complete -p probe-analyze | sed 's/.* -F \\([^ ]*\\) .*/\\1/'); \
             $function probe-analyze '{last}'; echo \"${{COMPREPLY[@]}}\"",
            script.display()
        );
        let output = Command::new("bash").args(["-c", &shell]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    assert_eq!(complete("probe-analyze rep"), "report");
    assert_eq!(complete("probe-analyze diff --js"), "--json");
    assert_eq!(complete("probe-analyze report --o"), "");
}

#[test]
fn the_debian_package_has_all_of_it() {
    let manifest = include_str!("../../Cargo.toml");
    let data = data();
    let mut directories = vec![data.path().to_owned()];
    let mut files: Vec<PathBuf> = vec![];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else {
                files.push(path.strip_prefix(data.path()).unwrap().to_owned());
            }
        }
    }
    assert!(files.len() > 6);
    for file in files {
        let source = Path::new("../../out/probe-analyze").join(file.parent().unwrap());
        let pattern = format!("[\"{}/*", source.display());
        assert!(manifest.contains(&pattern), "{pattern}");
    }
}
