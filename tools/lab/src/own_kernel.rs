// SPDX-License-Identifier: GPL-2.0

//! Kernels of our own configuration, built from the source of the stock kernel.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifecycle::series::SERIES;

use crate::arch::Arch;
use crate::cache::{digest, Lock};
use crate::config::{settings, Config};
use crate::debian::{self, CLANG, GCC};
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::{make_command, read_meta, step, write_meta, Meta, Prepared, Workshop};
use crate::modules::with_extension;
use crate::packages::{Archive, Release};
use crate::process::{indent, Logged};
use crate::progress::note;
use crate::stock;

/// A configuration, and what it takes to build it.
#[derive(Debug, PartialEq, Eq)]
pub struct Flavour {
    /// What `KERNEL=` calls it.
    pub name: &'static str,
    /// What the root file system needs beyond the usual.
    pub packages: &'static [&'static str],
    /// The configurations in `scripts/kernel`, which are merged into tinyconfig in this order.
    fragments: &'static [&'static str],
    /// What is kept of [`LEFT_OUT`] for it.
    sources: &'static [&'static str],
    /// The series in `scripts/series` that are applied to the source, in this order.
    series: &'static [&'static str],
    /// One more, of which only the image is kept: it must not change what modules are built
    /// against.
    variant: Option<&'static str>,
    /// Whether the image of the variant is what is booted.
    boots_variant: bool,
    compiler: &'static str,
}

/// It inlines functions of the driver core that recordings need, unless it is told to inline only
/// those that are marked so. For gcc there is `CONFIG_READABLE_ASM`.
const APART: &str = "CFLAGS_dd.o=-finline-hint-functions";

/// The series with which the driver core probes in a domain of the driver.
const DRIVER_DOMAIN: &[&str] = &["probe_type", "driver_domain"];

const CUSTOM: Flavour = Flavour {
    name: "custom",
    packages: &[],
    fragments: &["custom"],
    sources: &[],
    series: &[],
    variant: None,
    boots_variant: false,
    compiler: GCC,
};

const DEBUG: Flavour = Flavour {
    name: "debug",
    packages: &[CLANG],
    fragments: &["custom", "debug"],
    variant: Some("debug-remove"),
    compiler: CLANG,
    ..CUSTOM
};

impl Flavour {
    /// What make is told besides.
    fn flags(&self) -> &'static str {
        if self.compiler == CLANG {
            APART
        } else {
            ""
        }
    }

    /// The name of the kernel. A variant has that of the kernel that it is one of.
    fn kernel(&self) -> &'static str {
        let of = FLAVOURS
            .iter()
            .find(|of| of.fragments == self.fragments && of.series == self.series);
        of.unwrap_or(self).name
    }

    /// How it is compiled, for the name of the entry.
    fn compilation(&self) -> String {
        format!("{} {}", self.compiler, self.flags())
            .trim_end()
            .to_owned()
    }
}

/// All of them.
pub const FLAVOURS: &[Flavour] = &[
    CUSTOM,
    DEBUG,
    Flavour {
        name: "debug-remove",
        boots_variant: true,
        ..DEBUG
    },
    Flavour {
        name: "debug-kcsan",
        fragments: &["custom", "debug-kcsan"],
        ..CUSTOM
    },
    Flavour {
        name: "driver-domain",
        series: DRIVER_DOMAIN,
        ..CUSTOM
    },
    Flavour {
        name: "debug-driver-domain",
        series: DRIVER_DOMAIN,
        variant: None,
        ..DEBUG
    },
    Flavour {
        name: "hardware",
        fragments: &["custom", "hardware"],
        sources: &[
            "*/drivers/gpu/drm/*",
            "*/drivers/net/ethernet/intel/*",
            "*/drivers/net/vmxnet3/*",
            "*/drivers/scsi/*",
            "*/drivers/usb/*",
            "*/sound/*",
        ],
        ..CUSTOM
    },
];

/// Left out of the kernel source, as the other architectures are: what is large, and only
/// configurations compile that name it in their `sources`.
const LEFT_OUT: &[&str] = &[
    "*/Documentation/[!r]*/*",
    "*/drivers/accel/*",
    "*/drivers/gpu/drm/[!n]*/*",
    "*/drivers/iio/*",
    "*/drivers/infiniband/*",
    "*/drivers/media/*",
    "*/drivers/net/*/*",
    "*/drivers/scsi/*",
    "*/drivers/staging/*",
    "*/drivers/usb/*",
    "*/sound/*",
    "*/tools/perf/*",
    "*/tools/testing/*",
];

/// Files of these names are kept all the same: what Kconfig and make read, the runner of the
/// kselftests, and the parser of KTAP.
const KEPT: &[&str] = &[
    "*/Kconfig*",
    "*/Makefile*",
    "*/Kbuild*",
    "*/tools/testing/kunit/*",
    "*/tools/testing/selftests/kselftest/*",
    "*/tools/testing/selftests/run_kselftest.sh",
];

