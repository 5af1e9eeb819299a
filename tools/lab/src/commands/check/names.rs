// SPDX-License-Identifier: GPL-2.0

//! The names of tests: all of them, and those that are near to one that was mistyped.

use crate::error::{Error, Kind, Result};
use crate::progress::result;

/// A guest program puts this before the name of each test that it has and does not run.
pub(super) const NAMED: &str = "# test: ";

/// So many names are proposed.
const PROPOSED: usize = 5;

/// Prints the names that contain the filter.
pub(super) fn list(mut names: Vec<String>, filter: &str) -> Result<()> {
    names.sort();
    names.dedup();
    let matching: Vec<_> = names.iter().filter(|name| name.contains(filter)).collect();
    if matching.is_empty() {
        return Err(none(&names, filter));
    }
    matching.into_iter().for_each(|name| result(name));
    Ok(())
}

/// The error that no test has such a name, with the names that are near.
pub(super) fn none(names: &[String], filter: &str) -> Error {
    let near = near(names, filter);
    let why = match near.is_empty() {
        true => format!("none of {} names is near to it", names.len()),
        false => format!("near to it: {}", near.join(", ")),
    };
    Error::new(
        Kind::Usage,
        format!("no test has `{filter}` in its name"),
        why,
        "make check LIST=1 prints all names",
    )
}

/// The programs and tests whose names are near, the nearest first.
fn near<'a>(names: &'a [String], filter: &str) -> Vec<&'a str> {
    let parts = names
        .iter()
        .flat_map(|name| [name.as_str(), name.split(": ").next().unwrap_or(name)]);
    let mut near: Vec<(f64, &str)> = parts
        .map(|part| {
            let words = part.split([' ', ':']).chain([part]);
            let likeness = words.map(|word| strsim::jaro_winkler(word, filter));
            (likeness.fold(0.0, f64::max), part)
        })
        .filter(|(likeness, _)| *likeness > 0.8)
        .collect();
    near.sort_by(|(one, a), (other, b)| other.total_cmp(one).then(a.len().cmp(&b.len())));
    near.dedup_by_key(|(_, part)| *part);
    near.into_iter()
        .take(PROPOSED)
        .map(|(_, part)| part)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant() {
        let names = [
            "force_sync: devices first",
            "unbind_waits: probing",
            "lifecycle: laws::x",
        ];
        let names = names.map(str::to_owned);
        assert_eq!(near(&names, "forcesync")[0], "force_sync");
        assert!(near(&names, "unbind_wait").contains(&"unbind_waits"));
        assert!(near(&names, "zzz").is_empty());
        let error = list(names.to_vec(), "forcesync").unwrap_err();
        assert_eq!(error.kind, Kind::Usage);
        assert!(error.why.contains("force_sync") && error.next.contains("LIST=1"));
        assert!(list(names.to_vec(), "laws").is_ok());
    }
}
