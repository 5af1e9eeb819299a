// SPDX-License-Identifier: GPL-2.0

//! Running a command inside the root file system.
//!
//! The lab executes itself twice: the first stage makes the namespaces, the second, which is
//! process 1 of a PID namespace, makes the mounts, changes root and executes the command. Each
//! stage dies with its parent, and the namespace dies with its first process: however the lab ends,
//! nothing that it started outlives it.

use std::env;
use std::fs;
use std::os::unix::process::CommandExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nix::errno::Errno;
use nix::mount::{mount, MsFlags};
use nix::sched::{unshare, CloneFlags};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::Signal;
use nix::unistd::{chdir, chroot, getegid, geteuid, getpid, getppid};
use serde::{Deserialize, Serialize};

use crate::error::{Error, IoContext, Kind, Result};

/// Files of the host that a command inside needs to reach the network as the host does.
const FROM_HOST: &[&str] = &["/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs"];

/// Variables that are passed on.
const PASSED_ON: &[&str] = &[
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "TERM",
];

/// The environment of every command inside.
const FIXED: &[(&str, &str)] = &[
    ("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"),
    ("HOME", "/root"),
    ("LC_ALL", "C.UTF-8"),
    ("DEBIAN_FRONTEND", "noninteractive"),
];

/// What to run, and what it sees.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    root: PathBuf,
    binds: Vec<(PathBuf, String)>,
    workdir: String,
    argv: Vec<String>,
    parent: i32,
}

impl Spec {
    /// A command inside a root file system.
    pub(crate) fn new<I, S>(root: &Path, argv: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self {
            root: root.to_owned(),
            binds: Vec::new(),
            workdir: "/".to_owned(),
            argv: argv.into_iter().map(Into::into).collect(),
            parent: 0,
        }
    }

    /// Shows a host directory or file at a path inside, which must exist in the root file system.
    pub(crate) fn bind(mut self, host: &Path, inside: &str) -> Self {
        self.binds.push((host.to_owned(), inside.to_owned()));
        self
    }

    pub(crate) fn arg(mut self, argument: &str) -> Self {
        self.argv.push(argument.to_owned());
        self
    }

    pub(crate) fn workdir(mut self, inside: &str) -> Self {
        inside.clone_into(&mut self.workdir);
        self
    }

    /// The command that does it, for the host to start.
    pub(crate) fn command(mut self) -> Command {
        self.parent = getpid().as_raw();
        let mut command = Command::new("/proc/self/exe");
        command.args(["enter", "outside"]).arg(encode(&self));
        command
    }

    /// What it prints and how it ends, with nothing to read.
    pub(crate) fn output(self) -> Result<Output> {
        let root = self.root.clone();
        let mut command = self.command();
        command.stdin(Stdio::null()).output().at(&root, "enter")
    }
}

fn encode(spec: &Spec) -> String {
    // Strings and paths only: the one failure is a path that is not UTF-8.
    serde_json::to_string(spec).unwrap_or_default()
}

/// The stages of the entry, for the command line.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Stage {
    /// Makes the namespaces.
    Outside,
    /// Makes the mounts and executes the command.
    Inside,
}

/// Runs a stage; returns the exit code of the command.
pub(crate) fn run(stage: Stage, spec: &str) -> Result<u8> {
    let spec: Spec =
        serde_json::from_str(spec).map_err(|error| failure("read the request", &error))?;
    match stage {
        Stage::Outside => outside(&spec),
        Stage::Inside => inside(&spec),
    }
}

fn outside(spec: &Spec) -> Result<u8> {
    let (uid, gid) = (geteuid(), getegid());
    let base = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID;
    let plain = if uid.is_root() {
        unshare(base)
    } else {
        Err(Errno::EPERM)
    };
    if plain.is_err() {
        unshare(base | CloneFlags::CLONE_NEWUSER)
            .map_err(|errno| failure("make namespaces", &errno))?;
        let maps = [
            ("setgroups", "deny".to_owned()),
            ("uid_map", format!("0 {uid} 1")),
            ("gid_map", format!("0 {gid} 1")),
        ];
        for (file, text) in maps {
            fs::write(format!("/proc/self/{file}"), text)
                .map_err(|error| failure("map the user into the namespace", &error))?;
        }
    }
    // Only now: a change of credentials clears it.
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| failure("tie to the lab", &errno))?;
    if getppid().as_raw() != spec.parent {
        return Ok(130);
    }
    let status = Command::new("/proc/self/exe")
        .args(["enter", "inside"])
        .arg(encode(spec))
        .status()
        .map_err(|error| failure("start the inner stage", &error))?;
    let code = status
        .code()
        .or_else(|| status.signal().map(|signal| 128 + signal));
    Ok(code.and_then(|code| u8::try_from(code).ok()).unwrap_or(255))
}

