// SPDX-License-Identifier: GPL-2.0

//! Which files the guest has to load, and in which order.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::module::{by_name, name_of, Module};
use super::stock::Stock;
use crate::error::{Error, IoContext, Kind, Result};
use crate::kernel::{exports, Kernel};
use crate::modules::Modules;
use crate::session::Session;

/// A module with its parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Loaded {
    pub module: Module,
    pub parameters: String,
}

impl From<Module> for Loaded {
    fn from(module: Module) -> Self {
        Self {
            module,
            parameters: String::new(),
        }
    }
}

/// What the guest has to load.
#[derive(Debug)]
pub(crate) struct Files {
    /// Modules whose symbols others need, in an order in which they load.
    pub needs: Vec<Loaded>,
    /// What brings devices, in the order in which it was named.
    pub with: Vec<Loaded>,
    pub driver: Loaded,
}

pub(crate) struct Finder<'a> {
    session: &'a Session,
    /// Ours, by name.
    ours: BTreeMap<String, PathBuf>,
    stock: OnceCell<Stock>,
    out: &'a Path,
    /// Which module exports a symbol, by what the kernel's build says.
    providers: BTreeMap<String, String>,
    /// That of our own modules.
    vermagic: String,
}

const NEXT: &str = "make check-driver MODULE=path/to/foo.ko, or the name of a module of this \
                    project or of the kernel: MODULE=snd_dummy";

impl<'a> Finder<'a> {
    /// Looks in what is built, then in the kernel's own modules, which are unpacked to `out`.
    pub(crate) fn new(session: &'a Session, modules: &Modules, out: &'a Path) -> Result<Self> {
        let ours: BTreeMap<_, _> = modules.files()?.into_iter().map(by_name).collect();
        let symvers = match &session.kernel {
            Kernel::Prepared(kernel) => kernel.symvers(),
            Kernel::Tree { path, .. } => path.join("Module.symvers"),
        };
        let mut symvers = vec![symvers];
        if !ours.is_empty() {
            symvers.push(modules.dir().join("Module.symvers"));
        }
        let mut providers = BTreeMap::new();
        for file in symvers {
            let text = fs::read_to_string(&file).at(&file, "read")?;
            providers.extend(self::providers(&text));
        }
        let mut finder = Self {
            session,
            ours,
            stock: OnceCell::new(),
            out,
            providers,
            vermagic: String::new(),
        };
        // Each of ours is built for the kernel that is booted; where there are none, one of its own
        // modules tells.
        let any = finder.ours.keys().next();
        let any = finder.known(any.map_or("dummy", String::as_str))?;
        finder.vermagic = any.map_or(String::new(), |module| module.vermagic);
        Ok(finder)
    }

    /// Also looks among these files, by their names.
    pub(crate) fn add(&mut self, files: Vec<PathBuf>) {
        self.ours.extend(files.into_iter().map(by_name));
    }

    /// All that the driver and what comes with it need.
    /// `first` are the modules that find the devices.
    pub(crate) fn files(
        &self,
        driver: &str,
        parameters: &str,
        with: &str,
        first: &BTreeSet<&str>,
    ) -> Result<Files> {
        let driver = Loaded {
            module: self.named(driver)?,
            parameters: parameters.to_owned(),
        };
        let mut others: Vec<Loaded> = Vec::new();
        for word in with.split_whitespace() {
            match others.last_mut() {
                Some(last) if is_parameter(word) => {
                    last.parameters = format!("{} {word}", last.parameters).trim().to_owned();
                }
                _ => others.push(self.named(word)?.into()),
            }
        }
        let mut needs = Vec::new();
        // The modules that find the devices.
        for name in first {
            let mut more = needs.clone();
            self.with_needs(name, &others, &mut more)?;
            // The driver itself comes last, and all that needs it.
            let is_driver = |loaded: &Loaded| loaded.module.name == driver.module.name;
            if !more.iter().any(is_driver) {
                needs = more;
            }
        }
        for loaded in others.iter().chain([&driver]) {
            self.add_needs(&loaded.module, &others, &mut needs, &mut BTreeSet::new())?;
        }
        others.retain(|other| !needs.contains(other));
        Ok(Files {
            needs,
            with: others,
            driver,
        })
    }

    /// These modules of the kernel's with all that they need, in an order in which they load.
    pub(crate) fn first(&self, names: &BTreeSet<&str>) -> Result<Vec<Loaded>> {
        let mut needs = Vec::new();
        for name in names {
            self.with_needs(name, &[], &mut needs)?;
        }
        Ok(needs)
    }

    /// Adds a module with those that it needs; one that is built into the kernel needs none.
    fn with_needs(&self, name: &str, others: &[Loaded], needs: &mut Vec<Loaded>) -> Result<()> {
        let Some(module) = self.known(name)? else {
            return Ok(());
        };
        self.add_needs(&module, others, needs, &mut BTreeSet::new())?;
        if !needs.iter().any(|loaded| loaded.module == module) {
            needs.push(module.into());
        }
        Ok(())
    }

