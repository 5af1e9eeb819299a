// SPDX-License-Identifier: GPL-2.0

//! A driver that is built from its sources, and which of the modules that come of them it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Error, IoContext, Kind, Result};
use crate::kmod::module::{name_of, Module};
use crate::modules::{with_extension, Modules};
use crate::paths::name;
use crate::process::{build, Line};
use crate::progress::say;
use crate::session::Session;

/// Where the copy of the sources is, in the checkout.
const COPY: &str = "out/check-driver-source";

/// Files that an earlier build in the directory has left.
const BUILT: &[&str] = &["ko", "o", "mod", "cmd", "order", "symvers", "swp"];

/// The modules of a directory.
#[derive(Debug)]
pub(crate) struct Built {
    modules: Vec<Module>,
}

impl Built {
    /// Builds a copy of the directory for the kernel of the session, whose own modules are built.
    /// What is `named` is built too, if its source is there.
    ///
    /// # Errors
    ///
    /// [`Kind::Build`] if the compiler refuses it or no module comes of it, [`Kind::Usage`] if
    /// there is no source file.
    pub(crate) fn of(
        session: &Session,
        modules: &Modules,
        source: &Path,
        named: &str,
    ) -> Result<Self> {
        let copy = session.project.top().join(COPY);
        crate::cache::remove_tree(&copy)?;
        copy_tree(source, &copy)?;
        let mut variables = modules.variables();
        let makefile = ["Kbuild", "Makefile"].map(|file| copy.join(file));
        match makefile.iter().find(|file| file.is_file()) {
            Some(file) => {
                let text = fs::read_to_string(file).at(file, "read")?;
                variables.extend(options(&text).map(|option| format!("{option}=m")));
                let is_there = |of: &String| {
                    let mut ends = ["c", "rs"].iter();
                    ends.any(|end| copy.join(of).with_extension(end).is_file())
                };
                let more: String = named
                    .split_whitespace()
                    .map(|word| name_of(&name(Path::new(word))))
                    .filter(|of| is_there(of) && !text.contains(&format!("{of}.o")))
                    .map(|of| format!("\nobj-m += {of}.o\n"))
                    .collect();
                fs::write(file, text + &more).at(file, "write")?;
            }
            None => {
                let text = kbuild(&copy, source)?;
                fs::write(&makefile[0], text).at(&makefile[0], "write")?;
            }
        }
        let words: Vec<&str> = variables.iter().map(String::as_str).collect();
        let mut command = session.make_in(COPY, &words);
        let what = format!("building {}", source.display());
        let status = build(&what, &mut command, &mut |line, step| match line {
            Line::Output(line) => step.message(line.trim()),
            Line::Error(line) => say(line),
        })?;
        let fails = |why: String, next: &str| {
            let what = format!("{} does not build", source.display());
            Err(Error::new(Kind::Build, what, why, next))
        };
        if !status.success() {
            return fails(
                format!("make: {status}; its messages are above"),
                "mend the sources, then run the same command again",
            );
        }
        let modules = with_extension(&copy, "ko")?;
        let read = |path: &PathBuf| Module::read(path, session.kernel.arch());
        let modules: Vec<Module> = modules.iter().map(read).collect::<Result<_>>()?;
        if modules.is_empty() {
            return fails(
                "no module came of it".to_owned(),
                "its Kbuild or Makefile must have a line `obj-m += foo.o`",
            );
        }
        Ok(Self { modules })
    }

    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let modules = self.modules.iter();
        modules.map(|module| module.path.clone()).collect()
    }

    /// Which module is the driver, and what is loaded before it: MODULE and WITH by their file
    /// names. Without MODULE it is the only one that registers a driver, without WITH the others
    /// are loaded before it.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`] if that does not leave one.
    pub(crate) fn roles(&self, module: &str, with: &str) -> Result<(String, String)> {
        let named: Vec<String> = with.split_whitespace().map(name_of).collect();
        let known = |word: &str| {
            let own = name_of(&name(Path::new(word)));
            self.modules.iter().find(|of| of.name == own)
        };
        let free = self.modules.iter().filter(|of| !named.contains(&of.name));
        let free: Vec<&Module> = free.collect();
        let mut drivers = free.clone();
        if !module.is_empty() {
            drivers = known(module).into_iter().collect();
        } else if drivers.len() > 1 {
            drivers.retain(|of| of.registers_driver());
        }
        let [driver] = drivers[..] else {
            let names: Vec<&str> = self.modules.iter().map(|of| of.name.as_str()).collect();
            return Err(Error::new(
                Kind::Usage,
                "which module is the driver?",
                format!(
                    "built: {}; {} of them qualify",
                    names.join(", "),
                    drivers.len()
                ),
                "MODULE=name of the driver, and WITH=\"names of what brings its devices\"",
            ));
        };
        let others = free.iter().filter(|of| of.name != driver.name);
        let others: Vec<&str> = others.map(|of| of.name.as_str()).collect();
        let with = match with {
            "" => others.join(" "),
            with => with.to_owned(),
        };
        Ok((driver.name.clone(), with))
    }
}

