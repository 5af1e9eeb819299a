// SPDX-License-Identifier: GPL-2.0

//! Debian's kernel packages: which there are, which to take, and their download.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use crate::arch::Arch;
use crate::cache::{Cache, Lock};
use crate::debian::{self, HEADERS};
use crate::environment::{quote, Environment};
use crate::error::{Error, IoContext, Kind, Result};
use crate::process::Logged;
use crate::progress::{megabytes, note};

const OFFLINE: &str = "the first run needs the network: check it and the mirror \
                       (DEBIAN_MIRROR=http://<mirror>/debian), then run the same command again";

/// A kernel release such as `7.3.4+deb13-amd64`, ordered as versions are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    numbers: [u32; 3],
    rebuild: u32,
    text: String,
}

impl Release {
    /// Reads a release of the plain flavour; `-cloud` and `-rt` kernels are not ours.
    pub fn parse(text: &str, arch: &Arch) -> Option<Self> {
        let (numbers, rest) = text.split_once(debian::RELEASE)?;
        let rebuild = match rest.strip_suffix(&debian::flavour(arch))? {
            "" => 0,
            more => more.strip_prefix('.')?.parse().ok()?,
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
    pub fn series(&self) -> String {
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
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    filename: String,
    sha256: String,
    size: u64,
}

impl Package {
    /// The name of its file in the cache.
    pub fn file(&self) -> &str {
        self.filename.rsplit('/').next().unwrap_or(&self.filename)
    }
}

/// The three packages of one kernel.
#[derive(Clone, Debug)]
pub struct Found {
    /// The kernel release.
    pub release: Release,
    /// Configuration and symbol versions.
    pub headers: Package,
    binary: Package,
    source: Package,
}

impl Found {
    /// Headers, binary and source, in this order.
    pub fn packages(&self) -> [&Package; 3] {
        [&self.headers, &self.binary, &self.source]
    }
}

/// Finds the newest kernel of the first series that has one whose three packages agree.
pub fn find(series: &[&str], arch: &Arch, env: &Environment, logs: &Path) -> Result<Found> {
    update(env, logs)?;
    let names = query(env, &format!("apt-cache pkgnames {HEADERS}"))?;
    let releases = releases(&names, series, arch);
    for release in releases.values().rev() {
        let names = debian::names(&release.to_string(), &release.series());
        let wanted = [names.headers, names.binary, names.source];
        let text = query(
            env,
            &format!(
                "apt-cache show --no-all-versions {} || true",
                wanted.join(" ")
            ),
        )?;
        let packages = packages(&text);
        let take = |name: &String| packages.get(name).cloned();
        if let (Some(headers), Some(binary), Some(source)) =
            (take(&wanted[0]), take(&wanted[1]), take(&wanted[2]))
        {
            if headers.version == binary.version && headers.version == source.version {
                return Ok(Found {
                    release: release.clone(),
                    headers,
                    binary,
                    source,
                });
            }
        }
        note(&format!(
            "passing over {release}: its source package is of another version"
        ));
    }
    let seen = all_series(&names, arch);
    Err(Error::new(
        Kind::Kernel,
        format!("no stock kernel of series {}", series.join(" or ")),
        format!("the archive has now: {}", seen.join(", ")),
        "choose a series that is there (KERNEL=stock:<series>), or a kernel that you built (KERNEL=/path/to/linux)",
    ))
}

/// A package of the archive, in this version.
pub fn package(name: &str, version: &str, env: &Environment, logs: &Path) -> Result<Package> {
    update(env, logs)?;
    let wanted = quote(&format!("{name}={version}"));
    let text = query(env, &format!("apt-cache show {wanted} || true"))?;
    packages(&text).remove(name).ok_or_else(|| {
        Error::new(
            Kind::Kernel,
            format!("no package {name} of version {version}"),
            "the archive has dropped it for a newer one",
            "take the newer kernel: out/target/debug/lab setup --refresh",
        )
    })
}

fn update(env: &Environment, logs: &Path) -> Result<()> {
    if env.fresh {
        return Ok(());
    }
    Logged {
        what: "updating the package lists",
        log: logs.join("apt-update.log"),
        kind: Kind::Kernel,
        next: OFFLINE,
    }
    .run(env.script("apt-get update").command())
}

/// The candidates, by series in the order asked for and by release within one.
fn releases(names: &str, series: &[&str], arch: &Arch) -> BTreeMap<(usize, Release), Release> {
    names
        .lines()
        .filter_map(|name| Release::parse(name.strip_prefix(HEADERS)?, arch))
        .filter_map(|release| {
            let position = series.iter().position(|one| *one == release.series())?;
            Some(((series.len() - position, release.clone()), release))
        })
        .collect()
}

fn all_series(names: &str, arch: &Arch) -> Vec<String> {
    let mut series: Vec<String> = names
        .lines()
        .filter_map(|name| Release::parse(name.strip_prefix(HEADERS)?, arch))
        .map(|release| release.series())
        .collect();
    series.sort();
    series.dedup();
    series
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

fn query(env: &Environment, script: &str) -> Result<String> {
    let output = env
        .script(script)
        .command()
        .stdin(Stdio::null())
        .output()
        .at(env.root(), "enter")?;
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
pub fn download(
    packages: &[&Package],
    cache: &Cache,
    lock: &Lock,
    env: &Environment,
    logs: &Path,
) -> Result<()> {
    let debs = cache.path("debs");
    fs::create_dir_all(&debs).at(&debs, "create the directory")?;
    for package in packages {
        let file = debs.join(package.file());
        if file.is_file() {
            if intact(package, &debs, env)? {
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
            log: logs.join(format!("download-{}.log", package.name)),
            kind: Kind::Kernel,
            next: OFFLINE,
        };
        let script = format!(
            "apt-get download {}",
            quote(&format!("{}={}", package.name, package.version))
        );
        let command = env
            .script(&script)
            .bind(aside.path(), "/lab/debs")
            .workdir("/lab/debs")
            .command();
        logged.run_showing(command, &|| {
            format!("{} of {size}", megabytes(bytes_in(aside.path())))
        })?;
        if !intact(package, aside.path(), env)? {
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
        .command()
        .stdin(Stdio::null())
        .output()
        .at(dir, "check")?;
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
        assert_eq!(parse("7.3.4+deb13-amd64").series(), "7.3");
        for other in [
            "7.3.4+deb13-rt-amd64",
            "7.3.4+deb13-cloud-amd64",
            "7.3.4+deb13-common",
            "6.12-amd64",
        ] {
            assert_eq!(Release::parse(other, &ARCHES[0]), None, "{other}");
        }
    }

    #[test]
    fn the_first_series_wins_and_then_the_newest() {
        let names = "linux-headers-7.2.12+deb13-amd64\nlinux-headers-7.3.3+deb13-amd64\n\
                     linux-headers-7.3.10+deb13-amd64\nlinux-headers-7.4.1+deb13-amd64\n";
        let found: Vec<String> = releases(names, &["7.3", "7.2"], &ARCHES[0])
            .values()
            .rev()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            found,
            [
                "7.3.10+deb13-amd64",
                "7.3.3+deb13-amd64",
                "7.2.12+deb13-amd64"
            ]
        );
        assert_eq!(all_series(names, &ARCHES[0]), ["7.2", "7.3", "7.4"]);
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
