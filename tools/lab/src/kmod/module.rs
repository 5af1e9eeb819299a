// SPDX-License-Identifier: GPL-2.0

//! What a module's file says of it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use object::{Object, ObjectSection, ObjectSymbol};

use crate::arch::Arch;
use crate::error::{Error, Kind, Result};
use crate::paths::name as file_name;

/// A module's file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Module {
    pub path: PathBuf,
    /// Its name, as in `/proc/modules`.
    pub name: String,
    /// The kernel that it was built for, with the options that must agree.
    pub vermagic: String,
    /// The symbols that others must export.
    pub needs: BTreeSet<String>,
    /// The symbols that it exports.
    pub exports: BTreeSet<String>,
}

impl Module {
    /// Reads a file.
    pub(crate) fn read(path: &Path, arch: &Arch) -> Result<Self> {
        let not = |why: String| {
            Error::new(
                Kind::Usage,
                format!("{} is not a module of the kernel", path.display()),
                why,
                "name the file that the kernel's build ends with: foo.ko",
            )
        };
        let bytes = fs::read(path).map_err(|error| not(error.to_string()))?;
        Self::parse(path, &bytes, arch).map_err(not)
    }

    fn parse(path: &Path, bytes: &[u8], arch: &Arch) -> std::result::Result<Self, String> {
        let file = object::File::parse(bytes).map_err(|error| error.to_string())?;
        if file.architecture() != arch.elf {
            return Err(format!("it is for {:?}", file.architecture()));
        }
        let info = file
            .section_by_name(".modinfo")
            .and_then(|section| section.data().ok())
            .ok_or("it has no section .modinfo")?;
        let info = String::from_utf8_lossy(info);
        let field = |name: &str| {
            info.split('\0')
                .find_map(|field| field.strip_prefix(name)?.strip_prefix('='))
                .map(str::to_owned)
        };
        let mut module = Self {
            path: path.to_owned(),
            name: field("name").ok_or("it has no name in .modinfo")?,
            vermagic: field("vermagic")
                .ok_or("it has no vermagic")?
                .trim()
                .to_owned(),
            ..Self::default()
        };
        for symbol in file.symbols() {
            let Ok(name) = symbol.name() else { continue };
            if symbol.is_undefined() && !symbol.is_weak() && !name.is_empty() {
                module.needs.insert(name.to_owned());
            } else if let Some(name) = name.strip_prefix("__ksymtab_") {
                module.exports.insert(name.to_owned());
            }
        }
        Ok(module)
    }
}

/// The name of a module by that of its file: `snd-dummy.ko.xz` is `snd_dummy`.
pub(crate) fn name_of(file: &str) -> String {
    file.split('.').next().unwrap_or(file).replace('-', "_")
}

/// A file by the name of its module.
pub(crate) fn by_name(path: PathBuf) -> (String, PathBuf) {
    (name_of(&file_name(&path)), path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arch::ARCHES;

    #[test]
    fn names() {
        for (file, name) in [
            ("snd-dummy.ko.xz", "snd_dummy"),
            ("netdevsim", "netdevsim"),
            ("a_b.ko", "a_b"),
        ] {
            assert_eq!(name_of(file), name);
        }
    }

    #[test]
    fn what_is_no_module_is_refused() {
        let itself = std::env::current_exe().unwrap();
        let error = Module::read(&itself, &ARCHES[0]).unwrap_err();
        assert_eq!(error.why, "it has no section .modinfo");
        assert!(Module::read(Path::new("/no/such.ko"), &ARCHES[0]).is_err());
        let mut text = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut text, b"#!/bin/sh\n").unwrap();
        assert_eq!(
            Module::read(text.path(), &ARCHES[0]).unwrap_err().kind,
            Kind::Usage
        );
    }
}
