// SPDX-License-Identifier: GPL-2.0

//! The root file system that everything is built and run in.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use nix::unistd::geteuid;

use crate::arch::Arch;
use crate::cache::{digest, Cache};
use crate::debian::{GUEST_PACKAGES, LEFT_OUT, PACKAGES, SUITE, SUITES};
use crate::enter::{tethered, Spec};
use crate::error::{IoContext, Kind, Result};
use crate::mirror::Mirror;
use crate::process::Logged;
use crate::project::Project;

/// Mount points that [`Spec::bind`] may use.
pub(crate) const MOUNT_POINTS: &[&str] = &["/lab/project", "/lab/kernel", "/lab/debs", "/lab/out"];

/// A mount point for a single file: the kernel's image.
pub(crate) const IMAGE: &str = "/lab/image";

/// Changed when the recipe below changes in a way that the tables above do not show.
const RECIPE: &str = "1";

/// The archives that it is made of, in its root while it is made.
const SOURCES: &str = ".sources.list";

const NEXT: &str = "check the network and the mirror (DEBIAN_MIRROR=http://<mirror>/debian), then run the same command again";

/// A whole root file system.
#[derive(Clone, Debug)]
pub(crate) struct Environment {
    root: PathBuf,
    /// Whether this run made it, so that its package lists are fresh.
    pub fresh: bool,
}

impl Environment {
    /// One for a test.
    #[cfg(test)]
    pub(crate) fn at(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            fresh: false,
        }
    }

    /// The name of the cache entry.
    fn name(packages: &[String]) -> String {
        let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
        let parts = [&[RECIPE], SUITES, &packages, LEFT_OUT, MOUNT_POINTS];
        format!("rootfs-{SUITE}-{}", digest(&parts.concat()))
    }

    /// The root file system with `more` packages from the cache, made first if it is missing.
    pub(crate) fn ensure(
        arch: &Arch,
        more: &[&str],
        cache: &Cache,
        project: &Project,
    ) -> Result<Self> {
        let packages = packages(arch, more);
        let name = Self::name(&packages);
        let mut fresh = false;
        let root = cache.ensure(&name, 2600, |dir, _| {
            fresh = true;
            let mirror = Mirror::find()?;
            let what = "making the root file system (300 MB to download)";
            let packages: Vec<&str> = packages.iter().map(String::as_str).collect();
            make(what, SUITES, &packages, dir, project)?;
            complete(dir, &mirror)
        })?;
        Ok(Self { root, fresh })
    }

    /// A command inside.
    pub(crate) fn enter<I, S>(&self, argv: I) -> Spec
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Spec::new(&self.root, argv)
    }

    /// A shell script inside, which stops at its first failure.
    pub(crate) fn script(&self, script: &str) -> Spec {
        self.enter(["bash", "-euo", "pipefail", "-c", script])
    }

    /// The root on the host.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }
}

/// All that is installed.
fn packages(arch: &Arch, more: &[&str]) -> Vec<String> {
    let of_host = [PACKAGES, arch.packages].concat().into_iter();
    let of_guest = GUEST_PACKAGES.iter().map(|name| arch.package(name));
    let more = more.iter().copied().map(str::to_owned);
    of_host
        .map(str::to_owned)
        .chain(of_guest)
        .chain(more)
        .collect()
}

/// Sees to mmdebstrap and what it needs; installs it where we may.
fn prerequisites(project: &Project, logs: &Path) -> Result<()> {
    let mut command = tethered("scripts/prerequisites.sh");
    command.arg("--install").current_dir(project.top());
    Logged {
        what: "looking for what making the root file system needs of this host",
        log: logs.join("prerequisites.log"),
        kind: Kind::Environment,
        next: "do as the last line says, then run the same command again",
    }
    .run(command)
}

/// Makes a root file system of these suites, the first of which is the release.
pub(crate) fn make(
    what: &str,
    suites: &[&str],
    packages: &[&str],
    target: &Path,
    project: &Project,
) -> Result<()> {
    let logs = project.out("log");
    prerequisites(project, &logs)?;
    let script = pipeline(&Mirror::find()?, suites, packages, target)?;
    let mut command = tethered("bash");
    command.args(["-o", "pipefail", "-c", &script]);
    Logged {
        what,
        log: logs.join("environment.log"),
        kind: Kind::Environment,
        next: NEXT,
    }
    .run(command)?;
    let leftover = target.join(SOURCES);
    fs::remove_file(&leftover).at(&leftover, "remove")
}

