// SPDX-License-Identifier: GPL-2.0

//! The documents that show what was measured: the tables stand between markers, and all else is
//! left as it is.

use lifecycle::designs::{has_driver_domain, DRIVER_DOMAIN};

use crate::tables::{self, Style};
use crate::Benchmark;

/// The documents, below `Documentation/`.
pub const DOCUMENTS: [&str; 2] = ["designs.rst", "benchmark.rst"];

/// What the tables were made from, beside them.
pub const JSON: &str = "benchmark.json";

/// A function that prints tables.
type Tables = fn(&Benchmark, Style) -> String;

/// All tables, by the names of their places.
const TABLES: [(&str, Tables); 3] = [
    ("designs", tables::designs),
    ("costs", tables::costs),
    (DRIVER_DOMAIN, tables::designs),
];

/// Whether these are figures of a kernel with one more design, whose tables have a place of their
/// own.
pub fn has_domain(benchmark: &Benchmark) -> bool {
    has_driver_domain(&benchmark.identity.kernel)
}

/// A document has no place for tables.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the lines `.. bench <tables>: begin` and `.. bench <tables>: end` are not there")]
pub struct NoPlace;

/// The document with these tables in the place of those that it has.
///
/// # Errors
///
/// [`NoPlace`] if it has none.
pub fn insert(text: &str, benchmark: &Benchmark) -> Result<String, NoPlace> {
    let mut text = text.to_owned();
    let mut found = false;
    for (name, tables) in TABLES {
        if (name == DRIVER_DOMAIN) != has_domain(benchmark) {
            continue;
        }
        let (begin, end) = (
            format!(".. bench {name}: begin\n"),
            format!(".. bench {name}: end\n"),
        );
        let parts = text.split_once(&begin).and_then(|(before, rest)| {
            let (_, after) = rest.split_once(&end)?;
            Some((before.to_owned(), after.to_owned()))
        });
        let Some((before, after)) = parts else {
            continue;
        };
        found = true;
        let tables = tables(benchmark, Style::Rst);
        let identity = &benchmark.identity;
        text = format!("{before}{begin}\nMeasured on\n{identity}.\n\n{tables}\n{end}{after}");
    }
    found.then_some(text).ok_or(NoPlace)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::tests::identity;

    #[test]
    fn only_what_is_between_the_markers() {
        let benchmark = Benchmark::new(identity());
        let text = "a\n.. bench costs: begin\nold\n.. bench costs: end\nb\n";
        let new = insert(text, &benchmark).unwrap();
        assert!(new.starts_with("a\n.. bench costs: begin\n\nMeasured on\nLinux 7.3, 2 CPUs"));
        assert!(new.ends_with(".. bench costs: end\nb\n"));
        assert!(!new.contains("old"));
        assert_eq!(insert(&new, &benchmark).unwrap(), new);
        assert_eq!(insert("a\n", &benchmark), Err(NoPlace));
        let mut other = benchmark;
        other.identity.kernel = format!("7.3-{DRIVER_DOMAIN}");
        assert_eq!(insert(text, &other), Err(NoPlace));
        assert!(insert(&text.replace("costs", DRIVER_DOMAIN), &other).is_ok());
    }
}
