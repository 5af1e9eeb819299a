// SPDX-License-Identifier: GPL-2.0

//! The functions of a module by their addresses in the guest.
//!
//! A recording is read when the module is gone: the kernel then has no names for its functions.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use lifecycle::{Event, What};
use object::{Object, ObjectSection, ObjectSymbol, RelocationTarget, SymbolKind};

/// The functions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Symbols {
    module: String,
    /// Offset in the text, length and name.
    functions: Vec<(u64, u64, String)>,
    /// Where the text was.
    texts: Vec<u64>,
}

impl Symbols {
    /// Those of a module's file.
    pub(crate) fn read(module: &str, path: &Path) -> Self {
        Self {
            module: module.to_owned(),
            functions: fs::read(path).map_or(vec![], |bytes| functions(&bytes)),
            texts: Vec::new(),
        }
    }

    /// Takes up where the module was loaded.
    pub(crate) fn loaded(&mut self, events: &[Event]) {
        for event in events {
            match &event.what {
                What::Loaded { module, at, .. } if *module == self.module => self.texts.push(*at),
                _ => {}
            }
        }
        self.texts.sort_unstable();
        self.texts.dedup();
    }

    /// A text with names in place of addresses, those of Rust as its sources have them.
    pub(crate) fn name(&self, text: &str) -> String {
        demangled(&self.addresses(text))
    }

    fn addresses(&self, text: &str) -> String {
        let mut named = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("0xffffffff") {
            let (before, after) = rest.split_at(at);
            let end = after[2..].find(|digit: char| !digit.is_ascii_hexdigit());
            let (number, after) = after.split_at(end.map_or(after.len(), |end| end + 2));
            let address = u64::from_str_radix(&number[2..], 16).ok();
            let function = address.and_then(|address| self.function(address));
            named += before;
            named += function.as_deref().unwrap_or(number);
            rest = after;
        }
        named + rest
    }

    fn function(&self, address: u64) -> Option<String> {
        self.texts.iter().find_map(|text| {
            let place = address.checked_sub(*text)?;
            let mut functions = self.functions.iter();
            let (at, _, name) =
                functions.find(|(at, length, _)| (*at..at + length).contains(&place))?;
            let offset = match place - at {
                0 => String::new(),
                offset => format!("+{offset:#x}"),
            };
            Some(format!("{name}{offset} [{}]", self.module))
        })
    }
}

/// A text with the names of Rust as its sources have them.
pub(crate) fn demangled(text: &str) -> String {
    let is_part = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let mut words = text.split_inclusive(|letter| !is_part(letter));
    words.by_ref().fold(String::new(), |named, word| {
        let name = word.trim_end_matches(|letter| !is_part(letter));
        let rest = &word[name.len()..];
        match name.starts_with("_R") {
            true => named + &format!("{:#}", rustc_demangle::demangle(name)) + rest,
            false => named + word,
        }
    })
}

fn functions(bytes: &[u8]) -> Vec<(u64, u64, String)> {
    let Ok(file) = object::File::parse(bytes) else {
        return vec![];
    };
    let text = file.section_by_name(".text").map(|section| section.index());
    let symbols = file.symbols().filter(|symbol| {
        symbol.kind() == SymbolKind::Text && symbol.section_index() == text && symbol.size() > 0
    });
    symbols
        .filter_map(|symbol| {
            Some((
                symbol.address(),
                symbol.size(),
                symbol.name().ok()?.to_owned(),
            ))
        })
        .collect()
}

/// The probe functions of a module: those of that name which its data points to.
pub(crate) fn probes(path: &Path) -> Vec<String> {
    let bytes = fs::read(path).unwrap_or_default();
    let Ok(file) = object::File::parse(bytes.as_slice()) else {
        return vec![];
    };
    let functions = functions(&bytes);
    let text = file.section_by_name(".text").map(|section| section.index());
    let data = file.sections().filter(|section| {
        let name = section.name().unwrap_or_default();
        name.starts_with(".data") || name.starts_with(".rodata")
    });
    let mut probes = BTreeSet::new();
    for (_, relocation) in data.flat_map(|section| section.relocations()) {
        let RelocationTarget::Symbol(symbol) = relocation.target() else {
            continue;
        };
        let Ok(symbol) = file.symbol_by_index(symbol) else {
            continue;
        };
        let place = symbol.address().wrapping_add_signed(relocation.addend());
        let mut functions = functions.iter();
        let function = functions.find(|(at, _, _)| symbol.section_index() == text && *at == place);
        probes.extend(function.map(|(_, _, name)| name.clone()));
    }
    // Names with a dot are no names for a kprobe.
    let is_probe = |name: &String| name.contains("probe") && !name.contains('.');
    probes.into_iter().filter(is_probe).collect()
}

/// A static variable of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Static {
    pub section: String,
    /// Where in it.
    pub at: u64,
    pub bytes: u64,
    pub name: String,
}

/// No variable that has more bytes is compared.
const LARGEST: u64 = 256;

/// The static variables of a module's file that its own sources declare.
pub(crate) fn statics(path: &Path) -> Vec<Static> {
    let bytes = fs::read(path).unwrap_or_default();
    let Ok(file) = object::File::parse(bytes.as_slice()) else {
        return vec![];
    };
    let mut statics = Vec::new();
    for symbol in file.symbols() {
        let section = symbol
            .section_index()
            .and_then(|of| file.section_by_index(of).ok());
        let section = section.and_then(|section| section.name().ok().map(str::to_owned));
        let section = section.filter(|section| matches!(section.as_str(), ".data" | ".bss"));
        let (Some(section), Ok(name)) = (section, symbol.name()) else {
            continue;
        };
        if (1..=LARGEST).contains(&symbol.size()) && !name.starts_with("__") {
            statics.push(Static {
                section,
                at: symbol.address(),
                bytes: symbol.size(),
                name: name.to_owned(),
            });
        }
    }
    statics
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_named() {
        let symbols = Symbols {
            module: "mut".to_owned(),
            functions: vec![(0x10, 0x20, "mut_work".to_owned())],
            texts: vec![0xffff_ffff_c020_1000],
        };
        for (text, named) in [
            ("func=0xffffffffc0201010", "func=mut_work [mut]"),
            (
                "by 0xffffffffc0201012, twice",
                "by mut_work+0x2 [mut], twice",
            ),
            (
                "of _RNvCscJjS2cfohEp_11w52_rsnames5COUNT: 1",
                "of w52_rsnames::COUNT: 1",
            ),
            ("0xffffffffc0201030", "0xffffffffc0201030"),
            ("at=0xff11000006552010", "at=0xff11000006552010"),
        ] {
            assert_eq!(symbols.name(text), named);
        }
    }
}
