// SPDX-License-Identifier: GPL-2.0

//! Building the modules with plain kbuild, inside the root file system or on the host.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::arch::Arch;
use crate::cache::{remove_tree, Lock};
use crate::enter::tethered;
use crate::environment::{quote, Environment};
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::Kernel;
use crate::paths::name;
use crate::process::{build, Line};
use crate::progress::say;
use crate::project::Project;

/// Where the root file system sees the checkout.
const SEEN: &str = "/lab/project";

/// Where the modules are built, in the checkout: each kernel has a directory there.
const OUT: &str = "out/built";

/// A link to the directory that was built last.
const LAST: &str = "modules";

/// The built modules. By default there are none.
#[derive(Debug, Default)]
pub(crate) struct Modules {
    dir: PathBuf,
    /// Where others of the same name are, which are taken instead.
    instead: Option<PathBuf>,
}

impl Modules {
    /// Builds them; `variables` are passed to make as they are (`CLIPPY=1`, `W=1`). Errors and
    /// warnings go to stderr, and so do all lines of make if `shown`.
    pub(crate) fn build(
        project: &Project,
        kernel: &Kernel,
        env: &Environment,
        variables: &[&str],
        shown: bool,
    ) -> Result<Self> {
        let out = format!("{OUT}/{}", kernel.name().replace('/', "-"));
        let dir = project.top().join(&out);
        fs::create_dir_all(&dir).at(&dir, "create the directory")?;
        let _lock = Lock::take(&project.out(".lock"))?;
        link(&dir, &project.out(LAST))?;
        let mut command = command(project, kernel, env, [".", &out], variables);
        let status = build(
            "building the modules",
            &mut command,
            &mut |line, step| match line {
                Line::Output(line) if !shown => step.message(line.trim()),
                Line::Output(line) | Line::Error(line) => say(line),
            },
        )?;
        if !status.success() {
            return Err(Error::new(
                Kind::Build,
                "the modules do not build",
                format!("make: {status}; its messages are above"),
                "mend the sources, then `make` again (V=1 shows the commands)",
            ));
        }
        Ok(Self { dir, instead: None })
    }

    /// Those of the same names in `dir` instead.
    pub(crate) fn replaced(self, dir: &Path) -> Self {
        Self {
            instead: Some(dir.to_owned()),
            ..self
        }
    }

    /// The same without what debuggers need, which is nine tenths of a file, as `make
    /// modules_install` of the kernel makes them with `INSTALL_MOD_STRIP=1`.
    pub(crate) fn stripped(self, env: &Environment, arch: &Arch) -> Result<Self> {
        if self.is_none() {
            return Ok(self);
        }
        let to = self.dir.join("stripped");
        let strip = arch.compiler("strip");
        fs::create_dir_all(&to).at(&to, "create the directory")?;
        let built = |path: &Path| path.metadata().and_then(|of| of.modified()).ok();
        for file in self.files()? {
            let stripped = to.join(name(&file));
            if stripped.exists() && built(&stripped) == built(&file) {
                continue;
            }
            let dir = file.parent().unwrap_or(&file);
            let output = env
                .enter([&strip, "--strip-debug", "--preserve-dates", "-o"])
                .arg(&format!("/lab/out/{}", name(&file)))
                .arg(&format!("/lab/kernel/{}", name(&file)))
                .bind(dir, "/lab/kernel")
                .bind(&to, "/lab/out")
                .output()?;
            if !output.status.success() {
                return Err(Error::new(
                    Kind::Build,
                    format!("{} cannot be stripped", file.display()),
                    String::from_utf8_lossy(&output.stderr).trim().to_owned(),
                    "make clean, then run the same command again",
                ));
            }
        }
        Ok(self.replaced(&to))
    }

    /// Whatever was built last.
    pub(crate) fn built(project: &Project) -> Self {
        Self {
            dir: project.out(LAST),
            instead: None,
        }
    }

    fn is_none(&self) -> bool {
        self.dir.as_os_str().is_empty()
    }

    /// Where they are. It is empty if there are none.
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// The same as the root file system sees it.
    pub(crate) fn seen(&self) -> String {
        format!("{SEEN}/{OUT}/{}", name(&self.dir))
    }

    /// What tells kbuild of them where it builds a driver on them; nothing if there are none.
    pub(crate) fn variables(&self) -> Vec<String> {
        let dir = self.seen();
        match self.is_none() {
            true => vec![],
            false => vec![
                format!("ASYNC_PROBE={dir}"),
                format!("KBUILD_EXTRA_SYMBOLS={dir}/Module.symvers"),
            ],
        }
    }

    /// The file of one.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.ko"))
    }

    /// The module files, by name.
    pub(crate) fn files(&self) -> Result<Vec<PathBuf>> {
        if self.is_none() {
            return Ok(vec![]);
        }
        let mut files = with_extension(&self.dir, "ko")?;
        for file in &mut files {
            let other = self.instead.as_ref().map(|dir| dir.join(name(file)));
            if let Some(other) = other.filter(|other| other.is_file()) {
                *file = other;
            }
        }
        Ok(files)
    }
}

/// The files of a directory that end so, sorted.
pub(crate) fn with_extension(dir: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = fs::read_dir(dir)
        .at(dir, "read the directory")?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    Ok(files)
}

/// Makes `link` point to a directory below its own, whatever it was before.
fn link(dir: &Path, link: &Path) -> Result<()> {
    let own = link.parent().and_then(|own| dir.strip_prefix(own).ok());
    let to = own.unwrap_or(dir);
    if fs::read_link(link).is_ok_and(|is| is == to) {
        return Ok(());
    }
    if link.is_symlink() {
        fs::remove_file(link).at(link, "remove")?;
    } else {
        remove_tree(link)?;
    }
    symlink(to, link).at(link, "make the link")
}

/// The modules of a directory: its sources, and where what is built goes, both as paths in the
/// checkout.
pub(crate) fn command(
    project: &Project,
    kernel: &Kernel,
    env: &Environment,
    dirs: [&str; 2],
    variables: &[&str],
) -> Command {
    match kernel {
        Kernel::Prepared(kernel) => {
            let words: Vec<String> = variables.iter().map(|word| quote(word)).collect();
            let [source, out] = dirs.map(|dir| below(Path::new(SEEN), dir));
            // Type information of modules would need the whole vmlinux: kbuild would say so each
            // time.
            let script = format!(
                "{} --no-print-directory CONFIG_DEBUG_INFO_BTF_MODULES= \
                 M={} MO={} {} modules",
                kernel.make_command(),
                quote(&source.display().to_string()),
                quote(&out.display().to_string()),
                words.join(" ")
            );
            kernel
                .bind(env.script(&script))
                .bind(project.top(), SEEN)
                .workdir(SEEN)
                .command()
        }
        Kernel::Tree { path, .. } => {
            let mut command = tethered("make");
            command.arg("-C").arg(path);
            let [source, out] = dirs.map(|dir| below(project.top(), dir));
            command.arg(format!("M={}", source.display()));
            command.arg(format!("MO={}", out.display()));
            command.args(["-j2", "--no-print-directory"]);
            command.args(variables).arg("modules");
            command
        }
    }
}

/// A path below a directory, without `.` in it.
fn below(dir: &Path, path: &str) -> PathBuf {
    dir.join(path).components().collect()
}
