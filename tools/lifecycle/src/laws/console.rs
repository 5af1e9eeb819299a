// SPDX-License-Identifier: GPL-2.0

//! What the laws that judge a console have in common.

use crate::parse::dmesg;
use crate::Event;

/// Power-off has shut all devices down (`kernel/reboot.c`, `kernel_power_off()`).
pub(super) const POWER_DOWN: &str = "reboot: Power down";

/// Suspend, or hibernation, has ended.
pub(super) const RESUMED: &[&str] = &["PM: suspend exit", "PM: hibernation: hibernation exit"];

/// The lines, each with its events.
pub(super) fn lines(console: &str) -> impl Iterator<Item = Result<(&str, Vec<Event>), String>> {
    console.split_inclusive('\n').map(|line| {
        let events = dmesg::parse(line).map_err(|error| error.to_string())?;
        Ok((line.trim_end(), events))
    })
}

/// Whether the line has one of these texts.
pub(super) fn has(line: &str, texts: &[&str]) -> bool {
    texts.iter().any(|text| line.contains(text))
}

/// The first line with this text.
pub(super) fn line_of<'a>(console: &'a str, text: &str) -> Option<&'a str> {
    console.lines().find(|line| line.contains(text))
}

/// The first line with this text comes last.
pub(super) fn comes_last(console: &str, text: &str) -> Option<String> {
    let line = line_of(console, text)?;
    Some(console.replace(line, "") + line + "\n")
}