    /// The module that a word of the user's names.
    fn named(&self, word: &str) -> Result<Module> {
        let path = Path::new(word);
        let module = if word.contains('/') || path.is_file() {
            Module::read(path, self.session.kernel.arch()).map_err(|error| {
                if path.exists() {
                    error
                } else {
                    Error::new(error.kind, format!("no module {word}"), error.why, NEXT)
                }
            })?
        } else {
            self.known(word)?.ok_or_else(|| {
                let like = self.stock.get().map(|stock| stock.like(word));
                let like = like.filter(|like| !like.is_empty());
                Error::new(
                    Kind::Usage,
                    format!("no module {word}"),
                    like.map_or_else(
                        || {
                            "there is no such file, nor a module of that name in this project or \
                             in the kernel's package"
                                .to_owned()
                        },
                        |like| format!("the kernel's package has {}", like.join(", ")),
                    ),
                    NEXT,
                )
            })?
        };
        self.fits(&module)?;
        Ok(module)
    }

    /// A module of this project or of the kernel, by its name.
    fn known(&self, word: &str) -> Result<Option<Module>> {
        let name = name_of(word);
        if let Some(path) = self.ours.get(&name) {
            return Module::read(path, self.session.kernel.arch()).map(Some);
        }
        let Session {
            project,
            kernel,
            env,
            ..
        } = self.session;
        let stock = match self.stock.get() {
            Some(stock) => stock,
            None => {
                let found = Stock::find(kernel, env, &project.out("log"))?;
                self.stock.get_or_init(|| found)
            }
        };
        let file = stock.file(&name, env, self.out)?;
        file.map(|path| Module::read(&path, kernel.arch()))
            .transpose()
    }

    /// Whether the kernel will take it.
    fn fits(&self, module: &Module) -> Result<()> {
        if module.vermagic == self.vermagic {
            return Ok(());
        }
        Err(Error::new(
            Kind::Usage,
            format!("{} is for another kernel", module.path.display()),
            format!(
                "it was built for {}; this one is {}",
                module.vermagic, self.vermagic
            ),
            "put its sources below out/ of this checkout and build it for this kernel: \
             out/target/debug/lab modules M=/lab/project/out/DIR MO=/lab/project/out/DIR; \
             or name the kernel that it is for: KERNEL=/path/to/linux",
        ))
    }

    /// Adds the modules that this one needs, each after those that it needs itself.
    fn add_needs(
        &self,
        module: &Module,
        others: &[Loaded],
        needs: &mut Vec<Loaded>,
        seen: &mut BTreeSet<String>,
    ) -> Result<()> {
        if !seen.insert(module.name.clone()) {
            return Ok(());
        }
        let mut missing = Vec::new();
        for symbol in &module.needs {
            let mut known = needs.iter().chain(others);
            let given = known.find(|other| other.module.exports.contains(symbol));
            if let Some(given) = given.cloned() {
                if !needs.contains(&given) {
                    self.add_needs(&given.module, others, needs, seen)?;
                    needs.push(given);
                }
                continue;
            }
            let provider = match self.providers.get(symbol).map(String::as_str) {
                Some("vmlinux") => continue,
                Some(provider) => self.known(provider)?,
                None => None,
            };
            let Some(provider) = provider.filter(|found| found.exports.contains(symbol)) else {
                missing.push(symbol.as_str());
                continue;
            };
            self.add_needs(&provider, others, needs, seen)?;
            needs.push(provider.into());
        }
        let [first, more @ ..] = &missing[..] else {
            return Ok(());
        };
        let more = match more.len() {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        Err(Error::new(
            Kind::Usage,
            format!("{} needs the symbol {first}{more}", module.name),
            self.providers.get(*first).map_or_else(
                || "neither the kernel nor a module that is known exports it".to_owned(),
                |provider| format!("{provider} exports it, and is not there"),
            ),
            "name the module that exports it: WITH=path/to/bar.ko",
        ))
    }
}

/// Whether a word is a parameter of the module before it.
fn is_parameter(word: &str) -> bool {
    word.split_once('=')
        .is_some_and(|(name, _)| !name.contains('/'))
}

/// Which module exports a symbol, by a `Module.symvers`.
fn providers(symvers: &str) -> impl Iterator<Item = (String, String)> + '_ {
    exports(symvers).map(|(symbol, module)| {
        let module = module.rsplit('/').next().unwrap_or(module);
        (symbol.to_owned(), module.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_with() {
        assert!(is_parameter("devices=4"));
        assert!(!is_parameter("slow_bus"));
        assert!(!is_parameter("/a=b/x.ko"));
    }

    #[test]
    fn who_exports_what() {
        let text = "0x1\tusb_add\tdrivers/usb/gadget/udc/udc-core\tEXPORT_SYMBOL_GPL\t\n\
                    0x2\tprintk\tvmlinux\tEXPORT_SYMBOL\t\n";
        let found: BTreeMap<_, _> = providers(text).collect();
        assert_eq!(found["usb_add"], "udc-core");
        assert_eq!(found["printk"], "vmlinux");
    }
}
