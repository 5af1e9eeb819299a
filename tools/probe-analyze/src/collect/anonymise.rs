// SPDX-License-Identifier: GPL-2.0

//! Replaces what identifies a machine or its owner: serial numbers, addresses, host names.
//!
//! The same thing has the same replacement everywhere, so that what belongs together still does.

use std::collections::BTreeMap;

use regex_lite::{Captures, Regex};

/// The patterns, and the replacement of each before its number. The first group is replaced, in all
/// of the text.
const PATTERNS: &[(&str, &str)] = &[
    // MAC addresses and Bluetooth addresses.
    (r"\b((?:[0-9A-Fa-f]{2}:){5}[0-9A-Fa-f]{2})\b", "mac"),
    // UUIDs of file systems, partitions and firmware.
    (
        r"\b([0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12})\b",
        "uuid",
    ),
    // Addresses of IPv6: at least three groups, one of them with two colons or all eight.
    (
        r"(?:^|[^0-9A-Fa-f:.])((?:[0-9A-Fa-f]{1,4}:){7}[0-9A-Fa-f]{1,4})(?:$|[^0-9A-Fa-f:.])",
        "ipv6",
    ),
    (r"\b(f[de][0-9a-f]{2}:(?::?[0-9a-f]{1,4}){1,7})\b", "ipv6"),
    // Addresses of IPv4.
    (
        r"\b((?:(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9])[.]){3}(?:25[0-5]|2[0-4][0-9]|1?[0-9]?[0-9]))\b",
        "ipv4",
    ),
    // What names a disk, a partition or a crypto device after its owner: `root=LABEL=…`.
    (r"\b(?:PART)?LABEL=([^ \n]+)", "label"),
    (r"/dev/mapper/([^ \n]+)", "mapper"),
    (r"/dev/disk/by-[a-z]+/([^ \n]+)", "disk"),
    // What drivers and udev call a serial number.
    (r"(?i)\bserial ?(?:number)?[:=#] *([^ \n,]+)", "serial"),
    (r"(?i)\bSN[:=] *([^ \n,]+)", "serial"),
    (r"\bwwn[-:=] ?(?:0x)?([0-9A-Fa-f]{8,})", "wwn"),
];

/// The replacements so far.
#[derive(Debug, Default)]
pub struct Anonymiser {
    replacements: BTreeMap<String, String>,
    count: BTreeMap<&'static str, usize>,
}

impl Anonymiser {
    /// One that replaces these words everywhere: host names and serial numbers that the machine
    /// told.
    pub fn knowing(words: &[(&'static str, String)]) -> Self {
        let mut anonymiser = Self::default();
        for (kind, word) in words {
            // Firmware that has no serial number says so with such words.
            let says_nothing = [
                "none",
                "default string",
                "to be filled by o.e.m.",
                "localhost",
            ];
            let word = word.trim();
            if word.len() > 3
                && !is_common(word)
                && word.chars().any(char::is_alphanumeric)
                && !says_nothing.contains(&word.to_lowercase().as_str())
            {
                anonymiser.replacement(kind, word);
            }
        }
        anonymiser
    }

    fn replacement(&mut self, kind: &'static str, word: &str) -> String {
        if let Some(known) = self.replacements.get(word) {
            return known.clone();
        }
        // Not replaced twice.
        if self.replacements.values().any(|known| known == word) {
            return word.to_owned();
        }
        let count = self.count.entry(kind).or_default();
        *count += 1;
        let replacement = format!("<{kind}-{count}>");
        self.replacements
            .insert(word.to_owned(), replacement.clone());
        replacement
    }

    /// Finds what identifies in a text; [`replace`](Self::replace) replaces it in all texts.
    pub fn learn(&mut self, text: &str) {
        for (pattern, kind) in PATTERNS {
            // A pattern that is wrong is found by the tests.
            let Ok(pattern) = Regex::new(pattern) else {
                continue;
            };
            for found in pattern.captures_iter(text) {
                if let Some(word) = found.get(1).filter(|word| !is_common(word.as_str())) {
                    self.replacement(kind, word.as_str());
                }
            }
        }
    }

    /// Replaces all that is known.
    pub fn replace(&self, text: &str) -> String {
        let mut words: Vec<&str> = self.replacements.keys().map(String::as_str).collect();
        if words.is_empty() {
            return text.to_owned();
        }
        // Of two that begin alike the longer one is meant.
        words.sort_by_key(|word| std::cmp::Reverse(word.len()));
        let words: Vec<String> = words.into_iter().map(regex_lite::escape).collect();
        let Ok(pattern) = Regex::new(&words.join("|")) else {
            return text.to_owned();
        };
        let replaced = pattern.replace_all(text, |found: &Captures| {
            // Within a longer word it is something else.
            let whole = found.get(0);
            let range = whole.map_or(0..0, |whole| whole.range());
            let inside = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '_');
            if inside(text[..range.start].chars().next_back())
                || inside(text[range.end..].chars().next())
            {
                return found[0].to_owned();
            }
            self.replacements
                .get(&found[0])
                .cloned()
                .unwrap_or_else(|| found[0].to_owned())
        });
        replaced.into_owned()
    }
}

/// Whether a word is the same on every machine, or may be something else.
fn is_common(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_hexdigit);
    let all = |of: char| digits.clone().all(|c| c.eq_ignore_ascii_case(&of));
    // A short number could be a time or the number of a line.
    let is_short_number = word.len() < 8 && word.chars().all(|c| c.is_ascii_digit());
    all('0')
        || all('f')
        || word.starts_with("127.")
        || word.len() < 3
        || word.contains('/')
        || is_short_number
}

