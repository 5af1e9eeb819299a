// SPDX-License-Identifier: GPL-2.0

//! The stock Debian kernel, prepared so that Rust modules load into its unmodified image.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use lifecycle::series::WITHOUT_RUST;

use crate::arch::Arch;
use crate::cache::{digest, Lock};
use crate::debian::{self, GCC};
use crate::environment::quote;
use crate::error::{Error, IoContext, Kind, Result};
use crate::headers;
use crate::kernel::{exports, make_command, read_meta, step, write_meta, Meta, Prepared, Workshop};
use crate::packages::{Archive, Package, Release};
use crate::paths::name;
use crate::process::indent;
use crate::progress::note;

/// Stands for the directory of the architecture.
const ARCH: &str = "*/arch/<arch>";

/// What is kept of the kernel source: enough to configure, to prepare Rust modules, and to check
/// style.
const SOURCE_SUBSET: &[&str] = &[
    "*/.clippy.toml",
    "*/.rustfmt.toml",
    "*/Documentation/rust",
    "*/arch/Kconfig",
    ARCH,
    "*/drivers/android",
    "*/drivers/base",
    "*/drivers/gpu/nova-core",
    "*/drivers/nvdimm",
    "*/drivers/pwm",
    "*/include",
    "*/init",
    "*/kernel",
    "*/lib",
    "*/mm",
    "*/rust",
    "*/samples/rust",
    "*/scripts",
    "*/security",
    "*/tools",
];

/// Files of these names are kept wherever they are.
const SOURCE_NAMES: &[&str] = &["*/Kconfig*", "*/Makefile*", "*/Kbuild*"];

/// Changed when the recipe below changes in a way that the tables above do not show.
const RECIPE: &str = "1";

/// [`SOURCE_SUBSET`] for an architecture.
fn subset(arch: &Arch) -> Vec<String> {
    let own = format!("*/arch/{}", arch.kernel);
    let globs = SOURCE_SUBSET.iter().chain(arch.sources);
    globs.map(|glob| glob.replace(ARCH, &own)).collect()
}

/// What the kernels of these series, which are all with Rust or all without it, are made by.
fn recipe(series: &[&str], arch: &Arch) -> String {
    if series.iter().any(|series| WITHOUT_RUST.contains(series)) {
        return headers::recipe();
    }
    let mut parts = vec![RECIPE.to_owned()];
    parts.extend(subset(arch));
    parts.extend(SOURCE_NAMES.iter().map(|glob| (*glob).to_owned()));
    digest(&parts)
}

/// The newest stock kernel of these series, the first of which is the newest; prepared first if it
/// is missing.
pub(crate) fn ensure(series: &[&str], refresh: bool, shop: &Workshop<'_>) -> Result<Prepared> {
    // A cached kernel of an older series, prepared for KERNEL=stock:<series>, does not count.
    let newest = series.get(..1).unwrap_or_default();
    let ready = || {
        if refresh {
            Ok(None)
        } else {
            cached(newest, shop)
        }
    };
    if let Some(kernel) = ready()? {
        return Ok(kernel);
    }
    let lock = shop.cache.lock()?;
    if let Some(kernel) = ready()? {
        // Another run has prepared it meanwhile.
        return Ok(kernel);
    }
    prepare(series, shop, &lock).or_else(|error| match cached(series, shop)? {
        Some(kernel) if !refresh && error.kind != Kind::Interrupted => {
            note(&format!(
                "using {}, since there is no newer one:",
                name(&kernel.dir)
            ));
            note(&error.to_string());
            Ok(kernel)
        }
        _ => Err(error),
    })
}

/// The newest prepared kernel of these series: an entry named `stock-<release>-<recipe>`.
fn cached(series: &[&str], shop: &Workshop<'_>) -> Result<Option<Prepared>> {
    let suffix = format!("-{}", recipe(series, shop.arch));
    let entries = fs::read_dir(shop.cache.path("kernels")).into_iter();
    entries
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let release = name.strip_prefix("stock-")?.strip_suffix(&suffix)?;
            Some((Release::parse(release, shop.arch)?, entry.path()))
        })
        .filter(|(release, _)| series.contains(&release.series().as_str()))
        .max()
        .map(|(_, dir)| load(dir, shop.arch))
        .transpose()
}

