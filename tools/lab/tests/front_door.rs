// SPDX-License-Identifier: GPL-2.0

//! What a user meets at the front door before anything is built or booted: the Makefile, the
//! prerequisites, and the command line. None of it may touch the cache.

use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use lab::FLAVOURS;
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::{kill, Signal};
use nix::unistd::Pid;

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The lab, which has no cache.
fn lab(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lab"));
    command
        .args(args)
        .current_dir(top())
        .env("XDG_CACHE_HOME", "/dev/null/no-cache")
        .stdin(Stdio::null());
    command
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Writes a program that prints something.
fn program(dir: &Path, name: &str, script: &str) -> PathBuf {
    let path = dir.join(name);
    // Another process writes it: a child that another test starts meanwhile inherits a file that
    // this process has open, and a file that is open for writing cannot be executed (ETXTBSY).
    let text = path.with_extension("text");
    fs::write(&text, format!("#!/bin/sh\n{script}\n")).unwrap();
    let installed = Command::new("install")
        .arg("-m755")
        .args([&text, &path])
        .status();
    assert!(installed.unwrap().success());
    path
}

#[test]
fn arguments_are_checked_before_anything_long() {
    for (args, said) in [
        (&["vm", "--job", "/nope"][..], "--job /nope is no file"),
        (
            &["check-driver", "/nope/foo.ko"],
            "MODULE=/nope/foo.ko is no file",
        ),
        (
            &["check-driver", "slow_bus_driver", "--firmware=/nope"],
            "FIRMWARE=/nope is no directory",
        ),
        (
            &["check-driver", "x", "--with=/nope/y.ko a=1"],
            "WITH=/nope/y.ko is no file",
        ),
        (&["run", "--kernel=/nope"], "KERNEL=/nope is not a kernel"),
        (&["run", "--arch=vax"], "expected one of x86_64"),
    ] {
        let output = lab(args).output().unwrap();
        assert_eq!(
            output.status.code(),
            Some(2),
            "{args:?}: {}",
            stderr(&output)
        );
        assert!(
            stderr(&output).contains(said),
            "{args:?}: {}",
            stderr(&output)
        );
    }
    // With good ones it comes as far as the cache.
    let output = lab(&["run"]).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}

#[test]
fn help_of_a_command_is_its_own() {
    let help = |command: &str| {
        let output = lab(&[command, "--help"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(help("run").contains("--kernel") && help("run").contains("--shift"));
    assert!(help("docs").contains("--kernel") && !help("docs").contains("--shift"));
    assert!(!help("clean-cache").contains("--kernel"));
}

#[test]
fn an_interrupt_ends_it_at_once() {
    let cache = tempfile::tempdir().unwrap();
    let dir = cache.path().join("async-probe");
    fs::create_dir(&dir).unwrap();
    let in_use = OpenOptions::new()
        .create_new(true)
        .write(true)
        .open(dir.join("in-use"));
    // As `make clean-cache` of another shell would hold it.
    let _lock = Flock::lock(in_use.unwrap(), FlockArg::LockExclusive).unwrap();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut child = lab(&["setup"])
            .env("XDG_CACHE_HOME", cache.path())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let waits = lines.next().unwrap().unwrap();
        assert!(waits.contains("waiting for"), "{waits}");
        let began = Instant::now();
        kill(Pid::from_raw(child.id().try_into().unwrap()), signal).unwrap();
        let code = child.wait().unwrap().code();
        assert!(began.elapsed() < Duration::from_secs(2));
        let said = lines.next().unwrap().unwrap();
        assert_eq!(
            (code, said.as_str()),
            (Some(130), "lab: error: interrupted")
        );
    }
}

/// Runs the script in a world of these programs, without a root file system in the cache.
fn prerequisites(cargo: &str, path: &Path) -> (Option<i32>, String) {
    let output = Command::new("/bin/sh")
        .arg(top().join("scripts/prerequisites.sh"))
        .env("CARGO", cargo)
        .env("PATH", path)
        .env("XDG_CACHE_HOME", path)
        .output()
        .unwrap();
    (output.status.code(), stderr(&output))
}

/// A directory with the programs that the script itself needs.
fn world() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["dirname", "sed", "sort", "head", "mkdir", "grep"] {
        let found = Command::new("/bin/sh")
            .args(["-c", &format!("command -v {name}")])
            .output()
            .unwrap();
        let found = String::from_utf8(found.stdout).unwrap();
        std::os::unix::fs::symlink(found.trim(), dir.path().join(name)).unwrap();
    }
    program(dir.path(), "cc", "true");
    program(
        dir.path(),
        "id",
        "[ \"$1\" = -un ] && echo somebody || echo 1000",
    );
    dir
}

#[test]
fn what_this_host_lacks_is_said_first() {
    let world = world();
    let dir = world.path();
    let (code, said) = prerequisites("/nope", dir);
    assert_eq!(code, Some(3));
    assert!(
        said.contains("no cargo") && said.contains("rustup"),
        "{said}"
    );

    let old = program(dir, "old", "echo cargo 1.63.0");
    let (code, said) = prerequisites(&old.display().to_string(), dir);
    assert_eq!(code, Some(3));
    let both = said.contains("cargo 1.63.0 is too old") && said.contains("Rust 1.85 or newer");
    assert!(both, "{said}");

    let new = program(dir, "new", "echo 'cargo 1.100.2 (abc 2026-01-01)'");
    let new = new.display().to_string();
    let (code, said) = prerequisites(&new, dir);
    assert_eq!(code, Some(3));
    assert!(
        said.contains("mmdebstrap") && said.contains("uidmap"),
        "{said}"
    );
    assert!(said.contains("sudo apt-get install"), "{said}");

    // With a root file system in the cache nothing of that is needed.
    fs::create_dir_all(dir.join("async-probe/rootfs-x")).unwrap();
    assert_eq!(prerequisites(&new, dir), (Some(0), String::new()));
    fs::remove_file(dir.join("cc")).unwrap();
    assert!(prerequisites(&new, dir).1.contains("no linker"));
}

/// The arguments that a target of the Makefile gives to the lab.
fn arguments(target: &str, variables: &[&str]) -> Vec<String> {
    let dir = tempfile::tempdir().unwrap();
    let echo = program(dir.path(), "echo", "printf '%s\\n' \"$@\"");
    let output = Command::new("make")
        .args(["--no-print-directory", "--assume-old=lab", target])
        .arg(format!("LAB={}", echo.display()))
        .args(variables)
        .current_dir(top())
        // What this make check was told is no business of the other make.
        .env_clear()
        .envs(["PATH", "HOME"].map(|name| (name, std::env::var_os(name).unwrap_or_default())))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn blanks_and_quotes_in_variables_arrive() {
    let odd = "a b's \"c\" $d";
    for (target, variable, wanted) in [
        ("run", "KERNEL", format!("--kernel={odd}")),
        ("check", "TESTS", odd.to_owned()),
        ("check-driver", "MODULE", odd.to_owned()),
        ("check-driver", "FIRMWARE", format!("--firmware={odd}")),
        ("check-driver", "WITH", format!("--with={odd}")),
        ("bench-compare", "BASE", format!("--base={odd}")),
        ("kselftest-install", "INSTALL_PATH", odd.to_owned()),
    ] {
        let got = arguments(target, &[&format!("{variable}={}", odd.replace('$', "$$"))]);
        // make itself has doubled dollars on its command line.
        let wanted = wanted.replace('$', "$$");
        assert!(got.contains(&wanted), "{target} {variable}: {got:?}");
    }
}

#[test]
fn help_has_all_kernels() {
    let help = arguments("help", &[]).join("\n");
    for flavour in FLAVOURS {
        assert!(help.contains(flavour.name), "{}", flavour.name);
    }
}

#[test]
fn what_make_is_told_is_passed_on() {
    assert!(arguments("run", &["-s"]).contains(&"--quiet".to_owned()));
    assert!(arguments("run", &["V=1"]).contains(&"--verbose".to_owned()));
    assert!(arguments("check", &["LIST=1"]).contains(&"--list".to_owned()));
    assert!(arguments("check", &["JSON=1"]).contains(&"--json".to_owned()));
    let plain = arguments("run", &[]);
    assert_eq!(plain, ["run"]);
}

#[test]
fn a_shell_without_a_terminal_says_so_or_runs_stdin() {
    // stdin is no terminal here: it is read, and then the cache is looked for.
    let script = File::open("/dev/null").unwrap();
    let output = lab(&["shell"]).stdin(script).output().unwrap();
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
}
