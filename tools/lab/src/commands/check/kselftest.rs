// SPDX-License-Identifier: GPL-2.0

//! The tree of `make kselftest-install` in the guest, for the kernel's own runner.

use lifecycle::ktap::{Status, Test};
use std::fs;
use std::path::{Path, PathBuf};

use crate::cache::remove_tree;
use crate::commands::install;
use crate::config::settings;
use crate::error::{IoContext, Result};
use crate::how::Program;
use crate::initramfs::Initramfs;
use crate::modules::Modules;
use crate::session::Session;

/// The tests in the tree: quick ones, and one that is skipped on a machine with one node.
const TESTS: &[&str] = &["force_sync", "numa", "order_of_arrival", "register_returns"];

/// What the runner needs that busybox has in another form: `timeout` of coreutils.
const TIMEOUT: &str = "usr/bin/timeout";

/// Runs the kernel's own runner of kselftests.
pub(super) const KSELFTEST: &str = "kselftest.sh";

pub(super) fn script(session: &Session) -> PathBuf {
    let guest = session.project.top().join("tools/lab/src/guest");
    guest.join(KSELFTEST)
}

/// The fragment of a configuration that is installed with the tests names what they need: the
/// kernel that they run on must have each line of it.
pub(super) fn config(session: &Session, filter: &str) -> Result<Option<Test>> {
    let fragment = install::file(session, "config");
    let fragment = fs::read_to_string(&fragment).at(&fragment, "read")?;
    let mut missing = session.kernel.config()?.lacks(&fragment);
    if settings(&fragment).is_empty() {
        missing.push("the fragment is empty".to_owned());
    }
    let test = Test {
        name: "kselftest: config holds in this kernel".to_owned(),
        status: if missing.is_empty() {
            Status::Passed
        } else {
            Status::Failed
        },
        comments: missing,
        time: None,
    };
    Ok(Some(test).filter(|test| test.name.contains(filter)))
}

pub(super) fn add(
    initramfs: &mut Initramfs,
    session: &Session,
    modules: &Modules,
    programs: &[Program],
    dir: &Path,
) -> Result<()> {
    let tree = dir.join("kselftest");
    remove_tree(&tree)?;
    let of_tree = |program: &&Program| TESTS.contains(&program.name().as_str());
    let programs: Vec<Program> = programs.iter().filter(of_tree).cloned().collect();
    install::tree(session, modules, &programs, &tree)?;
    initramfs.tree("kselftest", &tree)?;
    for file in session.kernel.arch().libc.iter().chain([&TIMEOUT]) {
        initramfs.file(file, &session.env.root().join(file), true);
    }
    Ok(())
}
