// SPDX-License-Identifier: GPL-2.0

//! Kernels that modules can be built for and that can be booted.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use lifecycle::series::SERIES;
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, Lock};
use crate::config::Config;
use crate::debian::Release;
use crate::enter::Spec;
use crate::environment::Environment;
use crate::error::{Error, IoContext, Kind, Result};
use crate::own_kernel::{self, Flavour};
use crate::progress::note;
use crate::project::Project;
use crate::stock;

/// The compiler of Debian's kernel.
pub const GCC: &str = "x86_64-linux-gnu-gcc-14";

const DAMAGED: &str =
    "this is a bug of the lab or a damaged cache: `make clean-cache`, then run the same command again";

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// The newest stock kernel of a supported series.
    Stock(Option<String>),
    /// A kernel of our own configuration.
    Own(&'static Flavour),
    /// A kernel that the user has built.
    Tree(PathBuf),
}

impl Choice {
    /// Reads `stock`, `stock:7.2`, the name of a kernel of our own, or a path.
    pub fn parse(text: &str) -> Result<Self> {
        if text == "stock" || text.is_empty() {
            return Ok(Self::Stock(None));
        }
        if let Some(flavour) = own_kernel::FLAVOURS.iter().find(|one| one.name == text) {
            return Ok(Self::Own(flavour));
        }
        if let Some(series) = text.strip_prefix("stock:") {
            if SERIES.contains(&series) {
                return Ok(Self::Stock(Some(series.to_owned())));
            }
            return Err(Error::new(
                Kind::Usage,
                format!("KERNEL={text} is not supported"),
                format!("the supported series are {}", SERIES.join(", ")),
                format!("KERNEL=stock:{}", SERIES[0]),
            ));
        }
        let path = fs::canonicalize(text).map_err(|error| {
            let own: Vec<&str> = own_kernel::FLAVOURS.iter().map(|one| one.name).collect();
            Error::new(
                Kind::Usage,
                format!("KERNEL={text} is not a kernel"),
                error.to_string(),
                format!(
                    "KERNEL=stock, KERNEL=stock:<series>, KERNEL={}, or KERNEL=<path of a built kernel tree>",
                    own.join("|")
                ),
            )
        })?;
        Ok(Self::Tree(path))
    }

    /// What the root file system needs for it beyond the usual.
    pub fn packages(&self) -> &'static [&'static str] {
        match self {
            Self::Own(flavour) => flavour.packages,
            Self::Stock(_) | Self::Tree(_) => &[],
        }
    }
}

/// What is known of a kernel of the cache.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Meta {
    /// As `uname -r` prints it.
    pub release: String,
    /// The version of the Debian packages.
    pub version: String,
    /// How many exported Rust symbols were compared; none of a kernel that is no copy.
    pub rust_symbols: usize,
}

/// A kernel of the cache.
#[derive(Clone, Debug)]
pub struct Prepared {
    /// The cache entry.
    pub dir: PathBuf,
    /// The source tree.
    pub source: PathBuf,
    /// The bootable image.
    pub image: PathBuf,
    /// What it is compiled with.
    pub compiler: &'static str,
    /// Settings of the image that the configuration of the modules, in `build`, does not have.
    pub variant: String,
    /// What is known of it.
    pub meta: Meta,
}

impl Prepared {
    /// Shows the kernel in `/lab/kernel`.
    pub fn bind(&self, spec: Spec) -> Spec {
        let spec = spec.bind(&self.dir, "/lab/kernel");
        if self.is_stock() {
            spec
        } else {
            spec.bind(&self.source, "/lab/kernel/src")
        }
    }

    /// Whether it is Debian's, and not of our own configuration.
    pub fn is_stock(&self) -> bool {
        self.dir.join("debian").is_dir()
    }

    /// The versions of the symbols that it exports.
    pub fn symvers(&self) -> PathBuf {
        self.dir.join(if self.is_stock() {
            "debian/Module.symvers"
        } else {
            "build/Module.symvers"
        })
    }

    /// The configuration that modules are built with.
    pub fn config(&self) -> Result<Config> {
        Config::read(&self.dir.join("build/.config"))
    }

    /// The make command of the kernel, as Debian's packaging calls it.
    pub fn make_command(&self) -> String {
        make_command(self.compiler)
    }
}

/// make for the kernel in `/lab/kernel`.
pub fn make_command(compiler: &str) -> String {
    format!(
        "make -C /lab/kernel/src O=/lab/kernel/build ARCH=x86 CROSS_COMPILE=x86_64-linux-gnu- \
         CC={compiler} HOSTCC=gcc-14 KERNELRELEASE=$(cat /lab/kernel/release) -j$(nproc)"
    )
}

/// A kernel that modules can be built for and that can be booted.
#[derive(Clone, Debug)]
pub enum Kernel {
    /// Of the cache.
    Prepared(Prepared),
    /// A built tree of the user.
    Tree(PathBuf),
}

