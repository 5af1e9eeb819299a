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
    pub fn obstacle(&self, name: &str) -> Option<String> {
        let forbidden = self.blacklist.as_ref();
        if forbidden.is_some_and(|names| names.contains(name)) {
            return Some("it is in the kprobe blacklist".to_owned());
        }
        match self.count.get(name) {
            Some(1) => None,
            // The kernel refuses to choose.
            Some(count) => Some(format!("this kernel has {count} functions of that name")),
            None => {
                let prefix = format!("{name}.");
                let renamed = self.count.keys().filter(|other| {
                    other
                        .strip_prefix(&prefix)
                        // A part that was split off is not the function.
                        .is_some_and(|suffix| !suffix.contains("cold"))
                });
                Some(match renamed.min() {
                    Some(name) => format!("the compiler made {name} of it"),
                    None => "this kernel has no such function".to_owned(),
                })
            }
        }
    }
}
