// SPDX-License-Identifier: GPL-2.0

//! Boots that record themselves, as `probe-analyze` has them do it: the boot line on the command
//! line, and in the guest `collect`, whose file comes back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lifecycle::parse::log;
use lifecycle::summary::Summary;

use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::Kernel;
use crate::machine::Machine;
use crate::modules::with_extension;
use crate::paths::name;
use crate::process::Logged;
use crate::qemu;
use crate::session::Session;

/// The sources of modules in C for these boots, in the checkout.
const MODULES: &str = "tools/lab/modules";

/// What prints the recording of the boot in the guest.
pub(crate) const COLLECT: &str =
    "/selftests/probe-analyze collect --quiet /tmp/boot.txt && cat /tmp/boot.txt";

/// The machine in which the kernel records its boot, as `probe-analyze` has it.
pub(crate) fn machine(probe_analyze: &Path, kernel: &Kernel, machine: &Machine) -> Result<Machine> {
    let output = Command::new(probe_analyze)
        .args(["boot-line", "--quiet", "--kernel", &kernel.release()?])
        .args(["--arch", kernel.arch().name, "--command-line"])
        .arg(qemu::command_line(kernel.arch(), machine))
        .output()
        .at(probe_analyze, "run")?;
    if !output.status.success() {
        return Err(Error::new(
            Kind::Failed,
            "there is no boot line for this kernel",
            String::from_utf8_lossy(&output.stderr).trim(),
            "choose another kernel: KERNEL=stock",
        ));
    }
    let line = String::from_utf8_lossy(&output.stdout);
    Ok(machine.with_parameters(line.trim()))
}

/// Reads the recording in what a guest has written, and leaves it alone in `boot.txt` beside that.
pub(crate) fn read(results: &Path) -> Result<Summary> {
    // As the guest has written it: recordings are sealed.
    let output = fs::read(results).at(results, "read")?;
    let output = String::from_utf8_lossy(&output);
    let begin = output.find("# lifecycle: recording").unwrap_or(0);
    let end = output.rfind("# lifecycle: end").unwrap_or(0);
    let end = end + output[end..].find('\n').map_or(0, |length| length + 1);
    let text = output.get(begin..end).unwrap_or_default();
    let path = results.with_file_name("boot.txt");
    fs::write(&path, text).at(&path, "write")?;
    let log = log::parse(text, None).map_err(|refusal| {
        Error::new(
            Kind::Failed,
            "the boot did not record itself",
            refusal.to_string(),
            format!("read {} and console.log beside it", results.display()),
        )
    })?;
    Ok(Summary::of(&path.display().to_string(), log))
}

/// Builds the modules in C for the kernel; returns their files.
pub(crate) fn modules(session: &Session) -> Result<Vec<PathBuf>> {
    let project = &session.project;
    let dir = format!("out/boots/modules/{}", session.kernel.name());
    let out = project.top().join(&dir);
    fs::create_dir_all(&out).at(&out, "create the directory")?;
    let sources = project.top().join(MODULES);
    for entry in fs::read_dir(&sources).at(&sources, "read the directory")? {
        let from = entry.at(&sources, "read the directory")?.path();
        let to = out.join(name(&from));
        let text = fs::read(&from).at(&from, "read")?;
        // What has not changed is not compiled again.
        if fs::read(&to).ok().as_ref() != Some(&text) {
            fs::write(&to, text).at(&to, "write")?;
        }
    }
    Logged {
        what: "building the modules of these boots",
        log: project.out("log/boots-modules.log"),
        kind: Kind::Build,
        next: "read the log; then run the same command again",
    }
    .run(session.make_in(&dir, &[]))?;
    with_extension(&out, "ko")
}
