// SPDX-License-Identifier: GPL-2.0

//! The modules that come with the kernel: those of Debian's package, or of a built tree.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use super::module::{by_name, name_of};
use crate::cache::Cache;
use crate::debian;
use crate::environment::{quote, Environment};
use crate::error::{Error, IoContext, Kind, Result};
use crate::headers::MODULES;
use crate::kernel::{step, Kernel, Prepared};
use crate::packages::Archive;
use crate::paths::name as file_name;

/// The modules by name.
#[derive(Debug)]
pub(crate) struct Stock {
    files: BTreeMap<String, PathBuf>,
}

impl Stock {
    /// Finds them; Debian's package is downloaded when it is needed for the first time.
    pub(crate) fn find(kernel: &Kernel, env: &Environment, logs: &Path) -> Result<Self> {
        let mut files = Vec::new();
        match kernel {
            Kernel::Prepared(kernel) if kernel.is_stock() => {
                walk(&unpacked(kernel, env, logs)?, &mut files)?;
            }
            // One of our own has no modules.
            Kernel::Prepared(_) => {}
            Kernel::Tree { path, .. } => {
                let order = path.join("modules.order");
                let order = fs::read_to_string(&order).at(&order, "read")?;
                // `drivers/net/dummy.o`
                let files_of = order.lines().map(|of| path.join(of).with_extension("ko"));
                files.extend(files_of);
            }
        }
        let files = files.into_iter().map(by_name).collect();
        Ok(Self { files })
    }

    /// The file of a module, unpacked into `out`; none if there is no such module.
    pub(crate) fn file(
        &self,
        name: &str,
        env: &Environment,
        out: &Path,
    ) -> Result<Option<PathBuf>> {
        let Some(packed) = self.files.get(&name_of(name)) else {
            return Ok(None);
        };
        if packed.extension().is_some_and(|of| of == "ko") {
            return Ok(Some(packed.clone()));
        }
        let dir = packed.parent().unwrap_or(packed);
        let target = out.join(format!("{}.ko", name_of(name)));
        fs::create_dir_all(out).at(out, "create the directory")?;
        let aside = out.join(".unpacking");
        let file = File::create(&aside).at(&aside, "write")?;
        let output = env
            .enter(["xz", "-dc", "--", &file_name(packed)])
            .bind(dir, "/lab/out")
            .workdir("/lab/out")
            .command()
            .stdin(Stdio::null())
            .stdout(file)
            .output()
            .at(dir, "enter")?;
        if !output.status.success() {
            return Err(Error::new(
                Kind::Kernel,
                format!("cannot unpack {}", packed.display()),
                String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                "`make clean-cache`, then run the same command again",
            ));
        }
        fs::rename(&aside, &target).at(&target, "rename the unpacked module to")?;
        Ok(Some(target))
    }

    /// Names that look like this one, in case it was mistyped.
    pub(crate) fn like(&self, name: &str) -> Vec<&str> {
        let name = name_of(name);
        let mut like: Vec<_> = self
            .files
            .keys()
            .map(|known| (strsim::jaro_winkler(known, &name), known.as_str()))
            .filter(|(likeness, _)| *likeness > 0.9)
            .collect();
        like.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        like.into_iter().take(3).map(|(_, known)| known).collect()
    }
}

/// Adds all modules below a directory.
fn walk(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in fs::read_dir(dir).at(dir, "read the directory")?.flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            walk(&path, files)?;
        } else if file_name(&path).contains(".ko") {
            files.push(path);
        }
    }
    Ok(())
}

/// The directory of a stock kernel's modules, in the cache: of its own where its image comes with
/// them, of the unpacked package otherwise.
pub(crate) fn unpacked(kernel: &Prepared, env: &Environment, logs: &Path) -> Result<PathBuf> {
    let own = kernel.dir.join(MODULES);
    if own.is_dir() {
        return Ok(own);
    }
    let meta = &kernel.meta;
    let cache = Cache::locate()?;
    let entry = format!("modules/stock-{}", meta.release);
    cache.ensure(&entry, 300, |dir, lock| {
        let archive = Archive::own(env, logs);
        let package = archive.package(&debian::modules(&meta.release), &meta.version)?;
        archive.download(std::slice::from_ref(&package), &cache, lock)?;
        let debs = cache.path("debs");
        let script = format!(
            "dpkg-deb --fsys-tarfile /lab/debs/{} | \
             tar -x --no-same-owner -C /lab/out --strip-components=5 ./{}",
            quote(package.file()),
            quote(&debian::modules_dir(&meta.release))
        );
        let spec = env.script(&script).bind(&debs, "/lab/debs");
        step(
            "unpacking the kernel's modules",
            logs,
            "modules-unpack.log",
            spec.bind(dir, "/lab/out"),
        )?;
        // It is as large as what came out of it, and of no more use.
        let deb = debs.join(package.file());
        fs::remove_file(&deb).at(&deb, "remove")
    })
}