/// Where they are in the cache.
const DIR: &str = "own";

/// Changed when the recipe below changes in a way that the tables above do not show.
const RECIPE: &str = "1";

/// The kernel from the cache, built first if it is missing.
pub(crate) fn ensure(flavour: &Flavour, shop: &Workshop<'_>) -> Result<Prepared> {
    let base = stock::ensure(SERIES, false, shop)?;
    let fragments = Fragments::read(
        flavour,
        shop.arch,
        &shop.project.top().join("scripts/kernel"),
    )?;
    let series = Series::read(flavour, &shop.project.top().join("scripts/series"))?;
    let entry = format!(
        "{DIR}/{}-{}-{}",
        flavour.kernel(),
        base.meta.release,
        digest(&[
            RECIPE,
            &series.recipe(shop.arch),
            &flavour.compilation(),
            &fragments.all,
            &fragments.variant
        ])
    );
    let cache = shop.cache;
    let dir = cache.path(&entry);
    if !dir.is_dir() {
        let source = source(&base, &series, shop)?;
        // The lock of the whole cache is free again: it is for what takes minutes.
        let lock = cache.lock_part(DIR)?;
        if !dir.is_dir() {
            build(
                &entry, &lock, flavour, &fragments, &base.meta, &source, shop,
            )?;
        }
    }
    let (image, variant) = match flavour.boots_variant {
        true => ("vmlinuz-variant", fragments.variant),
        false => ("vmlinuz", String::new()),
    };
    Ok(Prepared {
        source: cache.path(&series.source(&base)),
        image: dir.join(image),
        arch: base.arch,
        compiler: flavour.compiler,
        variant,
        meta: read_meta(&dir)?,
        dir,
    })
}

/// The configurations of a flavour, as text.
struct Fragments {
    all: String,
    variant: String,
}

impl Fragments {
    fn read(flavour: &Flavour, arch: &Arch, dir: &Path) -> Result<Self> {
        let read = |name: &&str| {
            let path = dir.join(format!("{name}.config"));
            fs::read_to_string(&path)
                .at(&path, "read")
                .map(|text| settings(&text))
        };
        let names = flavour.fragments.iter().chain([&arch.name]);
        Ok(Self {
            all: names.map(read).collect::<Result<_>>()?,
            variant: flavour.variant.as_ref().map_or(Ok(String::new()), read)?,
        })
    }
}

/// The patches of a flavour: where they are, and their texts; and the files that are kept for it.
struct Series {
    paths: Vec<PathBuf>,
    texts: Vec<String>,
    kept: Vec<&'static str>,
}

impl Series {
    fn read(flavour: &Flavour, dir: &Path) -> Result<Self> {
        let mut paths = Vec::new();
        for name in flavour.series {
            paths.extend(with_extension(&dir.join(name), "patch")?);
        }
        let read = |path: &PathBuf| fs::read_to_string(path).at(path, "read");
        let texts = paths.iter().map(read).collect::<Result<_>>()?;
        let kept = [KEPT, flavour.sources].concat();
        Ok(Self { paths, texts, kept })
    }

    /// What the source is made of, for its name.
    fn recipe(&self, arch: &Arch) -> String {
        let mut parts = [arch.others, LEFT_OUT, &self.kept].concat();
        parts.extend(self.texts.iter().map(String::as_str));
        digest(&parts)
    }

    /// The entry of the cache that has the source.
    fn source(&self, base: &Prepared) -> String {
        format!(
            "kernels/source-{}-{}",
            base.meta.release,
            self.recipe(base.arch)
        )
    }
}

/// The source of the stock kernel, unpacked as far as our kernels need it, and patched.
fn source(base: &Prepared, series: &Series, shop: &Workshop<'_>) -> Result<PathBuf> {
    let make = |dir: &Path, lock: &Lock| {
        unpack(base, &series.kept, shop, dir, lock)?;
        match series.paths[..] {
            [] => Ok(()),
            _ => apply(&series.paths, dir, shop),
        }
    };
    shop.cache.ensure(&series.source(base), 800, make)
}

/// Applies patches to a source.
fn apply(patches: &[PathBuf], dir: &Path, shop: &Workshop<'_>) -> Result<()> {
    // A checkout that the cache is in would have git look for the files there.
    let mut git = Command::new("git");
    git.current_dir(dir)
        .env("GIT_CEILING_DIRECTORIES", dir.parent().unwrap_or(dir))
        .arg("apply")
        .args(patches);
    Logged {
        what: "patching the source",
        log: shop.logs.join("source-patch.log"),
        kind: Kind::Kernel,
        next: "mend the patch in scripts/series; then run the same command again",
    }
    .run(git)
}