/// mmdebstrap piped into tar, so that the tree belongs to the user of the lab. A SIGTERM goes to
/// all of them: mmdebstrap cleans up after itself.
fn pipeline(mirror: &Mirror, suites: &[&str], packages: &[&str], target: &Path) -> Result<String> {
    let sources = target.join(SOURCES);
    fs::write(&sources, mirror.sources(suites)).at(&sources, "write")?;
    let mut words = vec!["mmdebstrap".to_owned()];
    let mut word = |text: String| words.push(quote(&text));
    if !geteuid().is_root() {
        word("--mode=unshare".into());
    }
    word("--variant=minbase".into());
    word("--skip=cleanup/apt/lists".into());
    word("--aptopt=APT::Install-Recommends \"false\"".into());
    word("--aptopt=Acquire::Languages \"none\"".into());
    for option in &mirror.options {
        word(format!("--aptopt={option}"));
    }
    for glob in LEFT_OUT {
        word(format!("--dpkgopt=path-exclude={glob}"));
    }
    // The first is the host's; the others are named with their packages.
    let others: BTreeSet<&str> = packages
        .iter()
        .filter_map(|package| Some(package.split_once(':')?.1))
        .collect();
    let others: String = others.iter().flat_map(|other| [",", other]).collect();
    word(format!("--architectures={}{others}", Arch::host().debian));
    word(format!("--include={}", packages.join(",")));
    word(suites.first().copied().unwrap_or(SUITE).into());
    word("-".into());
    word(sources.display().to_string());
    Ok(format!(
        "trap 'trap \"\" TERM; kill 0; wait' TERM\n\
         {} | tar -x --no-same-owner --exclude='./dev/*' -C {} -f - &\n\
         wait $!",
        words.join(" "),
        quote(&target.display().to_string())
    ))
}

/// Quotes a word for the shell.
pub(crate) fn quote(text: &str) -> String {
    format!("'{}'", text.replace('\'', "'\\''"))
}

/// The last touches: mount points, and an apt that does without its own user.
fn complete(root: &Path, mirror: &Mirror) -> Result<()> {
    for point in MOUNT_POINTS {
        let dir = root.join(point.trim_start_matches('/'));
        fs::create_dir_all(&dir).at(&dir, "create the directory")?;
    }
    for file in ["/etc/resolv.conf", "/etc/hosts", IMAGE] {
        let path = root.join(file.trim_start_matches('/'));
        // A bind mount needs a plain file to cover, and a host's copy in here would only age.
        let _ = fs::remove_file(&path);
        fs::write(&path, "").at(&path, "write")?;
    }
    let path = root.join("etc/apt/apt.conf.d/99lab");
    let mut text = "APT::Sandbox::User \"root\";\nAcquire::Languages \"none\";\n".to_owned();
    for option in &mirror.options {
        text += &format!("{option};\n");
    }
    fs::write(&path, text).at(&path, "write")
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::arch::ARCHES;

    #[test]
    fn what_is_there_waits_for_no_lock() {
        let dir = tempfile::tempdir().unwrap();
        let cache = Cache::at(dir.path());
        let root = cache.path(&Environment::name(&packages(&ARCHES[0], &[])));
        fs::create_dir_all(&root).unwrap();
        // Another run makes something else.
        let _lock = cache.lock().unwrap();
        let (sender, receiver) = mpsc::channel();
        thread::spawn(move || {
            let project = Project::locate().unwrap();
            let env = Environment::ensure(&ARCHES[0], &[], &cache, &project).unwrap();
            sender.send(env.fresh)
        });
        assert_eq!(receiver.recv_timeout(Duration::from_secs(5)), Ok(false));
    }

    #[test]
    fn quoting_survives_quotes() {
        assert_eq!(quote("a 'b' c"), "'a '\\''b'\\'' c'");
    }
}
