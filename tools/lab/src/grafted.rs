// SPDX-License-Identifier: GPL-2.0

//! Copies of a kernel's tree with this one grafted into them, and what is built there. Each has one
//! configuration and one set of variables, since the kernel's Rust is compiled anew for another.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::cache::{remove_tree, Lock};
use crate::config::settings;
use crate::enter::tethered;
use crate::environment::Environment;
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::{Kernel, Prepared};
use crate::options::KernelOptions;
use crate::paths;
use crate::process::Logged;
use crate::project::Project;
use crate::session::Session;

/// Where the copies are, below the output directory.
pub(crate) const DIR: &str = "in-tree";

/// The symbols of Kconfig.
const FRAGMENT: &str = "scripts/kernel/in-tree.config";

/// Where the graft puts this tree.
pub(crate) const PLACE: &str = "drivers/async_probe";

/// How Kconfig has our parts built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// `=y`
    BuiltIn,
    /// `=m`
    Modules,
}

/// Opens a session with a kernel to graft into: the custom one, unless the command line names
/// another.
pub(crate) fn open(options: &KernelOptions) -> Result<Session> {
    let mut options = options.clone();
    if options.kernel == "stock" {
        options.kernel = "custom".to_owned();
    }
    let session = Session::open(&options)?;
    base(&session)?;
    Ok(session)
}

/// Has all our parts built into the kernel of the session.
pub(crate) fn build_in(session: &mut Session) -> Result<()> {
    let grafted = Grafted::new("built-in", Form::BuiltIn, session)?;
    grafted.make(
        "building the kernel with the samples",
        session.kernel.arch().target,
    )?;
    session.kernel = Kernel::Prepared(grafted.kernel);
    Ok(())
}

/// The copy.
#[derive(Debug)]
pub(crate) struct Grafted<'a> {
    project: &'a Project,
    env: &'a Environment,
    name: &'static str,
    form: Form,
    kernel: Prepared,
}

impl<'a> Grafted<'a> {
    /// Copies what the lab has built already, unless it is there, and grafts this tree into it.
    pub(crate) fn new(name: &'static str, form: Form, session: &'a Session) -> Result<Self> {
        let (project, base) = (&session.project, base(session)?);
        let dir = project.out(DIR).join(name);
        let grafted = Self {
            project,
            env: &session.env,
            name,
            form,
            kernel: Prepared {
                source: dir.join("src"),
                image: dir.join("build").join(base.arch.image()),
                arch: base.arch,
                compiler: base.compiler,
                variant: base.variant.clone(),
                meta: base.meta.clone(),
                dir,
            },
        };
        let _lock = grafted.lock()?;
        let dir = &grafted.kernel.dir;
        let stamp = dir.join(".kernel");
        let copied = format!("{}\n{}", paths::name(&base.dir), base.variant);
        if fs::read_to_string(&stamp).ok().as_deref() != Some(&copied) {
            grafted.copy(base)?;
            fs::write(&stamp, &copied).at(&stamp, "write")?;
        }
        grafted.graft("grafting into the kernel tree", &[])?;
        grafted.graft("comparing the graft", &["--check"])?;
        Ok(grafted)
    }

    /// Where our parts are built.
    pub(crate) fn built(&self) -> PathBuf {
        self.kernel.dir.join("build").join(PLACE)
    }

    /// Builds targets, with variables if any; returns the log.
    pub(crate) fn make(&self, what: &str, targets: &str) -> Result<PathBuf> {
        let _lock = self.lock()?;
        self.configure()?;
        let make = self.kernel.make_command();
        let script = format!(
            "{make} olddefconfig\n\
             {make} {targets}\n"
        );
        let command = self.kernel.bind(self.env.script(&script)).command();
        self.run(what, "make", command)
    }

    fn lock(&self) -> Result<Lock> {
        fs::create_dir_all(&self.kernel.dir).at(&self.kernel.dir, "create the directory")?;
        Lock::take(&self.project.out(".lock"))
    }

    fn graft(&self, what: &str, options: &[&str]) -> Result<PathBuf> {
        let mut command = tethered("scripts/graft-into-kernel.sh");
        command
            .args(options)
            .arg(&self.kernel.source)
            .current_dir(self.project.top());
        self.run(what, "graft", command)
    }

