// SPDX-License-Identifier: GPL-2.0

//! Installing the guest programs as kselftests are installed, to be carried to any machine.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::cache::remove_tree;
use crate::error::{IoContext, Result};
use crate::how::Program;
use crate::modules::Modules;
use crate::options::KernelOptions;
use crate::paths::name;
use crate::progress::note;
use crate::session::Session;

/// The collection, as in `tools/testing/selftests`.
const COLLECTION: &str = "async_probe";

/// Beside the programs: what they need of a kernel, and how long they may take.
const FILES: &[&str] = &["config", "settings"];

/// What to install, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel
    #[command(flatten)]
    pub kernel: KernelOptions,
    /// The directory
    pub to: PathBuf,
}

/// Installs runner, programs and modules.
pub(crate) fn run(args: &Args) -> Result<()> {
    let session = Session::open(&args.kernel)?;
    let modules = session.modules()?;
    let programs = Program::all(&session.project, session.kernel.arch())?;
    tree(&session, &modules, &programs, &args.to)?;
    note(&format!(
        "as root on a machine that runs {}: {}/run_kselftest.sh",
        session.kernel.release()?,
        args.to.display()
    ));
    note(
        "its modules are not signed: a machine with Secure Boot, or with module.sig_enforce=1 or \
         lockdown= on its command line, refuses them (Documentation/testing.rst)",
    );
    Ok(())
}

/// Makes the tree. A program that leaves the machine otherwise than it was is for the lab's virtual
/// machine only.
pub(crate) fn tree(
    session: &Session,
    modules: &Modules,
    programs: &[Program],
    to: &Path,
) -> Result<()> {
    let here = to.join(COLLECTION);
    remove_tree(&here)?;

    let upstream = session.kernel.source().join("tools/testing/selftests");
    copy_into(&upstream.join("run_kselftest.sh"), to)?;
    let runner = upstream.join("kselftest");
    for entry in fs::read_dir(&runner)
        .at(&runner, "read the directory")?
        .flatten()
    {
        copy_into(&entry.path(), &to.join("kselftest"))?;
    }
    for name in FILES {
        copy_into(&file(session, name), &here)?;
    }
    let modules = modules.files()?;
    for module in modules.iter().filter(|module| is_carried(&name(module))) {
        copy_into(module, &here.join("modules"))?;
    }
    let mut list = String::new();
    for program in programs.iter().filter(|program| !program.how.last) {
        let all = fs::canonicalize(&program.path).at(&program.path, "read")?;
        if !here.join(name(&all)).exists() {
            copy_into(&all, &here)?;
        }
        let link = here.join(program.name());
        symlink(name(&all), &link).at(&link, "make the link")?;
        if !program.how.tool {
            list.push_str(&format!("{COLLECTION}:{}\n", program.name()));
        }
    }
    let path = to.join("kselftest-list.txt");
    fs::write(&path, list).at(&path, "write")
}

/// Whether a module goes with the tests: those of the benchmark and what provokes splats do not.
fn is_carried(module: &str) -> bool {
    !module.starts_with("bench_") && module != "splats.ko"
}

/// A file beside the sources of the programs.
pub(crate) fn file(session: &Session, name: &str) -> PathBuf {
    let selftests = session.project.top().join("tools/testing/selftests");
    selftests.join(COLLECTION).join(name)
}

/// Copies a file with its mode.
fn copy_into(file: &Path, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).at(dir, "create the directory")?;
    let to = dir.join(name(file));
    fs::copy(file, &to).at(&to, "write").map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::how::tests::all;

    #[test]
    fn what_is_for_the_virtual_machine_stays_there() {
        assert!(is_carried("driver_test.ko"));
        assert!(!is_carried("bench_attach.ko") && !is_carried("splats.ko"));
        let programs = all();
        let left: Vec<String> = programs
            .iter()
            .filter(|program| program.how.last)
            .map(Program::name)
            .collect();
        assert!(left.contains(&"splats".to_owned()), "{left:?}");
    }
}