fn load(dir: PathBuf, arch: &'static Arch) -> Result<Prepared> {
    Ok(Prepared {
        source: dir.join("src"),
        image: dir.join("vmlinuz"),
        arch,
        compiler: GCC,
        variant: String::new(),
        meta: read_meta(&dir)?,
        dir,
    })
}

fn prepare(series: &[&str], shop: &Workshop<'_>, lock: &Lock) -> Result<Prepared> {
    let Workshop {
        cache,
        env,
        logs,
        arch,
        ..
    } = shop;
    cache.need(1400)?;
    let archive = Archive::of(series.first().unwrap_or(&""), cache, env, logs)?;
    let (found, packages) = archive.find(series, arch)?;
    let release = found.to_string();
    let version = &packages[0].version;
    note(&format!("kernel {release} ({version})"));
    let entry = format!("kernels/stock-{release}-{}", recipe(series, arch));
    if cache.path(&entry).is_dir() {
        return load(cache.path(&entry), arch);
    }
    let debs = cache.path("debs");
    archive.download(&packages, cache, lock)?;
    let partial = cache.begin(&entry, lock)?;
    let dir = partial.path();
    let step = |what: &str, log: &str, script: &str| {
        let spec = env.script(script).bind(dir, "/lab/kernel");
        step(what, logs, log, spec.bind(&debs, "/lab/debs"))
    };
    let mut meta = Meta {
        release: release.clone(),
        version: version.clone(),
        rust_symbols: 0,
    };
    let has_rust = !WITHOUT_RUST.contains(&found.series().as_str());
    let script = match has_rust {
        true => unpack(&release, &packages, arch),
        false => headers::unpack(&release, &packages, arch),
    };
    step("unpacking the kernel", "kernel-unpack.log", &script)?;
    if !has_rust {
        write_meta(dir, &meta)?;
        return load(partial.finish()?, arch);
    }
    let make = make_command(arch, GCC);
    step(
        "configuring the kernel",
        "kernel-config.log",
        &format!("{make} olddefconfig"),
    )?;
    same_config(dir)?;
    step(
        "preparing the kernel for Rust modules (a minute or two)",
        "kernel-prepare.log",
        &format!("{make} modules_prepare"),
    )?;
    meta.rust_symbols = same_exports(dir)?;
    write_meta(dir, &meta)?;
    load(partial.finish()?, arch)
}

/// The script that unpacks configuration, symbol versions, image and source.
fn unpack(release: &str, packages: &[Package], arch: &Arch) -> String {
    let [headers, binary, source] = packages else {
        return String::from("false");
    };
    let quoted = |globs: Vec<String>| {
        let globs: Vec<String> = globs.iter().map(|glob| quote(glob)).collect();
        globs.join(" ")
    };
    let names = SOURCE_NAMES.iter().map(|glob| (*glob).to_owned()).collect();
    let of_headers = |file: &str| {
        let path = format!("{}/{file}", debian::headers_dir(release));
        debian::contents(headers.file(), &path)
    };
    let image = format!("{}/vmlinuz", debian::modules_dir(release));
    let series = source.name.trim_start_matches(debian::SOURCE);
    format!(
        "cd /lab/kernel; mkdir -p src build debian tmp\n\
         {config} > debian/config\n\
         {symvers} > debian/Module.symvers\n\
         {image} > vmlinuz\n\
         {archive} > tmp/source.tar.xz\n\
         xz -T0 -dc tmp/source.tar.xz | tar -x --no-same-owner -C src --strip-components=1 \
             --wildcards --no-wildcards-match-slash {subset} --wildcards-match-slash {names}\n\
         rm -r tmp\n\
         cp debian/config build/.config; cp debian/Module.symvers build/\n\
         printf '%s' {release} > release\n",
        config = of_headers(".config"),
        symvers = of_headers("Module.symvers"),
        image = debian::contents(binary.file(), &image),
        archive = debian::contents(source.file(), &debian::source_archive(series)),
        subset = quoted(subset(arch)),
        names = quoted(names),
    )
}

