// SPDX-License-Identifier: GPL-2.0

//! An unmodified Debian on a disk: systemd, udev, its kernel with its own initrd. What is added to
//! it is a slow driver and a service that tells of the boot.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cache::{digest, Cache};
use crate::debian::{self, DEMO, SUITES};
use crate::enter::tethered;
use crate::environment::{self, quote, Environment};
use crate::error::{IoContext, Kind, Result};
use crate::kernel::Kernel;
use crate::paths::name;
use crate::process::Logged;
use crate::project::Project;
use crate::session::Session;

/// Files in the cache entry.
const DISK: &str = "disk.img";
const INITRD: &str = "initrd.img";

/// Changed when the recipe below changes in a way that its parts do not show.
const RECIPE: &str = "1";

/// Room for the system and what it writes.
const SIZE: &str = "1200M";

/// The service: waits until the boot is done and udev has nothing to do, and sends what was
/// recorded over the second serial line.
const SERVICE: &str = "[Unit]
Description=Tells the lab of the boot

[Service]
ExecStart=/usr/local/sbin/boot-demo
";

const SCRIPT: &str = "#!/bin/sh
# Fails if a unit has failed, which is no concern of this.
systemctl is-system-running --wait
udevadm settle
stty -F /dev/RESULTS raw
{ probe-analyze collect --quiet /run/boot.txt && cat /run/boot.txt; echo; echo \"lab: exit $?\"; } \
>/dev/RESULTS 2>&1
stty -F /dev/RESULTS raw
poweroff -ff
";

/// What is loaded, and how.
#[derive(Debug)]
pub(super) struct Slow {
    pub(super) modules: Vec<PathBuf>,
    /// The module that makes the devices, which is named in `/etc/modules-load.d`.
    pub(super) devices: &'static str,
    /// `/etc/modprobe.d`.
    pub(super) options: &'static str,
    /// Firmware, by its path.
    pub(super) firmware: Vec<(&'static str, Vec<u8>)>,
}

/// A disk and the initrd that belongs to it.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) disk: PathBuf,
    pub(super) initrd: PathBuf,
}

/// The image for the kernel of the session with a driver and `probe-analyze`, made first if it is
/// missing.
pub(super) fn ensure(session: &Session, slow: &Slow, program: &Path) -> Result<Image> {
    let cache = Cache::locate()?;
    let release = session.kernel.release()?;
    let root = root(session, &cache, &release)?;
    let files = added(session, slow, program, &release)?;
    let mut parts = vec![RECIPE.to_owned(), SIZE.to_owned(), name(&root)];
    let of_file = |(path, bytes): &(String, Vec<u8>)| {
        format!("{path} {}", digest(&[String::from_utf8_lossy(bytes)]))
    };
    parts.extend(files.iter().map(of_file));
    let entry = format!("demo/image-{release}-{}", digest(&parts));
    let dir = cache.ensure(&entry, 1500, |dir, _| {
        make(session, dir, &root, &release, &files)
    })?;
    Ok(Image {
        disk: dir.join(DISK),
        initrd: dir.join(INITRD),
    })
}

/// Debian, as mmdebstrap makes it.
fn root(session: &Session, cache: &Cache, release: &str) -> Result<PathBuf> {
    let series = match &session.kernel {
        Kernel::Prepared(_) => release.split('.').take(2).collect::<Vec<_>>().join("."),
        Kernel::Tree { .. } => String::new(),
    };
    let suites = debian::other_suites(&series).unwrap_or(SUITES);
    let image = debian::image(release);
    let mut packages = [DEMO, &[image.as_str()]].concat();
    if !session.kernel.is_without_rust() {
        packages.push(debian::BACKPORTED);
    }
    let key = digest(&[suites, &packages, debian::LEFT_OUT].concat());
    let entry = format!("demo/debian-{}-{release}-{key}", suites[0]);
    let what = "making a Debian with systemd (250 MB to download)";
    cache.ensure(&entry, 2000, |dir, _| {
        environment::make(what, suites, &packages, dir, &session.project)
    })
}

/// The files that are added.
fn added(
    session: &Session,
    slow: &Slow,
    program: &Path,
    release: &str,
) -> Result<Vec<(String, Vec<u8>)>> {
    let results = session.kernel.arch().serials[1];
    let mut files: Vec<(String, Vec<u8>)> = vec![
        (
            "etc/systemd/system/boot-demo.service".into(),
            SERVICE.into(),
        ),
        (
            "usr/local/sbin/boot-demo".into(),
            SCRIPT.replace("RESULTS", results).into(),
        ),
        (
            "usr/local/sbin/probe-analyze".into(),
            fs::read(program).at(program, "read")?,
        ),
        (
            "etc/modules-load.d/slow.conf".into(),
            format!("{}\n", slow.devices).into(),
        ),
        ("etc/modprobe.d/slow.conf".into(), slow.options.into()),
        // Not the first boot of a new machine.
        ("etc/machine-id".into(), format!("{:032x}\n", 1).into()),
        ("etc/hostname".into(), "demo\n".into()),
    ];
    for module in &slow.modules {
        files.push((
            format!("usr/lib/modules/{release}/updates/{}", name(module)),
            fs::read(module).at(module, "read")?,
        ));
    }
    for (path, bytes) in &slow.firmware {
        files.push((format!("usr/{path}"), bytes.clone()));
    }
    Ok(files)
}

fn make(
    session: &Session,
    dir: &Path,
    root: &Path,
    release: &str,
    files: &[(String, Vec<u8>)],
) -> Result<()> {
    let Session { project, env, .. } = session;
    let tree = dir.join("tree");
    // Links to the files of the cache: what is changed below is replaced, not written into.
    let mut copy = tethered("cp");
    copy.arg("-al").arg(root).arg(&tree);
    run(project, "copying the Debian", copy)?;
    for (path, bytes) in files {
        let file = tree.join(path);
        let parent = file.parent().unwrap_or(&tree);
        fs::create_dir_all(parent).at(parent, "create the directory")?;
        let _ = fs::remove_file(&file);
        fs::write(&file, bytes).at(&file, "write")?;
        if path.contains("bin/") {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).at(&file, "change")?;
        }
    }
    let wants = tree.join("etc/systemd/system/multi-user.target.wants");
    fs::create_dir_all(&wants).at(&wants, "create the directory")?;
    let link = wants.join("boot-demo.service");
    symlink("/etc/systemd/system/boot-demo.service", &link).at(&link, "make the link")?;
    let initrd = tree.join(format!("boot/initrd.img-{release}"));
    fs::copy(&initrd, dir.join(INITRD)).at(&initrd, "copy")?;
    run(
        project,
        "making a disk of the Debian",
        disk(env, session, dir, release),
    )?;
    fs::remove_dir_all(&tree).at(&tree, "remove")
}

/// mke2fs is that of the tree, with the tree's own loader: the lab's root file system has none.
fn disk(env: &Environment, session: &Session, dir: &Path, release: &str) -> std::process::Command {
    let arch = session.kernel.arch();
    let tree = "/lab/out/tree";
    let script = format!(
        "depmod -b {tree}/usr {release}\n\
         {tree}/{loader} --library-path {tree}/lib/{triple}:{tree}/usr/lib/{triple} \
         {tree}/sbin/mke2fs -q -t ext4 -L root -d {tree} /lab/out/{DISK} {SIZE}",
        release = quote(release),
        loader = arch.libc[0],
        triple = arch.triple,
    );
    env.script(&script).bind(dir, "/lab/out").command()
}

fn run(project: &Project, what: &str, command: std::process::Command) -> Result<()> {
    Logged {
        what,
        log: project.out("log/boot-demo.log"),
        kind: Kind::Environment,
        next: "read the log; then run the same command again",
    }
    .run(command)
}
