// SPDX-License-Identifier: GPL-2.0

//! Debian's kernel packages: which there are, which to take, and their download.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::cache::{Cache, Lock};
use crate::debian::{self, HEADERS};
use crate::enter::Spec;
use crate::environment::{quote, Environment};
use crate::error::{Error, IoContext, Kind, Result};
use crate::mirror::Mirror;
use crate::process::Logged;
use crate::progress::{megabytes, note};

const OFFLINE: &str = "the first run needs the network: check it and the mirror \
                       (DEBIAN_MIRROR=http://<mirror>/debian), then run the same command again";

/// A kernel release such as `7.3.4+deb13-amd64`, ordered as versions are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Release {
    numbers: [u32; 3],
    rebuild: u32,
    text: String,
}

impl Release {
    /// Reads a release of the plain flavour; `-cloud` and `-rt` kernels are not ours. In bookworm a
    /// number follows the three: `6.1.0-50-amd64`.
    pub(crate) fn parse(text: &str, arch: &Arch) -> Option<Self> {
        let plain = text.strip_suffix(&debian::flavour(arch))?;
        let (numbers, rebuild) = match plain.split_once(debian::RELEASE) {
            Some((numbers, "")) => (numbers, 0),
            Some((numbers, more)) => (numbers, more.strip_prefix('.')?.parse().ok()?),
            None => {
                let (numbers, rebuild) = plain.split_once('-')?;
                (numbers, rebuild.parse().ok()?)
            }
        };
        let mut parsed = [0; 3];
        let mut fields = numbers.split('.');
        for number in &mut parsed {
            *number = fields.next()?.parse().ok()?;
        }
        fields.next().is_none().then(|| Self {
            numbers: parsed,
            rebuild,
            text: text.to_owned(),
        })
    }

    /// The series, such as `7.3`.
    pub(crate) fn series(&self) -> String {
        format!("{}.{}", self.numbers[0], self.numbers[1])
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A package as apt describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Package {
    pub name: String,
    pub version: String,
    filename: String,
    sha256: String,
    size: u64,
}

impl Package {
    /// The name of its file in the cache.
    pub(crate) fn file(&self) -> &str {
        self.filename.rsplit('/').next().unwrap_or(&self.filename)
    }
}

/// An archive of packages, as apt in the root file system sees it.
#[derive(Debug)]
pub(crate) struct Archive<'a> {
    env: &'a Environment,
    logs: &'a Path,
    /// The directory of apt's files for suites that the root file system does not have.
    other: Option<PathBuf>,
}

impl<'a> Archive<'a> {
    /// That of the root file system's own suites.
    pub(crate) fn own(env: &'a Environment, logs: &'a Path) -> Self {
        Self {
            env,
            logs,
            other: None,
        }
    }

    /// That of a series of kernels.
    pub(crate) fn of(
        series: &str,
        cache: &Cache,
        env: &'a Environment,
        logs: &'a Path,
    ) -> Result<Self> {
        let mut archive = Self::own(env, logs);
        if let Some(suites) = debian::other_suites(series) {
            let dir = cache.path(&format!("apt-{}", suites[0]));
            let lists = dir.join("lists/partial");
            fs::create_dir_all(&lists).at(&lists, "create the directory")?;
            let sources = dir.join("sources.list");
            fs::write(&sources, Mirror::find()?.sources(suites)).at(&sources, "write")?;
            archive.other = Some(dir);
        }
        Ok(archive)
    }

    /// A script that finds apt's options in `$APT`.
    fn script(&self, script: &str) -> Spec {
        let Some(dir) = &self.other else {
            return self.env.script(&format!("APT=\n{script}"));
        };
        let options = "APT='-o Dir::Etc::SourceList=/lab/out/sources.list \
                       -o Dir::Etc::SourceParts=- -o Dir::State::Lists=/lab/out/lists \
                       -o Dir::Cache=/lab/out'";
        self.env
            .script(&format!("{options}\n{script}"))
            .bind(dir, "/lab/out")
    }

