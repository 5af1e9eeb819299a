// SPDX-License-Identifier: GPL-2.0

//! The symbols of a kernel, and those on which kprobes are forbidden.

use std::collections::{HashMap, HashSet};

/// The symbols of a kernel, from its `System.map` or `/proc/kallsyms`.
#[derive(Debug, Default)]
pub struct Symbols<'a> {
    /// How often each name is there, with the suffix that the compiler gave it.
    count: HashMap<&'a str, usize>,
    /// Names on which kprobes are forbidden; `None` if that is not known.
    blacklist: Option<HashSet<String>>,
}

impl<'a> Symbols<'a> {
    /// Whether it is a list of symbols. Debian's `System.map` is none: it has one line that names
    /// the package with the real one.
    pub fn are_in(text: &str) -> bool {
        text.lines().any(|line| name(line).is_some())
    }

    /// Reads lines of `address type name`; symbols of modules, which have `[module]` behind them,
    /// are left out.
    pub fn parse(text: &'a str) -> Self {
        let mut count = HashMap::new();
        for name in text.lines().filter_map(name) {
            *count.entry(name).or_default() += 1;
        }
        Self {
            count,
            blacklist: None,
        }
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

/// The name in a line of `address type name`.
fn name(line: &str) -> Option<&str> {
    let mut words = line.split_ascii_whitespace();
    let name = words.nth(2)?;
    words.next().is_none().then_some(name)
}