const NEXT: &str = "the toolchain in the root file system differs from Debian's; report this with \
                    the lines above";

/// A configuration that differs would give other symbols and other structures: never go on with
/// one.
fn same_config(dir: &Path) -> Result<()> {
    let read = |path: PathBuf| fs::read_to_string(&path).at(&path, "read");
    let ours = read(dir.join("build/.config"))?;
    let theirs = read(dir.join("debian/config"))?;
    let differences = differing_lines(&theirs, &ours);
    if differences.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Kernel,
        "the kernel's configuration is not Debian's",
        format!(
            "olddefconfig changed {} lines:\n{}",
            differences.len(),
            indent(&differences[..differences.len().min(20)].join("\n"))
        ),
        NEXT,
    ))
}

/// Lines that only one of two configurations has, as a diff would mark them.
fn differing_lines(old: &str, new: &str) -> Vec<String> {
    let only = |a: &str, b: &str, mark: char| {
        let there: BTreeSet<&str> = b.lines().collect();
        a.lines()
            .filter(|line| !there.contains(line))
            .map(|line| format!("{mark}{line}"))
            .collect::<Vec<_>>()
    };
    let mut lines = only(old, new, '-');
    lines.extend(only(new, old, '+'));
    lines
}

/// Checks that each Rust symbol that Debian's kernel exports is one that ours exports; returns how
/// many.
fn same_exports(dir: &Path) -> Result<usize> {
    let path = dir.join("debian/Module.symvers");
    let symvers = fs::read_to_string(&path).at(&path, "read")?;
    let wanted = rust_symbols(&symvers);
    let mut ours = BTreeSet::new();
    let rust = dir.join("build/rust");
    for entry in fs::read_dir(&rust).at(&rust, "read the directory")? {
        let path = entry.at(&rust, "read the directory")?.path();
        if name(&path).starts_with("exports_") {
            let text = fs::read_to_string(&path).at(&path, "read")?;
            ours.extend(exported(&text).map(str::to_owned));
        }
    }
    let mut missing = wanted.clone();
    missing.retain(|name| !ours.contains(*name));
    if missing.is_empty() && !wanted.is_empty() {
        return Ok(wanted.len());
    }
    Err(Error::new(
        Kind::Kernel,
        "the prepared kernel is not Debian's",
        format!(
            "{} of {} exported Rust symbols are missing, the first:\n{}",
            missing.len(),
            wanted.len(),
            indent(&missing[..missing.len().min(5)].join("\n"))
        ),
        NEXT,
    ))
}

/// The mangled Rust symbols of the kernel image in a `Module.symvers`.
fn rust_symbols(symvers: &str) -> Vec<&str> {
    exports(symvers)
        .filter(|(name, module)| name.starts_with("_R") && *module == "vmlinux")
        .map(|(name, _)| name)
        .collect()
}

/// The names in a generated header of exports.
fn exported(header: &str) -> impl Iterator<Item = &str> {
    header
        .lines()
        .filter_map(|line| line.split_once('(')?.1.strip_suffix(");"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lost_option_is_seen() {
        let lines = differing_lines(
            "CONFIG_RUST=y\nCONFIG_A=y\n",
            "# CONFIG_RUST is not set\nCONFIG_A=y\n",
        );
        assert_eq!(lines, ["-CONFIG_RUST=y", "+# CONFIG_RUST is not set"]);
        assert!(differing_lines("a\n", "a\n").is_empty());
    }

    #[test]
    fn symbols_of_the_image_only() {
        let text =
            "0x0\t_RNvA\tvmlinux\tEXPORT_SYMBOL_GPL\t\n0x0\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n\
                    0x0\t_RNvB\tdrivers/gpu/nova\tEXPORT_SYMBOL_GPL\t\n";
        assert_eq!(rust_symbols(text), ["_RNvA"]);
        assert_eq!(
            exported("EXPORT_SYMBOL_RUST_GPL(_RNvA);\n").collect::<Vec<_>>(),
            ["_RNvA"]
        );
    }
}
