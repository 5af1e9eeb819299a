// SPDX-License-Identifier: GPL-2.0

//! `report`, `timeline` and `diff`: what they print and write, and how they exit.

use std::fs;
use std::path::Path;

use crate::run::{expect, probe_analyze, sample, Output};

const NO_PROBES: &str = "[    0.000000] Linux version 6.12.0 (x) #1\n\
    [    0.500000] Run /init as init process\n";

#[test]
fn report_of_a_recording() {
    let output = expect(&["report", &sample("c_driver_convoy.txt")], 0);
    let wanted = fs::read_to_string(sample("c_driver_convoy.report")).unwrap();
    let wanted = wanted.split_once('\n').unwrap().1;
    // The heading names the file as it was named to the command.
    let table = &wanted[wanted.find("\n\n").unwrap()..];
    assert!(output.stdout.ends_with(table), "{}", output.stdout);
    assert_eq!(output.stderr, "");
}

#[test]
fn reports_of_standard_input() {
    let log = fs::read(sample("initcall_debug.txt")).unwrap();
    let output = probe_analyze(&["report", "-"]).input(&log).run();
    assert_eq!(output.code, Some(0), "{}", output.stderr);
    assert!(output.stdout.starts_with("standard input: "));

    let output = probe_analyze(&["report", "-", "--json"]).input(&log).run();
    let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert_eq!(json["name"], "standard input");
    assert_eq!(output.stdout.lines().count(), 1);
}

#[test]
fn quiet_prints_nothing() {
    let log = sample("initcall_debug.txt");
    let other = sample("c_driver_convoy.txt");
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().to_str().unwrap();
    for (args, code) in [
        (vec!["report", "--quiet", &log], 0),
        (vec!["timeline", "-q", &log, "--out", out], 0),
        (vec!["diff", "--quiet", &log, &log], 0),
        (vec!["diff", "--quiet", &log, &other], 1),
    ] {
        let output = expect(&args, code);
        assert_eq!((output.stdout.as_str(), output.stderr.as_str()), ("", ""));
    }
}

#[test]
fn a_log_without_probes_says_how_to_get_one_with_them() {
    for text in [NO_PROBES, "hello\n", ""] {
        for command in ["report", "timeline"] {
            let output = probe_analyze(&[command, "-"]).input(text.as_bytes()).run();
            assert_eq!(output.code, Some(9), "{text}");
            assert!(output.stderr.contains("has nothing about probes"));
            assert!(output.stderr.contains("initcall_debug log_buf_len=16M"));
            assert_eq!(output.stdout, "");
        }
    }
}

#[test]
fn a_log_that_is_not_there_or_not_whole() {
    let output = expect(&["report", "/nonexistent/log"], 8);
    assert!(output
        .stderr
        .contains("cannot read the log /nonexistent/log"));
    let whole = fs::read_to_string(sample("c_driver_convoy.txt")).unwrap();
    let half = &whole.as_bytes()[..whole.len() / 2];
    let output = probe_analyze(&["report", "-"]).input(half).run();
    assert_eq!(output.code, Some(8));
    assert!(output.stderr.contains("the recording is cut off"));
}

#[test]
fn one_of_several_boots() {
    let boot = |device: &str| {
        format!(
            "[    0.000000] Linux version 6.12.0 (x) #1\n\
             [    1.000000] probe of {device} returned 0 after 5 usecs\n"
        )
    };
    let log = boot("first") + &boot("second");
    let report = |args: &[&str]| {
        let args = [&["report", "-"], args].concat();
        probe_analyze(&args).input(log.as_bytes()).run()
    };
    let last = report(&[]);
    assert_eq!(last.code, Some(0), "{}", last.stderr);
    assert!(last.stdout.contains("second") && !last.stdout.contains("first"));
    assert!(last.stderr.contains("boot 2 of the 2"), "{}", last.stderr);
    let first = report(&["--boot=1"]);
    assert!(first.stdout.contains("first") && !first.stdout.contains("second"));
    assert_eq!(report(&["--boot=3"]).code, Some(8));
    assert_eq!(report(&["--boot=3", "--quiet"]).code, Some(8));
    assert_eq!(report(&["--boot=one"]).code, Some(2));
    assert_eq!(report(&["--quiet"]).stderr, "");

    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("log");
    fs::write(&file, &log).unwrap();
    let file = file.to_str().unwrap();
    expect(&["diff", "--boot-a=1", "--boot-b=1", file, file], 0);
    expect(&["diff", "--boot-a=1", file, file], 1);
}