    /// Finds the newest kernel of the first series that has one whose packages agree: its release,
    /// and these packages in the order of [`debian::names()`], where headers come first.
    pub(crate) fn find(&self, series: &[&str], arch: &Arch) -> Result<(Release, Vec<Package>)> {
        self.update()?;
        let names = self.query(&format!("apt-cache $APT pkgnames {HEADERS}"))?;
        let releases = releases(&names, series, arch);
        for release in releases {
            let wanted = debian::names(&release.to_string(), &release.series(), arch);
            let text = self.query(&format!(
                "apt-cache $APT show --no-all-versions {} || true",
                wanted.join(" ")
            ))?;
            let there = packages(&text);
            let found: Vec<Package> = wanted
                .iter()
                .filter_map(|name| there.get(name).cloned())
                .collect();
            let version = found.first().map(|package| &package.version);
            if found.len() == wanted.len() && found.iter().all(|one| Some(&one.version) == version)
            {
                return Ok((release, found));
            }
            note(&format!(
                "passing over {release}: not all of its packages are of one version"
            ));
        }
        let seen = all_series(&names, arch);
        Err(Error::new(
            Kind::Kernel,
            format!("no stock kernel of series {}", series.join(" or ")),
            format!("the archive has now: {}", Vec::from_iter(seen).join(", ")),
            "choose a series that is there (KERNEL=stock:<series>), or a kernel that you built (KERNEL=/path/to/linux)",
        ))
    }

    pub(crate) fn package(&self, name: &str, version: &str) -> Result<Package> {
        self.update()?;
        let wanted = quote(&format!("{name}={version}"));
        let text = self.query(&format!("apt-cache $APT show {wanted} || true"))?;
        packages(&text).remove(name).ok_or_else(|| {
            let series: Vec<&str> = version.split('.').take(2).collect();
            Error::new(
                Kind::Kernel,
                format!("no package {name} of version {version}"),
                "the archive has dropped it for a newer one",
                format!(
                    "take the newer kernel: out/target/debug/lab setup --refresh --kernel=stock:{}",
                    series.join(".")
                ),
            )
        })
    }

    fn update(&self) -> Result<()> {
        if self.env.fresh && self.other.is_none() {
            return Ok(());
        }
        Logged {
            what: "updating the package lists",
            log: self.logs.join("apt-update.log"),
            kind: Kind::Kernel,
            next: OFFLINE,
        }
        .run(self.script("apt-get $APT update").command())
    }

