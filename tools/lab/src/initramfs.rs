// SPDX-License-Identifier: GPL-2.0

//! The guest's root file system: a cpio archive whose bytes depend on its contents only.
//!
//! There are two of them: the base, with which every guest boots, and what a run brings.

use std::collections::btree_map::Entry;
use std::collections::BTreeMap;
use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use cpio::newc::{trailer, Builder};

use crate::debian::BUSYBOX;
use crate::environment::Environment;
use crate::error::{IoContext, Result};
use crate::paths::name;

const INIT: &[u8] = include_bytes!("guest/init.sh");

/// Directories that are always there.
const DIRECTORIES: &[&str] = &[
    "bin",
    "dev",
    "etc",
    "lib",
    "modules",
    "proc",
    "root",
    "run",
    "selftests",
    "sys",
    "tmp",
];

const DIRECTORY: u32 = 0o040_755;
const EXECUTABLE: u32 = 0o100_755;
const PLAIN: u32 = 0o100_644;
const SYMLINK: u32 = 0o120_777;
const CHARACTER_DEVICE: u32 = 0o020_600;

#[derive(Clone, Debug)]
struct Node {
    mode: u32,
    data: Data,
    device: (u32, u32),
}

#[derive(Clone, Debug)]
enum Data {
    Bytes(Vec<u8>),
    Host(PathBuf),
}

/// An archive in the making. Sorted by path, times and owners zero.
#[derive(Clone, Debug, Default)]
pub(crate) struct Initramfs {
    nodes: BTreeMap<String, Node>,
    /// An archive that comes after it.
    rest: Option<PathBuf>,
}

impl Initramfs {
    /// That of a distribution, whose archive the kernel unpacks after this one, which is empty.
    pub(crate) fn of_distribution(initrd: &Path) -> Self {
        Self {
            rest: Some(initrd.to_owned()),
            ..Self::default()
        }
    }

    /// The base: busybox, the mount points, /init, and the program that unpacks what the run brings.
    pub(crate) fn base(env: &Environment, late: &Path) -> Result<Self> {
        let mut archive = Self::default();
        for dir in DIRECTORIES {
            archive.directory(dir);
        }
        archive.put("dev/console", CHARACTER_DEVICE, Data::Bytes(vec![]), (5, 1));
        archive.bytes("init", INIT, true);
        archive.file(&format!("bin/{}", name(late)), late, true);
        let busybox = env.root().join(BUSYBOX);
        archive.file("bin/busybox", &busybox, true);
        Ok(archive)
    }

    /// Adds bytes as a file.
    pub(crate) fn bytes(&mut self, path: &str, bytes: &[u8], executable: bool) {
        let mode = if executable { EXECUTABLE } else { PLAIN };
        self.put(path, mode, Data::Bytes(bytes.to_vec()), (0, 0));
    }

    /// Adds a file of the host.
    pub(crate) fn file(&mut self, path: &str, host: &Path, executable: bool) {
        let mode = if executable { EXECUTABLE } else { PLAIN };
        self.put(path, mode, Data::Host(host.to_owned()), (0, 0));
    }

    /// Adds a program where the jobs look for those of the selftests.
    pub(crate) fn selftest(&mut self, program: &Path) {
        self.file(&format!("selftests/{}", name(program)), program, true);
    }

    /// Adds a directory of the host, with all that is in it.
    pub(crate) fn tree(&mut self, path: &str, host: &Path) -> Result<()> {
        for entry in fs::read_dir(host).at(host, "read the directory")? {
            let entry = entry.at(host, "read the directory")?.path();
            let inside = format!("{path}/{}", name(&entry));
            let meta = entry.metadata().at(&entry, "read")?;
            if meta.is_dir() {
                self.tree(&inside, &entry)?;
            } else {
                self.file(&inside, &entry, meta.mode() & 0o111 != 0);
            }
        }
        Ok(())
    }

    fn directory(&mut self, path: &str) {
        self.put(path, DIRECTORY, Data::Bytes(vec![]), (0, 0));
    }

    fn put(&mut self, path: &str, mode: u32, data: Data, device: (u32, u32)) {
        let parents: Vec<&str> = path.match_indices('/').map(|(at, _)| &path[..at]).collect();
        for parent in parents {
            if !self.nodes.contains_key(parent) {
                self.directory(parent);
            }
        }
        self.nodes
            .insert(path.to_owned(), Node { mode, data, device });
    }

    /// All of both; of a file that both have, the other's.
    pub(crate) fn with(mut self, other: Self) -> Self {
        self.nodes.extend(other.nodes);
        self.rest = self.rest.or(other.rest);
        self
    }

    /// The bytes of the archive. A file that is there by several names is written once; the other
    /// names are links to the first.
    pub(crate) fn archive(&self) -> Result<Vec<u8>> {
        let mut out = Vec::new();
        let mut written: BTreeMap<PathBuf, &str> = BTreeMap::new();
        for (number, (name, node)) in (1_u32..).zip(&self.nodes) {
            let (mode, bytes) = match &node.data {
                Data::Bytes(bytes) => (node.mode, bytes.clone()),
                Data::Host(host) => {
                    let host = fs::canonicalize(host).at(host, "read")?;
                    match written.entry(host) {
                        Entry::Occupied(first) => (SYMLINK, format!("/{}", first.get()).into()),
                        Entry::Vacant(vacant) => {
                            let bytes = fs::read(vacant.key()).at(vacant.key(), "read")?;
                            vacant.insert(name);
                            (node.mode, bytes)
                        }
                    }
                }
            };
            entry(&mut out, number, name, node.device, mode, &bytes).at(Path::new(name), "pack")?;
        }
        trailer(&mut out).at(Path::new("the initramfs"), "pack")?;
        if let Some(rest) = &self.rest {
            // An archive begins at a multiple of four bytes (`init/initramfs.c`); zeros are skipped.
            out.resize(out.len().next_multiple_of(512), 0);
            out.extend(fs::read(rest).at(rest, "read")?);
        }
        Ok(out)
    }
}

fn entry(
    out: impl Write,
    number: u32,
    name: &str,
    device: (u32, u32),
    mode: u32,
    bytes: &[u8],
) -> io::Result<()> {
    let size = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    let mut writer = Builder::new(name)
        .ino(number)
        .mode(mode)
        .mtime(0)
        .nlink(1)
        .rdev_major(device.0)
        .rdev_minor(device.1)
        .write(out, size);
    writer.write_all(bytes)?;
    writer.finish().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_adding_does_not_matter() {
        let images: Vec<Vec<u8>> = [["b/x", "a"], ["a", "b/x"]]
            .iter()
            .map(|names| {
                let mut archive = Initramfs::default();
                for name in names {
                    archive.bytes(name, b"data", false);
                }
                archive.archive().unwrap()
            })
            .collect();
        assert_eq!(images[0], images[1]);
        assert!(images[0].starts_with(b"070701"));
    }

    #[test]
    fn a_file_by_two_names_is_written_once() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("file"), dir.path().join("link"));
        fs::write(&file, "data of the file").unwrap();
        std::os::unix::fs::symlink(&file, &link).unwrap();
        let mut archive = Initramfs::default();
        archive.file("b", &link, true);
        archive.file("a", &file, true);
        let image = archive.archive().unwrap();
        let image = String::from_utf8_lossy(&image);
        assert_eq!(image.matches("data of the file").count(), 1);
        assert!(image.contains("/a"));
    }
}
