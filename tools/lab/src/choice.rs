// SPDX-License-Identifier: GPL-2.0

//! Which kernel the user asks for.

use std::fs;
use std::path::{Path, PathBuf};

use lifecycle::series::{SERIES, WITHOUT_RUST};

use crate::arch::Arch;
use crate::error::{Error, Kind, Result};
use crate::kernel::{Kernel, Workshop};
use crate::own_kernel::{self, Flavour, FLAVOURS};
use crate::stock;

/// What the user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The newest stock kernel of a supported series.
    Stock(Option<String>),
    /// A kernel of our own configuration.
    Own(&'static Flavour),
    /// A kernel that the user has built.
    Tree(PathBuf),
}

impl Choice {
    /// Reads `stock`, `stock:7.2`, the name of a kernel of our own, or a path.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        if text == "stock" || text.is_empty() {
            return Ok(Self::Stock(None));
        }
        if let Some(flavour) = FLAVOURS.iter().find(|one| one.name == text) {
            return Ok(Self::Own(flavour));
        }
        if let Some(series) = text.strip_prefix("stock:") {
            let all = [SERIES, WITHOUT_RUST].concat();
            if all.contains(&series) {
                return Ok(Self::Stock(Some(series.to_owned())));
            }
            return Err(Error::new(
                Kind::Usage,
                format!("KERNEL={text} is not supported"),
                format!("the supported series are {}", all.join(", ")),
                format!("KERNEL=stock:{}", SERIES[0]),
            ));
        }
        let path = fs::canonicalize(text).map_err(|error| {
            let own: Vec<&str> = FLAVOURS.iter().map(|one| one.name).collect();
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

    /// Says so, before anything is made, if the kernel has not what modules in Rust need.
    pub(crate) fn must_have_rust(&self) -> Result<()> {
        match self {
            Self::Stock(Some(series)) if WITHOUT_RUST.contains(&series.as_str()) => {
                Err(Error::new(
                    Kind::Usage,
                    format!("KERNEL=stock:{series} has not what modules in Rust need"),
                    format!(
                    "Debian's {series} has no CONFIG_RUST_FW_LOADER_ABSTRACTIONS; check-driver of \
                     drivers in C, shell, boot-demo and reports work with it"
                ),
                    format!("KERNEL=stock:{}, or leave KERNEL= out", SERIES[0]),
                ))
            }
            _ => Ok(()),
        }
    }

    /// What the root file system needs for it beyond the usual.
    pub(crate) fn packages(&self) -> &'static [&'static str] {
        match self {
            Self::Own(flavour) => flavour.packages,
            Self::Stock(_) | Self::Tree(_) => &[],
        }
    }

    /// The kernel, made first if it is missing.
    pub(crate) fn ensure(&self, refresh: bool, shop: &Workshop<'_>) -> Result<Kernel> {
        match self {
            Self::Tree(path) => tree(path, shop.arch),
            Self::Own(flavour) => own_kernel::ensure(flavour, shop).map(Kernel::Prepared),
            Self::Stock(series) => {
                let wanted: Vec<&str> = series.as_deref().map_or(SERIES.to_vec(), |one| vec![one]);
                stock::ensure(&wanted, refresh, shop).map(Kernel::Prepared)
            }
        }
    }
}

fn tree(path: &Path, arch: &'static Arch) -> Result<Kernel> {
    let kernel = Kernel::Tree {
        path: path.to_owned(),
        arch,
    };
    for needed in [path.join("Module.symvers"), kernel.image()] {
        if !needed.is_file() {
            return Err(Error::new(
                Kind::Kernel,
                format!("{} is not a built kernel", path.display()),
                format!("{} is missing", needed.display()),
                format!(
                    "build it first: make -C <kernel> LLVM=1 {} modules_prepare modules",
                    arch.target
                ),
            ));
        }
    }
    Ok(kernel)
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
        let old = Choice::parse("stock:6.1").unwrap();
        assert_eq!(old.must_have_rust().unwrap_err().kind, Kind::Usage);
        assert!(Choice::parse("stock:7.2").unwrap().must_have_rust().is_ok());
        assert_eq!(Choice::parse("stock:1.0").unwrap_err().kind, Kind::Usage);
        assert_eq!(
            Choice::parse("/no/such/kernel").unwrap_err().kind,
            Kind::Usage
        );
    }
}
