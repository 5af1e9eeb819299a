// SPDX-License-Identifier: GPL-2.0

//! Installing the guest programs as kselftests are installed, to be carried to any machine.

use std::fs;
use std::path::{Path, PathBuf};

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
pub struct Args {
    /// Kernel
    #[command(flatten)]
    pub kernel: KernelOptions,
    /// The directory
    pub to: PathBuf,
}

/// Installs runner, programs and modules.
pub fn run(args: &Args) -> Result<()> {
    let session = Session::open(&args.kernel)?;
    let modules = session.modules()?;
    let programs = Program::all(&session.project, session.kernel.arch())?;
    tree(&session, &modules, &programs, &args.to)?;
    note(&format!(
        "as root on a machine that runs {}: {}/run_kselftest.sh",
        session.kernel.release()?,
        args.to.display()
    ));
    Ok(())
}

/// Makes the tree.
pub fn tree(session: &Session, modules: &Modules, programs: &[Program], to: &Path) -> Result<()> {
    let here = to.join(COLLECTION);

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
    for module in modules.files()? {
        copy_into(&module, &here.join("modules"))?;
    }
    let mut list = String::new();
    for program in programs {
        copy_into(&program.path, &here)?;
        if !program.how.tool {
            list.push_str(&format!("{COLLECTION}:{}\n", program.name()));
        }
    }
    let path = to.join("kselftest-list.txt");
    fs::write(&path, list).at(&path, "write")
}

/// A file beside the sources of the programs.
pub fn file(session: &Session, name: &str) -> PathBuf {
    let selftests = session.project.top().join("tools/testing/selftests");
    selftests.join(COLLECTION).join(name)
}

/// Copies a file with its mode.
fn copy_into(file: &Path, dir: &Path) -> Result<()> {
    fs::create_dir_all(dir).at(dir, "create the directory")?;
    let to = dir.join(name(file));
    fs::copy(file, &to).at(&to, "write").map(drop)
}