/// What it takes to make a kernel.
#[derive(Debug)]
pub struct Workshop<'a> {
    /// The cache.
    pub cache: &'a Cache,
    /// Its lock.
    pub lock: Lock,
    /// The root file system.
    pub env: &'a Environment,
    /// The checkout, which has the configurations.
    pub project: &'a Project,
    /// Where the logs go.
    pub logs: &'a Path,
}

impl Kernel {
    /// The kernel that was asked for, made first if it is missing.
    pub fn ensure(choice: &Choice, refresh: bool, shop: Workshop<'_>) -> Result<Self> {
        match choice {
            Choice::Tree(path) => tree(path),
            Choice::Own(flavour) => own_kernel::ensure(flavour, shop).map(Self::Prepared),
            Choice::Stock(series) => {
                let wanted: Vec<&str> = series.as_deref().map_or(SERIES.to_vec(), |one| vec![one]);
                stock::ensure(&wanted, refresh, &shop).map(Self::Prepared)
            }
        }
    }

    /// A short name, for messages and stamps.
    pub fn name(&self) -> String {
        match self {
            Self::Prepared(kernel) => entry_name(&kernel.dir),
            Self::Tree(path) => path.display().to_string(),
        }
    }

    /// As `uname -r` prints it.
    pub fn release(&self) -> Result<String> {
        match self {
            Self::Prepared(kernel) => Ok(kernel.meta.release.clone()),
            Self::Tree(path) => {
                let file = path.join("include/config/kernel.release");
                let text = fs::read_to_string(&file).at(&file, "read")?;
                Ok(text.trim().to_owned())
            }
        }
    }

    /// The configuration of the image.
    pub fn config(&self) -> Result<Config> {
        match self {
            Self::Prepared(kernel) => Ok(kernel.config()?.with(&kernel.variant)),
            Self::Tree(path) => Config::read(&path.join(".config")),
        }
    }

    /// The source tree.
    pub fn source(&self) -> PathBuf {
        match self {
            Self::Prepared(kernel) => kernel.source.clone(),
            Self::Tree(path) => match path.join("source") {
                // Built outside of its source.
                link if link.is_dir() => link,
                _ => path.clone(),
            },
        }
    }

    /// The bootable image.
    pub fn image(&self) -> PathBuf {
        match self {
            Self::Prepared(kernel) => kernel.image.clone(),
            Self::Tree(path) => path.join("arch/x86/boot/bzImage"),
        }
    }
}

fn tree(path: &Path) -> Result<Kernel> {
    let kernel = Kernel::Tree(path.to_owned());
    for needed in [path.join("Module.symvers"), kernel.image()] {
        if !needed.is_file() {
            return Err(Error::new(
                Kind::Kernel,
                format!("{} is not a built kernel", path.display()),
                format!("{} is missing", needed.display()),
                "build it first: make -C <kernel> LLVM=1 bzImage modules_prepare modules",
            ));
        }
    }
    Ok(kernel)
}

/// The name of a cache entry.
pub fn entry_name(dir: &Path) -> String {
    dir.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// The entries of the cache named `<prefix>-<release>-<digest>`, by release.
pub fn entries(cache: &Cache, prefix: &str, digest: &str) -> BTreeMap<Release, PathBuf> {
    let (prefix, suffix) = (format!("{prefix}-"), format!("-{digest}"));
    fs::read_dir(cache.path("kernels"))
        .into_iter()
        .flatten()
        .flatten()
        .filter_map(|entry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            let release = name.strip_prefix(&prefix)?.strip_suffix(&suffix)?;
            Some((Release::parse(release)?, entry.path()))
        })
        .collect()
}

/// Reads what is known of a kernel.
pub fn read_meta(dir: &Path) -> Result<Meta> {
    let path = dir.join("meta.json");
    let text = fs::read_to_string(&path).at(&path, "read")?;
    serde_json::from_str(&text).map_err(|error| {
        Error::new(
            Kind::Kernel,
            format!("cannot read {}", path.display()),
            error.to_string(),
            DAMAGED,
        )
    })
}

/// Writes what is known of a kernel.
pub fn write_meta(dir: &Path, meta: &Meta) -> Result<()> {
    let path = dir.join("meta.json");
    let text = serde_json::to_string_pretty(meta).unwrap_or_default();
    fs::write(&path, text).at(&path, "write")
}

/// Says that an older kernel is used, since a newer one could not be had.
pub fn fall_back(kernel: Prepared, error: &Error) -> Prepared {
    note(&format!(
        "using {}, since there is no newer one:",
        entry_name(&kernel.dir)
    ));
    note(&error.to_string());
    kernel
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn choices() {
        assert_eq!(Choice::parse("stock").unwrap(), Choice::Stock(None));
        assert_eq!(
            Choice::parse("stock:7.2").unwrap(),
            Choice::Stock(Some("7.2".into()))
        );
        assert!(matches!(
            Choice::parse("custom").unwrap(),
            Choice::Own(flavour) if flavour.name == "custom"
        ));
        assert_eq!(Choice::parse("stock:1.0").unwrap_err().kind, Kind::Usage);
        assert_eq!(
            Choice::parse("/no/such/kernel").unwrap_err().kind,
            Kind::Usage
        );
    }
}
