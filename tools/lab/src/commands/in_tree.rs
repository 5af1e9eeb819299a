// SPDX-License-Identifier: GPL-2.0

//! This tree as a directory of the kernel tree: built there without a warning, as modules and built
//! in, and what is built there passes its tests.

use std::fs;

use lifecycle::kunit;
use lifecycle::parse::dmesg;

use crate::cache::remove_tree;
use crate::commands::check;
use crate::error::{Error, IoContext, Kind, Result};
use crate::grafted::{self, parts, Form, Grafted, DIR, PLACE};
use crate::initramfs::Initramfs;
use crate::machine::Machine;
use crate::modules::{with_extension, Modules};
use crate::options::BootOptions;
use crate::process::indent;
use crate::progress::{result, Step};
use crate::session::{add_firmware, Session, SMALL};
use crate::vm;

/// All that compilers can say.
const STRICT: &str = "W=1 CLIPPY=1";

/// What modinfo says of a module that was built in the kernel tree.
const IN_TREE: &[u8] = b"intree=Y\0";

/// What to build, and which tests to run.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Kernel and machine
    #[command(flatten)]
    pub boot: BootOptions,
    /// Part of the name of a test
    #[arg(default_value = "")]
    pub tests: String,
}

/// Builds in both ways, and runs the guest's tests whose names contain the filter.
pub(crate) fn run(args: &Args) -> Result<()> {
    let mut session = grafted::open(&args.boot.kernel)?;
    strict(&session, "strict-modules", Form::Modules)?;
    strict(&session, "strict-built-in", Form::BuiltIn)?;
    let modules = modules(&session)?;
    check::in_guest(&args.boot.machine, &session, &modules, &args.tests)?;
    grafted::build_in(&mut session)?;
    unit_tests(&args.boot.machine, &session)
}

/// Has all our files compiled once more, and fails if anything is said of one.
fn strict(session: &Session, name: &'static str, form: Form) -> Result<()> {
    let grafted = Grafted::new(name, form, session)?;
    // What is up to date is not compiled.
    remove_tree(&grafted.built())?;
    let log = grafted.make(
        &format!("building with {STRICT}: {name}"),
        &format!("{STRICT} {PLACE}/"),
    )?;
    let said = fs::read_to_string(&log).at(&log, "read")?;
    let warnings = warnings(&said);
    if warnings.is_empty() {
        return Ok(());
    }
    Err(Error::new(
        Kind::Build,
        format!("{} warnings about files of this tree", warnings.len()),
        format!("\n{}", indent(&warnings.join("\n\n"))),
        format!("mend them, then make in-tree; {} has all", log.display()),
    ))
}

/// What a compiler says, with where: all up to the next blank line or the next line of kbuild.
fn warnings(log: &str) -> Vec<String> {
    let mut said: Vec<Vec<&str>> = Vec::new();
    let mut open = false;
    for line in log.lines() {
        let lower = line.to_ascii_lowercase();
        if lower.contains("warning") || lower.contains("error") {
            said.push(vec![line]);
            open = true;
        } else if line.is_empty() || of_kbuild(line) {
            open = false;
        } else if let (true, Some(last)) = (open, said.last_mut()) {
            last.push(line);
        }
    }
    said.into_iter()
        .map(|lines| lines.join("\n"))
        .filter(|text| text.contains(PLACE))
        .collect()
}

/// Reads `  CC      init/main.o`.
fn of_kbuild(line: &str) -> bool {
    line.strip_prefix("  ")
        .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_uppercase()))
}

/// The modules of the kernel tree, and beside them those that only the tests need.
fn modules(session: &Session) -> Result<Modules> {
    let grafted = Grafted::new("modules", Form::Modules, session)?;
    grafted.make("building the modules in the kernel tree", "modules")?;
    let built = with_extension(&grafted.built(), "ko")?;
    for file in &built {
        let bytes = fs::read(file).at(file, "read")?;
        if !bytes.windows(IN_TREE.len()).any(|part| part == IN_TREE) {
            return Err(incomplete(format!(
                "{} was not built in the tree",
                file.display()
            )));
        }
    }
    let wanted = parts(&session.project, Form::Modules)?.lines().count();
    if built.len() != wanted {
        return Err(incomplete(format!("it has {} of {wanted}", built.len())));
    }
    Ok(session.modules()?.replaced(&grafted.built()))
}

fn incomplete(why: String) -> Error {
    Error::new(
        Kind::Build,
        "the kernel tree has not all modules",
        why,
        "compare Kbuild and scripts/kernel/in-tree.config; rm -rf out/in-tree begins anew",
    )
}

/// Boots with all built in, and judges the unit tests, which run at boot.
fn unit_tests(machine: &Machine, session: &Session) -> Result<()> {
    let crate_dir = session.project.top().join("rust/async_probe");
    let mut cases = Vec::new();
    for folder in ["", "abstractions", "abstractions/bus", "workarounds"] {
        for file in with_extension(&crate_dir.join(folder), "rs")? {
            cases.extend(kunit::declared(
                &fs::read_to_string(&file).at(&file, "read")?,
            ));
        }
    }
    let step = Step::begin("booting with all built in");
    let machine = Machine {
        append: format!("kunit.enable=1 {}", machine.append),
        ..machine.clone()
    };
    let mut initramfs = Initramfs::default();
    add_firmware(&mut initramfs, SMALL);
    initramfs.bytes("job", b"dmesg\n", true);
    let mut log = Vec::new();
    let out = session.project.out(DIR).join("boot");
    let boot = vm::Boot {
        brings: vm::Brings::Early,
        ..session.boot(&machine, &out)
    };
    let outcome = boot.run(initramfs, &mut |line| {
        log.extend(dmesg::message(line).map(str::to_owned));
    })?;
    step.done();
    outcome.verdict()?;
    let broken: Vec<String> = kunit::judge(log.iter().map(String::as_str), &cases)
        .into_iter()
        .filter_map(|verdict| Some(format!("{}: {}", verdict.name, verdict.broken?)))
        .collect();
    if broken.is_empty() {
        result(&format!(
            "built in: {} unit tests passed at boot",
            cases.len()
        ));
        return Ok(());
    }
    Err(Error::new(
        Kind::Failed,
        "the unit tests of a kernel with all built in did not pass",
        format!("\n{}", indent(&broken.join("\n"))),
        format!("read {}", outcome.console.display()),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = "\
make[1]: Entering directory '/lab/kernel/build'
  CLIPPY L rust/kernel.o
warning: unused import: `x`
  --> ../rust/kernel/lib.rs:3:5
   |
   = note: of the kernel

  CLIPPY [M] drivers/async_probe/rust/async_probe/async_probe.o
warning: variable does not need to be mutable
  --> ../drivers/async_probe/rust/async_probe/gate.rs:30:9
   |
30 |     let mut x = 1;

warning: 1 warning emitted

  CC [M]  drivers/async_probe/rust/async_probe/async_probe_exports.o
../drivers/base/dd.c:3:1: warning: unused function
  CC [M]  drivers/async_probe/samples/slow_bus_exports.o
drivers/async_probe/samples/slow_bus_exports.c:2:1: warning: no previous declaration
WARNING: modpost: missing MODULE_DESCRIPTION() in drivers/async_probe/slow_bus.o
";

    #[test]
    fn warnings_about_our_files() {
        let found = warnings(LOG);
        assert_eq!(found.len(), 3, "{found:#?}");
        assert!(found[0].ends_with("let mut x = 1;"), "{}", found[0]);
        assert!(found[1].contains("no previous declaration"));
        assert!(found[2].contains("modpost"));
    }
}
