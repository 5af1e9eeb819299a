// SPDX-License-Identifier: GPL-2.0

//! The commands that the pages show can be given: targets and variables of the Makefile exist, the
//! lab understands what the Makefile hands on to it, and scripts are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Parser;
use lab::cli::Cli;

const LAB: &str = "out/target/debug/lab";

/// Variables of the pages that name a place of the reader's.
const PLACES: &[&str] = &["AP", "D", "KDIR"];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The pages, by their names.
fn pages() -> Vec<(String, String)> {
    let files = fs::read_dir(top().join("Documentation")).unwrap();
    let mut files: Vec<PathBuf> = files.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|extension| extension == "rst"));
    files.push(top().join("README.md"));
    files.sort();
    let read = |file: PathBuf| {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        (name, fs::read_to_string(file).unwrap())
    };
    files.into_iter().map(read).collect()
}

/// Commands with output that [`pages_print_what_they_show`] leaves out, and why.
const NOT_RUN: &[(&str, &str)] = &[
    (
        "make check",
        "these tests are a part of it, and it takes minutes",
    ),
    ("make kselftest-install", "the directory is the reader's"),
    (
        "make report",
        "lifecycle's own tests compare what it prints",
    ),
    (
        "probe-analyze",
        "lifecycle's own tests compare what it prints",
    ),
    ("cat", "the file is the reader's"),
];

/// A command of a page.
#[derive(Debug, Default)]
struct Shown {
    command: String,
    /// The lines of output that follow it.
    output: Vec<String>,
}

/// The commands of a page: indented lines that begin with a prompt, each with the lines that it is
/// continued on, and the rest of its block as its output.
fn commands(page: &str) -> Vec<Shown> {
    let mut lines = page.lines();
    let mut commands: Vec<Shown> = Vec::new();
    let mut in_block = false;
    while let Some(line) = lines.next() {
        let indented = line.strip_prefix("    ");
        if let Some(command) = indented.and_then(|line| line.strip_prefix("$ ")) {
            let mut command = command.to_owned();
            while command.ends_with('\\') {
                command.pop();
                command.push_str(lines.next().unwrap_or_default().trim_start());
            }
            let output = Vec::new();
            commands.push(Shown { command, output });
            in_block = true;
        } else if let (Some(line), true, Some(shown)) = (indented, in_block, commands.last_mut()) {
            shown.output.push(line.to_owned());
        } else if line.is_empty() {
            if let (Some(shown), true) = (commands.last_mut(), in_block) {
                shown.output.push(String::new());
            }
        } else {
            in_block = false;
        }
    }
    for shown in &mut commands {
        while shown.output.last().is_some_and(String::is_empty) {
            shown.output.pop();
        }
    }
    commands
}