#[test]
fn diff_exits_as_diff_does() {
    let a = sample("c_driver_convoy.txt");
    let b = sample("convoy_with_calls.txt");
    let output = expect(&["diff", &a, &a], 0);
    assert!(output.stdout.contains("no difference in"));
    let output = expect(&["diff", "--json", &a, &b], 1);
    let json: serde_json::Value = serde_json::from_str(&output.stdout).unwrap();
    assert!(!json["changes"].as_array().unwrap().is_empty());
    expect(&["diff", &a, "/nonexistent/log"], 8);
    let output = expect(&["diff", "-", "-"], 2);
    assert!(output.stderr.contains("both logs are standard input"));
}

#[test]
fn timeline_writes_three_complete_files() {
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("a 'b'");
    let log = sample("c_driver_convoy.txt");
    let arg = out.to_str().unwrap();
    let output = expect(&["timeline", &log, "--out", arg, "--title", "<a & b>"], 0);
    assert!(output.stdout.contains(arg));
    assert_eq!(
        names(&out),
        ["timeline.html", "timeline.svg", "timeline.trace.json"]
    );
    let page = fs::read_to_string(out.join("timeline.html")).unwrap();
    assert!(page.contains("&lt;a &amp; b&gt;"));
    assert!(page.trim_end().ends_with("</html>"));

    let output = expect(&["timeline", &log, "--out", arg, "--json"], 0);
    let files: Vec<String> = serde_json::from_str(&output.stdout).unwrap();
    assert!(files.iter().all(|file| Path::new(file).is_file()));

    let output = expect(&["timeline", &log, "--out", "/proc/nowhere"], 7);
    assert!(output.stderr.contains("cannot write /proc/nowhere"));
}

#[test]
fn each_subcommand_has_its_own_help() {
    let of = |command: &str| expect(&[command, "--help"], 0).stdout;
    let (report, timeline, diff) = (of("report"), of("timeline"), of("diff"));
    assert!(report.contains("--all") && !report.contains("--out"));
    assert!(timeline.contains("--out") && !timeline.contains("--all"));
    assert!(diff.contains("    1  the logs differ") && !report.contains("the logs differ"));
    for help in [report, timeline, diff] {
        assert!(help.contains("Exit codes:") && help.contains("  130  "));
        assert!(!help.contains("--kernel"), "{help}");
    }
    assert!(expect(&["--help"], 0).stdout.contains("report"));
    assert!(expect(&["frobnicate"], 2).stderr.contains("frobnicate"));
}

#[test]
fn colours_know_a_terminal_and_no_color() {
    let log = sample("c_driver_convoy.txt");
    let report = ["report", log.as_str()];
    let escaped = |output: Output| output.stdout.contains("\x1b[1m");
    assert!(!escaped(probe_analyze(&report).run()));
    assert!(escaped(probe_analyze(&report).terminal().run()));
    assert!(!escaped(
        probe_analyze(&report).env("NO_COLOR", "1").terminal().run()
    ));
    let always = ["report", &log, "--color=always"];
    assert!(escaped(probe_analyze(&always).run()));
    let never = ["report", &log, "--color=never"];
    assert!(!escaped(probe_analyze(&never).terminal().run()));
}

#[test]
fn an_early_end_of_the_reader_is_no_error() {
    let log = sample("c_driver_convoy.txt");
    let output = probe_analyze(&["report", &log]).closed_stdout().run();
    assert_eq!((output.code, output.stderr.as_str()), (Some(0), ""));
}

#[test]
fn what_if_needs_the_names_of_drivers() {
    let log = "[    1.000000] calling  a_init+0x0/0x10 @ 1\n\
               [    1.500000] probe of a.0 returned 0 after 400000 usecs\n\
               [    1.500001] initcall a_init+0x0/0x10 returned 0 after 500001 usecs\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), log).unwrap();
    let output = expect(&["what-if", file.path().to_str().unwrap()], 9);
    assert!(
        output.stderr.contains("names no driver"),
        "{}",
        output.stderr
    );
}

#[test]
fn a_full_disk_is_an_error() {
    let log = sample("c_driver_convoy.txt");
    for args in [
        &["report", &log][..],
        &["report", "--json", &log],
        &["what-if", &log],
    ] {
        let output = probe_analyze(args).full_stdout().run();
        assert_eq!(output.code, Some(7), "{args:?}");
        assert!(output.stderr.contains("cannot write standard output"));
    }
}

/// The names in a directory, sorted.
fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}