fn unpack(
    base: &Prepared,
    kept: &[&str],
    shop: &Workshop<'_>,
    dir: &Path,
    lock: &Lock,
) -> Result<()> {
    let series =
        Release::parse(&base.meta.release, base.arch).map_or(String::new(), |one| one.series());
    let file = format!("{}{series}_{}_all.deb", debian::SOURCE, base.meta.version);
    let debs = shop.cache.path("debs");
    if !debs.join(&file).is_file() {
        let archive = Archive::own(shop.env, shop.logs);
        let (release, packages) = archive.find(&[&series], base.arch)?;
        let source = packages.get(2..).unwrap_or_default();
        if source.iter().all(|package| package.file() != file) {
            return Err(Error::new(
                Kind::Kernel,
                format!("the archive has no {file} any more"),
                format!("it has that of {release} now"),
                "out/target/debug/lab setup --refresh, then run the same command again",
            ));
        }
        archive.download(source, shop.cache, lock)?;
    }
    let globs = |option: &str, globs: &[&str]| -> String {
        let words = globs.iter().map(|glob| format!("{option}'{glob}' "));
        words.collect()
    };
    // Twice through the archive, since tar's exclusions beat its inclusions.
    let script = format!(
        "deb() {{ {archive} | xz -T0 -dc; }}\n\
         cd /lab/kernel\n\
         deb | tar -x --no-same-owner --strip-components=1 --wildcards {}\n\
         deb | tar -x --no-same-owner --strip-components=1 --wildcards --skip-old-files {}\n",
        globs("--exclude=", &[base.arch.others, LEFT_OUT].concat()),
        globs("", kept),
        archive = debian::contents(&file, &debian::source_archive(&series)),
    );
    let spec = shop.env.script(&script).bind(dir, "/lab/kernel");
    step(
        "unpacking the source of our own kernels",
        shop.logs,
        "source-unpack.log",
        spec.bind(&debs, "/lab/debs"),
    )
}

fn build(
    entry: &str,
    lock: &Lock,
    flavour: &Flavour,
    fragments: &Fragments,
    base: &Meta,
    source: &Path,
    shop: &Workshop<'_>,
) -> Result<()> {
    shop.cache.need(3000)?;
    let number = base.release.split('+').next().unwrap_or(&base.release);
    let meta = Meta {
        release: format!("{number}-{}", flavour.kernel()),
        version: base.version.clone(),
        rust_symbols: 0,
    };
    note(&format!("kernel {} ({})", meta.release, meta.version));
    let partial = shop.cache.begin(entry, lock)?;
    let dir = partial.path();
    for name in ["src", "build"] {
        let dir = dir.join(name);
        fs::create_dir(&dir).at(&dir, "create the directory")?;
    }
    let path = dir.join("release");
    fs::write(&path, &meta.release).at(&path, "write")?;
    let make = format!(
        "{} {}",
        make_command(shop.arch, flavour.compiler),
        flavour.flags()
    );
    let step = |what: &str, log: &str, script: &str| {
        let spec = shop.env.script(script).bind(dir, "/lab/kernel");
        step(what, shop.logs, log, spec.bind(source, "/lab/kernel/src"))
    };
    let configure = |fragment: &str, log: &str| {
        let path = dir.join("fragment");
        fs::write(&path, fragment).at(&path, "write")?;
        step(
            "configuring the kernel",
            log,
            &format!(
                "{make} tinyconfig\n\
                 cd /lab/kernel/build\n\
                 ../src/scripts/kconfig/merge_config.sh -m -Q .config ../fragment\n\
                 {make} olddefconfig\n"
            ),
        )?;
        complete(fragment, &dir.join("build/.config"))
    };
    if let Some(variant) = flavour.variant {
        let both = fragments.all.clone() + &fragments.variant;
        configure(&both, "kernel-config.log")?;
        step(
            &format!("building the kernel with {variant}.config (10 to 40 minutes)"),
            "kernel-build-variant.log",
            &format!(
                "{make} {}\n\
                 cp /lab/kernel/build/{} /lab/kernel/vmlinuz-variant\n",
                shop.arch.target,
                shop.arch.image()
            ),
        )?;
    }
    configure(&fragments.all, "kernel-config.log")?;
    step(
        "building the kernel (5 to 40 minutes)",
        "kernel-build.log",
        &format!(
            "{make} {} modules\n\
             cp /lab/kernel/build/{} /lab/kernel/vmlinuz\n",
            shop.arch.target,
            shop.arch.image()
        ),
    )?;
    write_meta(dir, &meta)?;
    partial.finish().map(drop)
}

/// Checks that each setting has survived: Kconfig drops in silence what its dependencies do not
/// allow.
fn complete(fragment: &str, path: &Path) -> Result<()> {
    let lost = Config::read(path)?.lacks(fragment);
    if lost.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Kernel,
        "the kernel's configuration is not what scripts/kernel asks for",
        format!("Kconfig has dropped:\n{}", indent(&lost.join("\n"))),
        "add to the fragment what these depend on, then run the same command again",
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for flavour in FLAVOURS {
            let same = FLAVOURS.iter().filter(|one| one.name == flavour.name);
            assert_eq!(same.count(), 1, "{}", flavour.name);
        }
    }
}