/// The words of a simple command, as the shell takes them.
fn words(command: &str) -> Vec<String> {
    let mut sh = Command::new("sh");
    sh.args(["-uc", &format!("set -- {command}; printf '%s\\n' \"$@\"")]);
    for place in PLACES {
        sh.env(place, "/place");
    }
    let output = sh.output().unwrap();
    assert!(output.status.success(), "{command}: {output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

/// Whether the command can be given; if not, why.
fn check(command: &str) -> Result<(), String> {
    for simple in command.split(" | ") {
        let simple = simple.split(" > ").next().unwrap_or(simple);
        let words = words(simple);
        match words[0].as_str() {
            "make" => make(&words[1..])?,
            LAB => lab(&words)?,
            script if script.starts_with("scripts/") && !top().join(script).is_file() => {
                return Err("there is no such script".to_owned());
            }
            _ => {}
        }
    }
    Ok(())
}

fn lab(words: &[String]) -> Result<(), String> {
    match Cli::try_parse_from(words) {
        Err(error) if error.use_stderr() => Err(error.to_string()),
        _ => Ok(()),
    }
}

/// What the Makefile would do must be known to the lab.
fn make(words: &[String]) -> Result<(), String> {
    let variables = words.iter().filter_map(|word| word.split_once('='));
    let variables: Vec<&str> = variables.map(|(name, _)| name).collect();
    if variables.contains(&"KDIR") || words.iter().any(|word| word == "-C") {
        // Another Makefile's, which is not here.
        return Ok(());
    }
    let makefile = fs::read_to_string(top().join("Makefile")).unwrap();
    let used = |name: &&str| {
        let mut words = makefile.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        words.any(|word| word == *name)
    };
    if let Some(unknown) = variables.iter().find(|name| !used(name)) {
        return Err(format!("the Makefile has no variable {unknown}"));
    }
    let output = Command::new("make")
        .current_dir(top())
        .args(["--dry-run", "--no-print-directory"])
        .args(words)
        // What this make check was told is no business of the other make.
        .env_clear()
        .envs(["PATH", "HOME"].map(|name| (name, std::env::var_os(name).unwrap_or_default())))
        .output()
        .unwrap();
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    let text = String::from_utf8_lossy(&output.stdout).replace("\\\n", " ");
    let mut calls = text.lines().filter(|line| line.starts_with(LAB));
    calls.try_for_each(|line| lab(&self::words(line)))
}

/// The literal block after the line that ends so.
fn block(page: &str, after: &str) -> String {
    let (_, rest) = page
        .split_once(after)
        .unwrap_or_else(|| panic!("no {after}"));
    let lines = rest.trim_start_matches('\n').lines();
    let lines = lines.take_while(|line| line.is_empty() || line.starts_with("    "));
    let text: Vec<&str> = lines
        .map(|line| line.strip_prefix("    ").unwrap_or(line))
        .collect();
    text.join("\n").trim_end().to_owned() + "\n"
}

/// A text on one line, with each number in it replaced: times differ from machine to machine.
fn without_numbers(text: &str) -> String {
    let mut plain = String::new();
    for c in text
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
    {
        match c {
            '0'..='9' if plain.ends_with('#') => {}
            '0'..='9' => plain.push('#'),
            c => plain.push(c),
        }
    }
    plain
}

/// Whether the output has the lines that the page shows, in their order, where it may break them
/// elsewhere. `...` stands for any lines.
fn compare(shown: &Shown, output: &str) -> Result<(), String> {
    let here = top().canonicalize().unwrap();
    let text = without_numbers(&output.replace(&format!("{}/", here.display()), ""));
    let mut rest = text.as_str();
    for line in shown.output.iter().map(|line| without_numbers(line)) {
        if line == "..." {
            continue;
        }
        let Some((_, after)) = rest.split_once(&line) else {
            let command = &shown.command;
            let why = "has not printed, or not in this order";
            return Err(format!("{command}\n{why}: {line}\n{output}"));
        };
        rest = after;
    }
    Ok(())
}

/// The driver of the page, from its sources to its report. It builds and boots: `make pages`.
#[test]
#[ignore = "builds and boots: make pages"]
fn your_driver() {
    let page = fs::read_to_string(top().join("Documentation/your-driver.rst")).unwrap();
    let dir = top().join("out/my_driver");
    let _ = fs::remove_dir_all(&dir);
    fs::create_dir_all(&dir).unwrap();
    fs::write(dir.join("Kbuild"), block(&page, "``Kbuild``::\n")).unwrap();
    fs::write(
        dir.join("my_driver.rs"),
        block(&page, "``my_driver.rs``::\n"),
    )
    .unwrap();
    let mut script = String::new();
    for shown in commands(&page) {
        let command = shown.command.as_str();
        if let Some(file) = command.strip_prefix("cat ") {
            fs::write(top().join(file), shown.output.join("\n") + "\n").unwrap();
        } else if command.starts_with("cd ") || command.starts_with("D=") {
            script += &format!("{command}\n");
        } else if !command.contains("KDIR") {
            let (text, is_success) = output(&format!("{script}{{ {command}; }}"));
            assert!(is_success, "{command}\n{text}");
            assert_eq!(compare(&shown, &text), Ok(()));
        }
    }
}

/// What a command prints, and whether it succeeds.
fn output(command: &str) -> (String, bool) {
    println!("$ {command}");
    let output = Command::new("sh")
        .current_dir(top())
        .args(["-ec", &format!("{{ {command}; }} 2>&1")])
        .env("AP", top())
        .env_remove("MAKEFLAGS")
        .env_remove("MAKELEVEL")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    (text, output.status.success())
}

/// The other commands whose output the pages show. A driver that is found to be wrong makes a
/// command fail, so the output alone is compared.
#[test]
#[ignore = "builds and boots: make pages"]
fn pages_print_what_they_show() {
    let is_run = |Shown { command, output }: &Shown| {
        let is = |begin| command == begin || command.starts_with(&format!("{begin} "));
        !output.is_empty() && !NOT_RUN.iter().any(|(begin, _)| is(begin))
    };
    let mut wrong = Vec::new();
    for (page, text) in pages() {
        if page == "your-driver.rst" {
            continue;
        }
        let mut script = String::new();
        for shown in commands(&text) {
            let command = &shown.command;
            if command.starts_with("cd ") || command.contains(" --output ") {
                script += &format!("{command}\n");
            } else if is_run(&shown) {
                let (text, _) = output(&format!("{script}{command}"));
                wrong.extend(compare(&shown, &text).err());
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_command_of_the_pages_can_be_given() {
    let mut wrong = Vec::new();
    let mut seen = 0;
    for (page, text) in pages() {
        for Shown { command, .. } in commands(&text) {
            seen += 1;
            if let Err(why) = check(&command) {
                wrong.push(format!("{page}: {command}\n{why}"));
            }
        }
    }
    assert!(seen > 40, "{seen} commands only");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn each_target_that_help_names_exists() {
    let help = Command::new("make").current_dir(top()).arg("help").output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    for line in help.lines().filter_map(|line| line.strip_prefix("  make ")) {
        let target = line.split(' ').next().unwrap_or_default();
        if target.starts_with(|c: char| c.is_ascii_lowercase()) {
            // patch-series wants a kernel tree.
            let words = [target.to_owned(), "LINUX=/place".to_owned()];
            assert_eq!(make(&words), Ok(()), "{target}");
        }
    }
}

#[test]
fn what_cannot_be_given() {
    for command in [
        "make chekc",
        "make check TEST=force_sync",
        "make check KERNEL= TIME=never",
        "make bench BENCH=nothing",
        "out/target/debug/lab vm --jobs job.sh",
        "scripts/nothing.sh",
    ] {
        assert!(check(command).is_err(), "{command}");
    }
    let page = "a::\n\n    $ make \\\n          check | tail -n 1\n    output\n";
    let [shown] = &commands(page)[..] else {
        panic!("one command");
    };
    assert_eq!(shown.command, "make check | tail -n 1");
    assert_eq!(shown.output, ["output"]);
}