impl Module {
    /// Whether it calls `driver_register()`, or its like for a bus.
    fn registers_driver(&self) -> bool {
        let calls = ["driver_register", "register_driver"];
        let mut needs = self.needs.iter();
        needs.any(|symbol| calls.iter().any(|call| symbol.contains(call)))
    }
}

/// Copies the files of a directory, without those of an earlier build.
fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).at(to, "create the directory")?;
    for entry in fs::read_dir(from).at(from, "read the directory")? {
        let path = entry.at(from, "read the directory")?.path();
        let own = name(&path);
        let built = path.extension().and_then(|of| of.to_str());
        if own.starts_with('.') || built.is_some_and(|of| BUILT.contains(&of)) {
            continue;
        }
        if path.is_dir() {
            copy_tree(&path, &to.join(own))?;
        } else {
            fs::copy(&path, to.join(own)).at(&path, "copy")?;
        }
    }
    Ok(())
}

/// The options of a Makefile of the kernel's tree, for `obj-$(CONFIG_FOO) += foo.o`.
fn options(makefile: &str) -> impl Iterator<Item = &str> {
    makefile.lines().filter_map(|line| {
        let (option, _) = line.trim_start().strip_prefix("obj-$(")?.split_once(')')?;
        option.starts_with("CONFIG_").then_some(option)
    })
}

/// A Kbuild for sources without one: each file that is a module.
fn kbuild(dir: &Path, source: &Path) -> Result<String> {
    let mut text = String::new();
    for (extension, declares) in [("c", "MODULE_LICENSE("), ("rs", "license:")] {
        for path in with_extension(dir, extension)? {
            let code = fs::read_to_string(&path).at(&path, "read")?;
            if !code.contains(declares) {
                continue;
            }
            let object = name(&path.with_extension("o"));
            text += &format!("obj-m += {object}\n");
            if code.contains("async_probe::") {
                text += &format!(
                    "RUSTFLAGS_{object} += -L $(ASYNC_PROBE)/rust/async_probe \\\n\
                     \t--extern async_probe\n"
                );
            }
        }
    }
    if text.is_empty() {
        return Err(Error::new(
            Kind::Usage,
            format!("SRC={} has no driver", source.display()),
            "there is no Kbuild, no Makefile, and no .c or .rs file with the license of a module",
            "name the directory of the driver's sources",
        ));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn module(name: &str, needs: &[&str]) -> Module {
        Module {
            name: name.to_owned(),
            needs: needs.iter().map(|need| (*need).to_owned()).collect(),
            ..Module::default()
        }
    }

    #[test]
    fn driver_and_rig() {
        let built = Built {
            modules: vec![
                module("foo", &["__platform_driver_register"]),
                module("rig", &["platform_device_register_full"]),
            ],
        };
        let roles = |of: &str, with: &str| {
            let (driver, with) = built.roles(of, with).ok()?;
            Some(format!("{driver}: {with}"))
        };
        assert_eq!(roles("", "").as_deref(), Some("foo: rig"));
        assert_eq!(roles("", "rig a=1").as_deref(), Some("foo: rig a=1"));
        assert_eq!(roles("rig.ko", "").as_deref(), Some("rig: foo"));
        assert_eq!(roles("bar", ""), None);
        let one = Built {
            modules: vec![module("foo", &[])],
        };
        assert_eq!(one.roles("", "").unwrap().0, "foo");
    }

    #[test]
    fn sources_without_kbuild() {
        let dir = tempfile::tempdir().unwrap();
        let kbuild = || kbuild(dir.path(), dir.path());
        assert_eq!(kbuild().unwrap_err().kind, Kind::Usage);
        fs::write(dir.path().join("a.c"), "MODULE_LICENSE(\"GPL\");").unwrap();
        fs::write(dir.path().join("b.rs"), "async_probe::x! { license: 1 }").unwrap();
        fs::write(dir.path().join("part.c"), "int part;").unwrap();
        let text = kbuild().unwrap();
        assert!(
            text.starts_with("obj-m += a.o\nobj-m += b.o\nRUSTFLAGS_b.o"),
            "{text}"
        );
        let found: Vec<&str> = options("obj-$(CONFIG_A) += a.o\nobj-m += b.o\n").collect();
        assert_eq!(found, ["CONFIG_A"]);
    }
}