#[cfg(test)]
mod tests {
    use super::*;

    fn anonymised(text: &str) -> String {
        let mut anonymiser = Anonymiser::knowing(&[
            ("host", "annas-laptop".to_owned()),
            ("serial", "PF3ABCDE".to_owned()),
            ("serial", "None".to_owned()),
        ]);
        anonymiser.learn(text);
        anonymiser.replace(text)
    }

    #[test]
    fn what_identifies_is_replaced() {
        for (text, expected) in [
            (
                "e1000e 0000:00:1f.6 eth0: (PCI Express:2.5GT/s:Width x1) 8c:16:45:0A:0b:0c",
                "e1000e 0000:00:1f.6 eth0: (PCI Express:2.5GT/s:Width x1) <mac-1>",
            ),
            (
                "root=UUID=6f8a2b9e-0d3c-4c59-9a55-2d1f8f1d2c3b ro",
                "root=UUID=<uuid-1> ro",
            ),
            ("root=LABEL=annas-disk ro", "root=LABEL=<label-1> ro"),
            (
                "root=/dev/mapper/anna--vg-root ro",
                "root=/dev/mapper/<mapper-1> ro",
            ),
            (
                "usb 1-1: SerialNumber: 0123AB",
                "usb 1-1: SerialNumber: <serial-2>",
            ),
            (
                "ata1: PF3ABCDE and XPF3ABCDE",
                "ata1: <serial-1> and XPF3ABCDE",
            ),
            (
                "Hostname set to <annas-laptop>.",
                "Hostname set to <<host-1>>.",
            ),
            ("ip=192.168.17.4::192.168.17.1", "ip=<ipv4-1>::<ipv4-2>"),
            ("IPv6 fe80::8e16:45ff:fe0a:b0c up", "IPv6 <ipv6-1> up"),
        ] {
            assert_eq!(anonymised(text), expected);
        }
    }

    #[test]
    fn the_same_thing_has_the_same_name() {
        assert_eq!(
            anonymised("8c:16:45:0a:0b:0c, 8c:16:45:0a:0b:0d, 8c:16:45:0a:0b:0c"),
            "<mac-1>, <mac-2>, <mac-1>"
        );
        assert_eq!(
            anonymised("usb 1-1: SerialNumber: 0123AB\nsd: 0123AB"),
            "usb 1-1: SerialNumber: <serial-2>\nsd: <serial-2>"
        );
    }

    #[test]
    fn what_does_not_identify_stays() {
        for text in [
            "[    1.286084] pci 0000:00:1f.2: [8086:2922] type 00 class 0x010601",
            "Linux version 6.12.48+deb13-amd64 (gcc-14 14.2.0-19, GNU ld 2.44)",
            "None",
            "00:00:00:00:00:00 and ff:ff:ff:ff:ff:ff at 127.0.0.1",
            " kworker/u8:0-12    [001] .....     7.699095: probe: (really_probe+0x0/0x3a0) dev=\"a.0\" \
             at=0xff11000008093c10",
            "ACPI: Reserving FACP table memory at [mem 0x7ffe1b1c-0x7ffe1c0f]",
            "12:34:56",
            "Serial: 8250/16550 driver, 4 ports, IRQ sharing enabled",
            "serial: 286084",
        ] {
            assert_eq!(anonymised(text), text);
        }
    }
}
