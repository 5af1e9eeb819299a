// SPDX-License-Identifier: GPL-2.0

//! Kernels that modules can be built for and that can be booted.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::arch::Arch;
use crate::cache::Cache;
use crate::config::Config;
use crate::debian::GCC;
use crate::enter::Spec;
use crate::environment::Environment;
use crate::error::{Error, IoContext, Kind, Result};
use crate::paths::name;
use crate::process::Logged;
use crate::project::Project;

/// What is known of a kernel of the cache.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Meta {
    /// As `uname -r` prints it.
    pub release: String,
    /// The version of the Debian packages.
    pub version: String,
    /// How many exported Rust symbols were compared; none of a kernel that is no copy, or has no Rust.
    pub rust_symbols: usize,
}

/// A kernel of the cache.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub dir: PathBuf,
    pub source: PathBuf,
    pub image: PathBuf,
    pub arch: &'static Arch,
    /// Debian's compiler that it is compiled with.
    pub compiler: &'static str,
    /// Settings of the image that the configuration of the modules, in `build`, does not have.
    pub variant: String,
    pub meta: Meta,
}

impl Prepared {
    /// Shows the kernel in `/lab/kernel`.
    pub(crate) fn bind(&self, spec: Spec) -> Spec {
        let spec = spec.bind(&self.dir, "/lab/kernel");
        if self.is_stock() {
            spec
        } else {
            spec.bind(&self.source, "/lab/kernel/src")
        }
    }

    /// Whether it is Debian's, and not of our own configuration.
    pub(crate) fn is_stock(&self) -> bool {
        self.dir.join("debian").is_dir()
    }

    /// The versions of the symbols that it exports.
    pub(crate) fn symvers(&self) -> PathBuf {
        self.dir.join(if self.is_stock() {
            "debian/Module.symvers"
        } else {
            "build/Module.symvers"
        })
    }

    /// The configuration that modules are built with.
    pub(crate) fn config(&self) -> Result<Config> {
        Config::read(&self.dir.join("build/.config"))
    }

    /// The make command of the kernel, as Debian's packaging calls it.
    pub(crate) fn make_command(&self) -> String {
        make_command(self.arch, self.compiler)
    }
}

/// make for the kernel in `/lab/kernel`.
pub(crate) fn make_command(arch: &Arch, compiler: &str) -> String {
    // That of Debian has the prefix of its architecture; there is one clang for all.
    let compiler = match compiler {
        GCC => arch.compiler(GCC),
        other => other.to_owned(),
    };
    format!(
        "make -C /lab/kernel/src O=/lab/kernel/build ARCH={} CROSS_COMPILE={} {} \
         CC={compiler} HOSTCC={GCC} KERNELRELEASE=$(cat /lab/kernel/release) -j$(nproc)",
        arch.kernel,
        arch.compiler(""),
        arch.make
    )
}

/// What it takes to make a kernel.
#[derive(Debug)]
pub(crate) struct Workshop<'a> {
    pub cache: &'a Cache,
    pub env: &'a Environment,
    pub arch: &'static Arch,
    /// The checkout, which has the configurations.
    pub project: &'a Project,
    pub logs: &'a Path,
}

/// Runs a step of making a kernel.
pub(crate) fn step(what: &str, logs: &Path, log: &str, spec: Spec) -> Result<()> {
    Logged {
        what,
        log: logs.join(log),
        kind: Kind::Kernel,
        next: "read the log; then run the same command again",
    }
    .run(spec.command())
}

/// The symbols in a `Module.symvers`, each with the path of its module.
pub(crate) fn exports(symvers: &str) -> impl Iterator<Item = (&str, &str)> {
    symvers.lines().filter_map(|line| {
        let mut fields = line.split('\t').skip(1);
        Some((fields.next()?, fields.next()?))
    })
}

/// A kernel that modules can be built for and that can be booted.
#[derive(Clone, Debug)]
pub(crate) enum Kernel {
    /// Of the cache.
    Prepared(Prepared),
    /// A built tree of the user.
    Tree { path: PathBuf, arch: &'static Arch },
}

impl Kernel {
    /// A short name, for messages and stamps.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Prepared(kernel) => name(&kernel.dir),
            Self::Tree { path, .. } => path.display().to_string(),
        }
    }

    pub(crate) fn arch(&self) -> &'static Arch {
        match self {
            Self::Prepared(Prepared { arch, .. }) | Self::Tree { arch, .. } => arch,
        }
    }

    /// Whether it is a stock kernel for modules in C alone.
    pub(crate) fn is_without_rust(&self) -> bool {
        matches!(self, Self::Prepared(kernel) if kernel.is_stock() && kernel.meta.rust_symbols == 0)
    }

    /// As `uname -r` prints it.
    pub(crate) fn release(&self) -> Result<String> {
        match self {
            Self::Prepared(kernel) => Ok(kernel.meta.release.clone()),
            Self::Tree { path, .. } => {
                let file = path.join("include/config/kernel.release");
                let text = fs::read_to_string(&file).at(&file, "read")?;
                Ok(text.trim().to_owned())
            }
        }
    }

    /// The configuration of the image.
    pub(crate) fn config(&self) -> Result<Config> {
        match self {
            Self::Prepared(kernel) => Ok(kernel.config()?.with(&kernel.variant)),
            Self::Tree { path, .. } => Config::read(&path.join(".config")),
        }
    }

    pub(crate) fn source(&self) -> PathBuf {
        match self {
            Self::Prepared(kernel) => kernel.source.clone(),
            Self::Tree { path, .. } => match path.join("source") {
                // Built outside of its source.
                link if link.is_dir() => link,
                _ => path.clone(),
            },
        }
    }

    pub(crate) fn image(&self) -> PathBuf {
        match self {
            Self::Prepared(kernel) => kernel.image.clone(),
            Self::Tree { path, arch } => path.join(arch.image()),
        }
    }
}

pub(crate) fn read_meta(dir: &Path) -> Result<Meta> {
    let path = dir.join("meta.json");
    let text = fs::read_to_string(&path).at(&path, "read")?;
    serde_json::from_str(&text).map_err(|error| {
        Error::new(
            Kind::Kernel,
            format!("cannot read {}", path.display()),
            error.to_string(),
            "this is a bug of the lab or a damaged cache: `make clean-cache`, then run the same \
             command again",
        )
    })
}

pub(crate) fn write_meta(dir: &Path, meta: &Meta) -> Result<()> {
    let path = dir.join("meta.json");
    let text = serde_json::to_string_pretty(meta).unwrap_or_default();
    fs::write(&path, text).at(&path, "write")
}
