// SPDX-License-Identifier: GPL-2.0

//! The symbols of a kernel, and those on which kprobes are forbidden.

use std::collections::{HashMap, HashSet};

/// The symbols of a kernel, from its `System.map` or `/proc/kallsyms`.
#[derive(Debug, Default)]
pub struct Symbols {
    /// How often each name is there, with the suffix that the compiler gave it.
    count: HashMap<String, usize>,
    /// Names on which kprobes are forbidden; `None` if that is not known.
    blacklist: Option<HashSet<String>>,
}

/// Why a symbol cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The kernel has none of this name.
    Missing,
    /// The compiler made another function of it: `really_probe.isra.0`.
    Renamed(String),
    /// Several have the name, and the kernel refuses to choose.
    Ambiguous(usize),
    /// The kernel forbids kprobes on it.
    Blacklisted,
}

impl std::fmt::Display for Obstacle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing => f.write_str("this kernel has no such function"),
            Self::Renamed(name) => write!(f, "the compiler made {name} of it"),
            Self::Ambiguous(count) => write!(f, "this kernel has {count} functions of that name"),
            Self::Blacklisted => f.write_str("it is in the kprobe blacklist"),
        }
    }
}

impl Symbols {
    /// Reads lines of `address type name`; symbols of modules, which have `[module]` behind them,
    /// are left out. `None` if it is no list of symbols, as Debian's `System.map`, which has one
    /// line that names the package with the real one.
    pub fn parse(text: &str) -> Option<Self> {
        let mut count = HashMap::new();
        for line in text.lines() {
            let mut words = line.split_whitespace();
            if let (Some(_), Some(_), Some(name), None) =
                (words.next(), words.next(), words.next(), words.next())
            {
                *count.entry(name.to_owned()).or_default() += 1;
            }
        }
        (!count.is_empty()).then_some(Self {
            count,
            blacklist: None,
        })
    }

    /// Adds `/sys/kernel/debug/kprobes/blacklist`: lines of `start-end name`.
    pub fn forbid(&mut self, text: &str) {
        let names = text
            .lines()
            .filter_map(|line| line.split_whitespace().nth(1));
        self.blacklist = Some(names.map(str::to_owned).collect());
    }

    /// Whether the blacklist is known.
    pub fn knows_blacklist(&self) -> bool {
        self.blacklist.is_some()
    }

    /// Whether the kernel has the symbol.
    pub fn has(&self, name: &str) -> bool {
        self.count.contains_key(name)
    }

    /// Why a kprobe on a function, or the address of a variable, cannot be had.
    pub fn obstacle(&self, name: &str) -> Option<Obstacle> {
        let forbidden = self.blacklist.as_ref();
        if forbidden.is_some_and(|names| names.contains(name)) {
            return Some(Obstacle::Blacklisted);
        }
        match self.count.get(name) {
            Some(1) => None,
            Some(count) => Some(Obstacle::Ambiguous(*count)),
            None => {
                let prefix = format!("{name}.");
                let renamed = self.count.keys().filter(|other| {
                    other
                        .strip_prefix(&prefix)
                        // A part that was split off is not the function.
                        .is_some_and(|suffix| !suffix.contains("cold"))
                });
                let renamed = renamed.min().cloned();
                Some(renamed.map_or(Obstacle::Missing, Obstacle::Renamed))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn obstacles() {
        let mut symbols = Symbols::parse(
            "0000000000000000 t really_probe\n\
             0000000000000000 t really_probe.cold\n\
             0000000000000000 t twice\n\
             0000000000000000 t twice\n\
             0000000000000000 t gone.isra.0\n\
             0000000000000000 t split.cold\n\
             0000000000000000 T forbidden\n\
             0000000000000000 t of_a_module\t[a_module]\n",
        )
        .unwrap();
        assert!(!symbols.knows_blacklist());
        symbols.forbid("0xffffffff81000000-0xffffffff81000010\tforbidden\n");
        assert_eq!(symbols.obstacle("really_probe"), None);
        assert_eq!(symbols.obstacle("twice"), Some(Obstacle::Ambiguous(2)));
        assert_eq!(
            symbols.obstacle("gone"),
            Some(Obstacle::Renamed("gone.isra.0".to_owned()))
        );
        for missing in ["split", "of_a_module", "nothing"] {
            assert_eq!(symbols.obstacle(missing), Some(Obstacle::Missing));
        }
        assert_eq!(symbols.obstacle("forbidden"), Some(Obstacle::Blacklisted));
    }

    #[test]
    fn the_stub_of_debian_is_no_list() {
        let stub =
            "ffffffffffffffff B The real System.map is in the linux-image-<version>-dbg package\n";
        assert!(Symbols::parse(stub).is_none());
        assert!(Symbols::parse("").is_none());
    }
}