    fn query(&self, script: &str) -> Result<String> {
        let output = self.script(script).output()?;
        if !output.status.success() {
            return Err(Error::new(
                Kind::Kernel,
                "cannot ask apt for kernels",
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                OFFLINE,
            ));
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Sees that the packages are in the cache, whole: what is missing or damaged is downloaded.
    pub(crate) fn download(&self, packages: &[Package], cache: &Cache, lock: &Lock) -> Result<()> {
        let debs = cache.path("debs");
        fs::create_dir_all(&debs).at(&debs, "create the directory")?;
        for package in packages {
            let file = debs.join(package.file());
            if file.is_file() {
                if intact(package, &debs, self.env)? {
                    continue;
                }
                note(&format!(
                    "{} in the cache is damaged: downloading it again",
                    package.file()
                ));
                fs::remove_file(&file).at(&file, "remove")?;
            }
            let aside = cache.begin("debs/download", lock)?;
            let size = megabytes(package.size);
            let logged = Logged {
                what: &format!("downloading {} ({size})", package.name),
                log: self.logs.join(format!("download-{}.log", package.name)),
                kind: Kind::Kernel,
                next: OFFLINE,
            };
            let script = format!(
                "apt-get $APT download {}",
                quote(&format!("{}={}", package.name, package.version))
            );
            let command = self
                .script(&script)
                .bind(aside.path(), "/lab/debs")
                .workdir("/lab/debs")
                .command();
            logged.run_showing(command, &|| {
                format!("{} of {size}", megabytes(bytes_in(aside.path())))
            })?;
            if !intact(package, aside.path(), self.env)? {
                return Err(Error::new(
                    Kind::Kernel,
                    format!("{} arrived damaged", package.file()),
                    "its SHA-256 is not the one of the archive's signed index",
                    OFFLINE,
                ));
            }
            let whole = aside.path().join(package.file());
            fs::rename(&whole, &file).at(&file, "rename the download to")?;
        }
        Ok(())
    }
}

/// The releases among the names of packages.
fn all<'a>(names: &'a str, arch: &'a Arch) -> impl Iterator<Item = Release> + 'a {
    let releases = names.lines().filter_map(|name| name.strip_prefix(HEADERS));
    releases.filter_map(|release| Release::parse(release, arch))
}

/// The candidates, by series in the order asked for, and the newest of a series first.
fn releases(names: &str, series: &[&str], arch: &Arch) -> Vec<Release> {
    let place = |of: &Release| series.iter().position(|one| *one == of.series());
    let mut releases: Vec<Release> = all(names, arch).filter(|of| place(of).is_some()).collect();
    releases.sort_by(|one, other| place(one).cmp(&place(other)).then(other.cmp(one)));
    releases
}

fn all_series(names: &str, arch: &Arch) -> BTreeSet<String> {
    all(names, arch).map(|release| release.series()).collect()
}

/// Reads the stanzas of `apt-cache show`.
fn packages(text: &str) -> BTreeMap<String, Package> {
    text.split("\n\n")
        .filter_map(|stanza| {
            let field = |name: &str| {
                stanza
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                    .map(str::to_owned)
            };
            let package = Package {
                name: field("Package")?,
                version: field("Version")?,
                filename: field("Filename")?,
                sha256: field("SHA256")?,
                size: field("Size")?.parse().ok()?,
            };
            Some((package.name.clone(), package))
        })
        .collect()
}

/// The size of all files in a directory.
fn bytes_in(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let sizes = entries.filter_map(|entry| entry.metadata().ok());
    sizes.map(|metadata| metadata.len()).sum()
}

/// Whether a file has the digest that the archive's signed index gives it.
fn intact(package: &Package, dir: &Path, env: &Environment) -> Result<bool> {
    let output = env
        .enter(["sha256sum", "--", package.file()])
        .bind(dir, "/lab/debs")
        .workdir("/lab/debs")
        .output()?;
    Ok(output.status.success()
        && String::from_utf8_lossy(&output.stdout).starts_with(&package.sha256))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::ARCHES;

    #[test]
    fn releases_are_ordered_as_versions() {
        let parse = |text| Release::parse(text, &ARCHES[0]).unwrap();
        assert!(parse("7.2.12+deb13-amd64") > parse("7.2.9+deb13-amd64"));
        assert!(parse("7.2.12+deb13.1-amd64") > parse("7.2.12+deb13-amd64"));
        assert!(parse("6.1.0-50-amd64") > parse("6.1.0-9-amd64"));
        assert_eq!(parse("7.3.4+deb13-amd64").series(), "7.3");
        assert_eq!(parse("6.1.0-50-amd64").series(), "6.1");
        for other in [
            "7.3.4+deb13-rt-amd64",
            "7.3.4+deb13-cloud-amd64",
            "7.3.4+deb13-common",
            "6.12-amd64",
            "6.1.0-50-cloud-amd64",
        ] {
            assert_eq!(Release::parse(other, &ARCHES[0]), None, "{other}");
        }
    }

    #[test]
    fn the_first_series_wins_and_then_the_newest() {
        let names = "linux-headers-7.2.12+deb13-amd64\nlinux-headers-7.3.3+deb13-amd64\n\
                     linux-headers-7.3.10+deb13-amd64\nlinux-headers-7.4.1+deb13-amd64\n";
        let found = releases(names, &["7.3", "7.2"], &ARCHES[0]);
        let found: Vec<&str> = found.iter().map(|of| of.text.as_str()).collect();
        assert_eq!(
            found,
            [
                "7.3.10+deb13-amd64",
                "7.3.3+deb13-amd64",
                "7.2.12+deb13-amd64"
            ]
        );
        let series = all_series(names, &ARCHES[0]).into_iter();
        assert!(series.eq(["7.2", "7.3", "7.4"]));
    }

    #[test]
    fn stanzas() {
        let text = "Package: a\nVersion: 1-1\nFilename: pool/a_1-1_all.deb\nSize: 5\nSHA256: 00ff\n\nPackage: broken\n";
        let packages = packages(text);
        assert_eq!(packages.len(), 1);
        assert_eq!(packages["a"].file(), "a_1-1_all.deb");
        assert_eq!(packages["a"].size, 5);
    }
}
