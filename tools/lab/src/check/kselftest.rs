// SPDX-License-Identifier: GPL-2.0

//! The tree of `make kselftest-install` in the guest, for the kernel's own runner.

use std::fs;
use std::path::{Path, PathBuf};

use super::boots::KSELFTEST;
use crate::cache::remove_tree;
use crate::error::{IoContext, Result};
use crate::initramfs::Initramfs;
use crate::install;
use crate::ktap::{Status, Test};
use crate::modules::Modules;
use crate::session::{name, Session};

/// The tests in the tree: quick ones, and one that is skipped on a machine with one node.
const TESTS: &[&str] = &[
    "force_sync",
    "numa",
    "order_of_arrival",
    "register_returns",
    "single_slot",
];

/// What the runner needs that busybox has in another form: `timeout` of coreutils.
const FILES: &[&str] = &[
    "usr/bin/timeout",
    "lib64/ld-linux-x86-64.so.2",
    "lib/x86_64-linux-gnu/libc.so.6",
];

/// The script that runs the runner.
pub(super) fn script(session: &Session) -> PathBuf {
    let guest = session.project.top().join("tools/lab/src/guest");
    guest.join(KSELFTEST)
}

/// The fragment of a configuration that is installed with the tests names what they need: the
/// kernel that they run on must have each line of it.
pub(super) fn config(session: &Session, filter: &str) -> Result<Option<Test>> {
    let fragment = install::file(session, "config");
    let config = session.kernel.config();
    let read = |path: &Path| fs::read_to_string(path).at(path, "read");
    let missing = missing(&read(&fragment)?, &read(&config)?);
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

/// The lines of the fragment that the configuration lacks. What Kconfig does not even offer is not set.
fn missing(fragment: &str, config: &str) -> Vec<String> {
    let wanted: Vec<&str> = fragment
        .lines()
        .filter(|line| line.starts_with("CONFIG_") || line.starts_with("# CONFIG_"))
        .collect();
    if wanted.is_empty() {
        return vec!["the fragment is empty".to_owned()];
    }
    let holds = |line: &str| {
        let unset = line
            .strip_prefix("# ")
            .and_then(|rest| rest.strip_suffix(" is not set"));
        match unset {
            Some(symbol) => !config.lines().any(|it| {
                it.strip_prefix(symbol)
                    .is_some_and(|it| it.starts_with('='))
            }),
            None => config.lines().any(|it| it == line),
        }
    };
    let lacks = wanted.into_iter().filter(|line| !holds(line));
    lacks.map(str::to_owned).collect()
}

/// Adds the tree.
pub(super) fn add(
    initramfs: &mut Initramfs,
    session: &Session,
    modules: &Modules,
    programs: &[PathBuf],
) -> Result<()> {
    let tree = session.project.out("check/kselftest");
    remove_tree(&tree)?;
    let of_tree = |program: &&PathBuf| TESTS.contains(&name(program).as_str());
    let programs: Vec<PathBuf> = programs.iter().filter(of_tree).cloned().collect();
    install::tree(session, modules, &programs, &tree)?;
    initramfs.tree("kselftest", &tree)?;
    for file in FILES {
        initramfs.file(file, &session.env.root().join(file), true);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_do_not_hold() {
        let config = "# CONFIG_A is not set\nCONFIG_B=y\nCONFIG_C=m\n";
        let holds = "# x\nCONFIG_B=y\n# CONFIG_A is not set\n# CONFIG_D is not set\n";
        assert!(missing(holds, config).is_empty());
        assert_eq!(
            missing("CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\n", config),
            ["CONFIG_A=y", "CONFIG_C=y", "CONFIG_D=y"]
        );
        assert_eq!(
            missing("# CONFIG_B is not set\n# CONFIG_C is not set\n", config),
            ["# CONFIG_B is not set", "# CONFIG_C is not set"]
        );
        assert_eq!(missing("# x\n", config), ["the fragment is empty"]);
    }
}
