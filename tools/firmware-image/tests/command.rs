// SPDX-License-Identifier: GPL-2.0

//! The command as people and scripts meet it: what it writes, what it says, how it exits.

use std::fs;
use std::os::unix::fs::{symlink, MetadataExt};
use std::path::Path;
use std::process::{Command, Output};

use firmware::encode::{self, Damage};
use firmware::image::Image;

/// Runs the command in `directory`.
fn run(directory: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_firmware-image"))
        .current_dir(directory)
        .args(args)
        .output()
        .unwrap()
}

/// Runs the command, and expects an exit code and words on standard output and standard error.
#[track_caller]
fn expect(directory: &Path, args: &[&str], code: i32, stdout: &str, stderr: &str) {
    let output = run(directory, args);
    let seen_stdout = String::from_utf8_lossy(&output.stdout);
    let seen_stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {seen_stderr}");
    assert_eq!(seen_stdout, stdout, "{args:?}");
    assert!(seen_stderr.contains(stderr), "{args:?}: {seen_stderr}");
    assert_eq!(seen_stderr.is_empty(), stderr.is_empty(), "{seen_stderr}");
}

/// Returns the names in `directory`.
fn names(directory: &Path) -> Vec<String> {
    fs::read_dir(directory)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn default_image_is_good_and_always_the_same() {
    let directory = tempfile::tempdir().unwrap();

    expect(directory.path(), &["--output", "good.fw"], 0, "", "");

    let bytes = fs::read(directory.path().join("good.fw")).unwrap();
    assert_eq!(
        Image::parse(&bytes).unwrap().payload(),
        encode::payload(65536, 0)
    );
    expect(
        directory.path(),
        &["--check", "good.fw"],
        0,
        "good.fw: good: 24 bytes of header, 65536 bytes of payload\n",
        "",
    );
    // Nothing of the temporary file stays behind: neither its name nor its mode.
    assert_eq!(names(directory.path()), ["good.fw"]);
    fs::write(directory.path().join("plain"), "").unwrap();
    let mode = |name| fs::metadata(directory.path().join(name)).unwrap().mode();
    assert_eq!(mode("good.fw"), mode("plain"));
}

#[test]
fn each_damage_is_made_and_found() {
    let directory = tempfile::tempdir().unwrap();

    for damage in Damage::ALL {
        let bad = damage.name();
        let args = ["--payload-bytes", "9", "--output", bad, "--damage", bad];
        expect(directory.path(), &args, 0, "", "");

        let bytes = fs::read(directory.path().join(bad)).unwrap();
        let error = Image::parse(&bytes).unwrap_err();
        expect(
            directory.path(),
            &["--check", bad],
            1,
            &format!("{bad}: {error} (errno {})\n", -error.errno()),
            "",
        );
    }
}

#[test]
fn all_files_are_checked_and_the_worst_counts() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("bad"), "").unwrap();
    run(
        directory.path(),
        &["--output", "good", "--payload-bytes", "1"],
    );

    expect(
        directory.path(),
        &["--check", "missing", "bad", "good"],
        3,
        "bad: truncated: 0 bytes of 24 (errno 61)\n\
         good: good: 24 bytes of header, 1 bytes of payload\n",
        "error: cannot read missing: No such file or directory",
    );
}

#[test]
fn an_old_file_is_replaced_through_a_link() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("old"), "old").unwrap();
    symlink("old", directory.path().join("link")).unwrap();

    expect(directory.path(), &["--output", "link"], 0, "", "");

    assert!(directory.path().join("link").is_symlink());
    assert!(Image::parse(&fs::read(directory.path().join("old")).unwrap()).is_ok());
}

#[test]
fn what_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();

    for (file, why) in [
        ("missing/a.fw", "No such file or directory"),
        ("/dev/null", "it exists and is not a regular file"),
        (".", "it exists and is not a regular file"),
    ] {
        let stderr = format!("error: cannot write {file}: {why}");
        expect(directory.path(), &["--output", file], 3, "", &stderr);
    }
    assert!(names(directory.path()).is_empty());
}

#[test]
fn wrong_arguments_are_refused() {
    let directory = tempfile::tempdir().unwrap();
    let cases: &[(&[&str], &str)] = &[
        (&[], "--output <FILE>"),
        (
            &["--output", "a", "--payload-bytes", "0"],
            "0 is not in 1..=1048576",
        ),
        (
            &["--output", "a", "--payload-bytes", "1048577"],
            "1048577 is not in 1..=1048576",
        ),
        (&["--output", "a", "--seed", "-1"], "-1"),
        (
            &["--output", "a", "--damage", "rust"],
            "[possible values: truncated-header,",
        ),
        (&["--check", "a", "--output", "b"], "cannot be used with"),
        (
            &["--check", "a", "--damage", "empty"],
            "cannot be used with",
        ),
    ];

    for (args, stderr) in cases {
        expect(directory.path(), args, 2, "", stderr);
    }
    assert!(names(directory.path()).is_empty());
}