fn inside(spec: &Spec) -> Result<u8> {
    set_pdeathsig(Signal::SIGKILL).map_err(|errno| failure("tie to the lab", &errno))?;
    mounts(spec)?;
    chroot(&spec.root).map_err(|errno| failure("change root", &errno))?;
    chdir(spec.workdir.as_str()).map_err(|errno| failure("change directory", &errno))?;
    let passed_on = PASSED_ON.iter();
    let passed_on = passed_on.filter_map(|name| Some((name, env::var_os(name)?)));
    execute(&spec.argv, |command| {
        command.env_clear().envs(FIXED.iter().copied());
        command.envs(passed_on);
    })
}

/// Becomes the command; returns if that fails.
fn execute(argv: &[String], prepare: impl FnOnce(&mut Command)) -> Result<u8> {
    let (program, args) = argv
        .split_first()
        .ok_or_else(|| failure("execute", &"no command given"))?;
    let mut command = Command::new(program);
    prepare(command.args(args));
    Err(failure(&format!("execute {program}"), &command.exec()))
}

fn mounts(spec: &Spec) -> Result<()> {
    let none: Option<&str> = None;
    let say = |what: &str| {
        let what = what.to_owned();
        move |errno: Errno| failure(&format!("mount {what}"), &errno)
    };
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none)
        .map_err(say("/ privately"))?;
    let bind = |from: &Path, to: &Path| {
        mount(
            Some(from),
            to,
            none,
            MsFlags::MS_BIND | MsFlags::MS_REC,
            none,
        )
    };
    let at = |inside: &str| spec.root.join(inside.trim_start_matches('/'));
    bind(&spec.root, &spec.root).map_err(say("the root file system"))?;
    // A new /proc is refused where the host's own is covered in part (some containers).
    mount(
        Some("proc"),
        &at("/proc"),
        Some("proc"),
        MsFlags::empty(),
        none,
    )
    .or_else(|_| bind(Path::new("/proc"), &at("/proc")))
    .map_err(say("/proc"))?;
    for dir in ["/sys", "/dev"] {
        bind(Path::new(dir), &at(dir)).map_err(say(dir))?;
    }
    mount(
        Some("tmp"),
        &at("/tmp"),
        Some("tmpfs"),
        MsFlags::empty(),
        none,
    )
    .map_err(say("/tmp"))?;
    for file in FROM_HOST {
        if Path::new(file).exists() && at(file).exists() {
            bind(Path::new(file), &at(file)).map_err(say(file))?;
        }
    }
    for (host, inside) in &spec.binds {
        bind(host, &at(inside)).map_err(say(inside))?;
    }
    Ok(())
}

fn failure(what: &str, why: &dyn std::fmt::Display) -> Error {
    Error::new(
        Kind::Environment,
        format!("cannot enter the root file system: {what}"),
        why.to_string(),
        "allow user namespaces (sysctl kernel.apparmor_restrict_unprivileged_userns=0 or \
         kernel.unprivileged_userns_clone=1), or run as root; in a container, add CAP_SYS_ADMIN",
    )
}

/// Runs a host program that ends when the lab ends: the request of [`tethered`].
pub(crate) fn tether(parent: i32, argv: &[String]) -> Result<u8> {
    set_pdeathsig(Signal::SIGTERM).map_err(|errno| failure("tie to the lab", &errno))?;
    if getppid().as_raw() != parent {
        return Ok(130);
    }
    execute(argv, |_| ())
}

/// A command on the host that gets SIGTERM when the lab ends, in a process group of its own.
pub(crate) fn tethered(program: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.process_group(0);
    command.args(["tether", &getpid().to_string(), "--", program]);
    command
}
