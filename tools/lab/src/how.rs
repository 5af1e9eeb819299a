// SPDX-License-Identifier: GPL-2.0

//! How a guest program is to be run, as its source says in lines that begin with `//@`, or `#@` in
//! a script:
//!
//! ```text
//! //@ plain: REASON       not under the recorder, as the recorder would change what is tested
//! //@ records: REASON     not under the recorder either, but it uses the recorder's kprobes
//! //@ boots: NAME...      in these machines of `boots.rs`; `plain` where no line says otherwise
//! //@ last: REASON        after all others, as the machine is another one afterwards
//! //@ powers off          may end with the machine, and so is the last
//! //@ tool                no test
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use crate::arch::Arch;
use crate::error::{Error, IoContext, Kind, Result};
use crate::paths::name;
use crate::programs;
use crate::project::Project;

/// The machine of a program that names none.
const ANY: &str = "plain";

/// Who records a program; in this order they run, as one leaves its kprobes in place for the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Recorded {
    /// What runs all its tests.
    #[default]
    Whole,
    /// The tests themselves.
    Itself,
    /// Nothing does.
    Not,
}

/// How a program is to be run.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct How {
    /// Who records it.
    pub recorded: Recorded,
    /// The names of the machines in which it runs.
    pub boots: Vec<String>,
    /// Whether it runs after all others.
    pub last: bool,
    /// Whether it may end with the machine.
    pub powers_off: bool,
    /// Whether it is no test.
    pub tool: bool,
}

impl How {
    /// Reads the source; the error is the line that makes no sense.
    fn parse(source: &str) -> std::result::Result<Self, String> {
        let mut how = Self::default();
        let lines = source.lines();
        let declared = lines.filter_map(|line| {
            line.strip_prefix("//@ ")
                .or_else(|| line.strip_prefix("#@ "))
        });
        for line in declared {
            match line.split_once(": ").unwrap_or((line, "")) {
                ("plain", reason) if !reason.is_empty() => how.recorded = Recorded::Not,
                ("records", reason) if !reason.is_empty() => how.recorded = Recorded::Itself,
                ("boots", names) if !names.is_empty() => {
                    how.boots = names.split(' ').map(str::to_owned).collect();
                }
                ("last", reason) if !reason.is_empty() => how.last = true,
                ("powers off", "") => (how.last, how.powers_off) = (true, true),
                ("tool", "") => how.tool = true,
                _ => return Err(line.to_owned()),
            }
        }
        if how.boots.is_empty() {
            how.boots.push(ANY.to_owned());
        }
        Ok(how)
    }
}

/// A guest program.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    /// The file that is executed.
    pub path: PathBuf,
    /// How it is to be run.
    pub how: How,
}

impl Program {
    /// The program in this file, by its source.
    ///
    /// # Errors
    ///
    /// [`Kind::Build`] if the source says what cannot be read, an I/O error if there is none.
    pub(crate) fn new(project: &Project, path: PathBuf) -> Result<Self> {
        let source = source(project, &path);
        let text = fs::read_to_string(&source).at(&source, "read")?;
        let how = How::parse(&text).map_err(|line| {
            Error::new(
                Kind::Build,
                format!("{} does not say how it is to be run", source.display()),
                format!("no directive: `{line}`"),
                "Documentation/testing.rst lists the directives",
            )
        })?;
        Ok(Self { path, how })
    }

    /// All programs, built.
    ///
    /// # Errors
    ///
    /// [`Kind::Build`] if they do not build, and those of [`new()`](Self::new).
    pub(crate) fn all(project: &Project, arch: &Arch) -> Result<Vec<Self>> {
        programs::build(project, arch)?
            .into_iter()
            .map(|path| Self::new(project, path))
            .collect()
    }

    pub(crate) fn name(&self) -> String {
        name(&self.path)
    }
}

/// The file in which the program's `main()` is; a script is its own source.
fn source(project: &Project, program: &Path) -> PathBuf {
    if program.extension().is_some() {
        return program.to_owned();
    }
    let source = project.top().join(programs::SOURCES).join(name(program));
    if source.is_dir() {
        source.join("mod.rs")
    } else {
        source.with_extension("rs")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// All programs, as cargo would build them.
    pub(crate) fn all() -> Vec<Program> {
        let project = Project::locate().unwrap();
        let names = programs::names(&project).unwrap().into_iter();
        names
            .map(PathBuf::from)
            .chain([project.top().join("tools/lab/src/guest/kselftest.sh")])
            .map(|path| Program::new(&project, path).unwrap())
            .collect()
    }

    #[test]
    fn directives() {
        let how = How::parse("//! Text.\n//@ plain: it is so\n//@ boots: a b\n").unwrap();
        assert_eq!(how.boots, ["a", "b"]);
        assert!(how.recorded == Recorded::Not && !how.last && !how.tool);
        assert_eq!(How::parse("").unwrap().boots, [ANY]);
        assert!(How::parse("#@ powers off\n").unwrap().last);
        for wrong in ["plain", "plain: ", "recorded", "boots:", "tool: x"] {
            let source = format!("//@ {wrong}\n");
            assert_eq!(How::parse(&source), Err(wrong.to_owned()));
        }
    }
}