    fn run(&self, what: &str, log: &str, command: Command) -> Result<PathBuf> {
        let log = format!("log/in-tree-{}-{log}.log", self.name);
        let log = self.project.out(&log);
        Logged {
            what,
            log: log.clone(),
            kind: Kind::Build,
            next: "mend the sources, then run the same command again",
        }
        .run(command)?;
        Ok(log)
    }

    /// A tree to graft into, as links where the file system allows, and what has been compiled so
    /// far.
    fn copy(&self, base: &Prepared) -> Result<()> {
        let dir = &self.kernel.dir;
        remove_tree(dir)?;
        fs::create_dir_all(dir).at(dir, "create the directory")?;
        let mut command = tethered("sh");
        command.args([
            "-c",
            "cp -al \"$1\" \"$3/src\" 2>/dev/null || { rm -rf \"$3/src\" && cp -a \"$1\" \"$3/src\"; }\n\
             cp -a \"$2/build\" \"$2/release\" \"$3\"",
            "sh",
        ]);
        command.arg(&base.source).arg(&base.dir).arg(dir);
        self.run("copying the kernel", "copy", command).map(drop)
    }

    /// Adds what is to be built; a configuration that has it is left alone.
    fn configure(&self) -> Result<()> {
        let wanted = parts(self.project, self.form)? + &self.kernel.variant;
        let config = self.kernel.config()?;
        if config.lacks(&wanted).is_empty() {
            return Ok(());
        }
        let path = self.kernel.dir.join("build/.config");
        fs::write(&path, config.with(&wanted).text()).at(&path, "write")
    }
}

/// What the lab has built, and can graft into.
fn base(session: &Session) -> Result<&Prepared> {
    match &session.kernel {
        Kernel::Prepared(kernel) if !kernel.is_stock() => Ok(kernel),
        other => Err(Error::new(
            Kind::Usage,
            format!("nothing can be grafted into {}", other.name()),
            "the lab has not built it",
            "leave KERNEL= out, or KERNEL=custom",
        )),
    }
}

/// The settings that have all our parts built.
pub(crate) fn parts(project: &Project, form: Form) -> Result<String> {
    let path = project.top().join(FRAGMENT);
    let settings = settings(&fs::read_to_string(&path).at(&path, "read")?);
    Ok(match form {
        Form::BuiltIn => settings,
        Form::Modules => settings.replace("=y\n", "=m\n"),
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// Runs the script: whether it succeeds, and what it says.
    fn graft(arguments: &[&str], kernel: &Path) -> (bool, String) {
        let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let output = Command::new("scripts/graft-into-kernel.sh")
            .args(arguments)
            .arg(kernel)
            .current_dir(top)
            .output()
            .unwrap();
        let said =
            String::from_utf8(output.stderr).unwrap() + &String::from_utf8_lossy(&output.stdout);
        (output.status.success(), said)
    }

    #[test]
    fn a_graft_that_differs_is_found() {
        let kernel = tempfile::tempdir().unwrap();
        let at = |file: &str| kernel.path().join(file);
        let (whole, said) = graft(&["--check"], kernel.path());
        assert!(!whole && said.contains("is no kernel tree"), "{said}");

        fs::create_dir(at("drivers")).unwrap();
        fs::write(at("drivers/Kconfig"), "menu \"Device Drivers\"\nendmenu\n").unwrap();
        fs::write(at("drivers/Makefile"), "obj-y += base/\n").unwrap();
        let is_whole = || {
            assert!(graft(&[], kernel.path()).0);
            assert_eq!(graft(&["--check"], kernel.path()), (true, String::new()));
        };
        let differs = |file: &str| {
            let (whole, said) = graft(&["--check"], kernel.path());
            let only = said.lines().count() == 1;
            assert!(
                !whole && only && said.ends_with(&format!(" differs: {file}\n")),
                "{said}"
            );
        };
        is_whole();

        fs::write(at("drivers/async_probe/Kconfig"), "changed\n").unwrap();
        differs("Kconfig");
        is_whole();
        fs::remove_file(at("drivers/async_probe/Kbuild")).unwrap();
        differs("Kbuild");
        is_whole();
        fs::write(at("drivers/async_probe/more"), "").unwrap();
        differs("more");
        is_whole();
        fs::write(at("drivers/Makefile"), "obj-y += base/\n").unwrap();
        differs("drivers/Makefile");
        is_whole();
    }
}
