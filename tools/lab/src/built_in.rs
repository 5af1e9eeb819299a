// SPDX-License-Identifier: GPL-2.0

//! The custom kernel with this tree grafted into it, and the samples built in.

use std::fs;
use std::path::Path;

use crate::cache::{remove_tree, Lock};
use crate::enter::tethered;
use crate::environment::Environment;
use crate::error::{IoContext, Kind, Result};
use crate::kernel::{entry_name, Kernel, Prepared};
use crate::own_kernel::settings;
use crate::process::Logged;
use crate::project::Project;

/// Where it is, below the output directory.
const DIR: &str = "built-in";

const NEXT: &str = "mend the sources, then run the same command again";

/// Builds it, from what the custom kernel has left: a matter of seconds, unless that is another one.
pub fn build(project: &Project, base: &Prepared, env: &Environment) -> Result<Kernel> {
    let dir = project.out(DIR);
    fs::create_dir_all(project.out("")).at(&dir, "create the directory")?;
    let _lock = Lock::take(&project.out(".lock"))?;
    let stamp = dir.join(".kernel");
    let name = entry_name(&base.dir);
    if fs::read_to_string(&stamp).ok().as_deref() != Some(&name) {
        copy(project, base, &dir)?;
        fs::write(&stamp, &name).at(&stamp, "write")?;
    }
    let mut graft = tethered("scripts/graft-into-kernel.sh");
    graft.arg(dir.join("src")).current_dir(project.top());
    run(project, "grafting into the kernel tree", "graft.log", graft)?;
    configure(project, &dir)?;
    let kernel = Prepared {
        source: dir.join("src"),
        image: dir.join("build/arch/x86/boot/bzImage"),
        compiler: base.compiler,
        meta: base.meta.clone(),
        dir,
    };
    let make = kernel.make_command();
    let script = format!(
        "{make} olddefconfig\n\
         {make} bzImage\n"
    );
    let command = kernel.bind(env.script(&script)).command();
    run(
        project,
        "building the kernel with the samples",
        "built-in.log",
        command,
    )?;
    Ok(Kernel::Prepared(kernel))
}

fn run(project: &Project, what: &str, log: &str, command: std::process::Command) -> Result<()> {
    Logged {
        what,
        log: project.out("log").join(log),
        kind: Kind::Build,
        next: NEXT,
    }
    .run(command)
}

/// A tree to graft into, as links where the file system allows, and what has been compiled so far.
fn copy(project: &Project, base: &Prepared, dir: &Path) -> Result<()> {
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
    run(
        project,
        "copying the custom kernel",
        "built-in-copy.log",
        command,
    )
}

/// Adds what is to be built in; a configuration that has it is left alone.
fn configure(project: &Project, dir: &Path) -> Result<()> {
    let path = project.top().join("scripts/kernel/built-in.config");
    let wanted = settings(&fs::read_to_string(&path).at(&path, "read")?);
    let path = dir.join("build/.config");
    let mut config = fs::read_to_string(&path).at(&path, "read")?;
    if wanted
        .lines()
        .all(|line| config.lines().any(|it| it == line))
    {
        return Ok(());
    }
    config.push_str(&wanted);
    fs::write(&path, config).at(&path, "write")
}

#[cfg(test)]
mod tests {
    use std::process::Command;

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
