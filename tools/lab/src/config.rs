// SPDX-License-Identifier: GPL-2.0

//! Configurations of kernels, and the fragments that ask something of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::error::{IoContext, Result};

/// The `.config` of a kernel.
#[derive(Clone, Debug)]
pub(crate) struct Config(String);

impl Config {
    pub(crate) fn read(path: &Path) -> Result<Self> {
        fs::read_to_string(path).at(path, "read").map(Self)
    }

    /// With the settings of a fragment in place of its own.
    pub(crate) fn with(&self, fragment: &str) -> Self {
        let set: BTreeSet<&str> = fragment.lines().filter_map(symbol).collect();
        let kept = self
            .0
            .lines()
            .filter(|line| symbol(line).is_none_or(|it| !set.contains(it)));
        let text: String = kept.flat_map(|line| [line, "\n"]).collect();
        Self(text + &settings(fragment))
    }

    /// As a file has it.
    pub(crate) fn text(&self) -> &str {
        &self.0
    }

    /// Whether a line of a fragment, as `CONFIG_A=y` or `# CONFIG_A is not set`, is true here. A
    /// symbol that Kconfig does not even offer is not set.
    pub(crate) fn holds(&self, line: &str) -> bool {
        match line.strip_prefix("# ") {
            Some(unset) => unset
                .strip_suffix(" is not set")
                .is_some_and(|symbol| self.value(symbol).is_none()),
            None => self.0.lines().any(|it| it == line),
        }
    }

    /// The lines of a fragment that do not hold here. Of two for one symbol the later counts.
    pub(crate) fn lacks(&self, fragment: &str) -> Vec<String> {
        let wanted: BTreeMap<&str, &str> = fragment
            .lines()
            .filter_map(|line| Some((symbol(line)?, line)))
            .collect();
        wanted
            .into_values()
            .filter(|line| !self.holds(line))
            .map(str::to_owned)
            .collect()
    }

    /// The value of a symbol that is set, without the quotes of a string.
    pub(crate) fn value(&self, symbol: &str) -> Option<&str> {
        self.0.lines().find_map(|line| {
            let value = line.strip_prefix(symbol)?.strip_prefix('=')?;
            Some(value.trim_matches('"'))
        })
    }
}

impl From<&str> for Config {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// The lines of a fragment that set something.
pub(crate) fn settings(text: &str) -> String {
    text.lines()
        .filter(|line| symbol(line).is_some())
        .flat_map(|line| [line, "\n"])
        .collect()
}

/// The symbol that a line of a fragment sets.
fn symbol(line: &str) -> Option<&str> {
    let symbol = match line.strip_prefix("# ") {
        Some(rest) => rest.strip_suffix(" is not set")?,
        None => line.split_once('=')?.0,
    };
    symbol.starts_with("CONFIG_").then_some(symbol)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: &str = "\
# CONFIG_A is not set
CONFIG_B=y
CONFIG_C=m
CONFIG_CC_VERSION=140200
CONFIG_CC_VERSION_TEXT=\"gcc-14 (Debian 14.2.0-19) 14.2.0\"
";

    #[test]
    fn comments_are_no_settings() {
        let text = "# A comment.\nCONFIG_A=y\n\n# CONFIG_B is not set\n";
        assert_eq!(settings(text), "CONFIG_A=y\n# CONFIG_B is not set\n");
    }

    #[test]
    fn lines_that_hold() {
        let config = Config::from(CONFIG);
        let fragment = "# x\nCONFIG_B=y\n# CONFIG_A is not set\n# CONFIG_D is not set\n";
        assert!(config.lacks(fragment).is_empty());
        // The later line counts.
        assert!(config
            .lacks("CONFIG_A=y\n# CONFIG_A is not set\n")
            .is_empty());
    }

    #[test]
    fn lines_that_do_not_hold() {
        let config = Config::from(CONFIG);
        assert_eq!(
            config.lacks("CONFIG_A=y\nCONFIG_B=y\nCONFIG_C=y\nCONFIG_D=y\n"),
            ["CONFIG_A=y", "CONFIG_C=y", "CONFIG_D=y"]
        );
        assert_eq!(
            config.lacks("# CONFIG_B is not set\n# CONFIG_C is not set\n"),
            ["# CONFIG_B is not set", "# CONFIG_C is not set"]
        );
    }

    #[test]
    fn what_is_replaced() {
        let config = Config::from(CONFIG).with("# x\nCONFIG_A=y\n# CONFIG_B is not set\n");
        assert!(config
            .lacks("CONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=m\n")
            .is_empty());
        assert_eq!(config.text().matches("CONFIG_A").count(), 1);
        assert_eq!(Config::from(CONFIG).with("").text(), CONFIG);
    }

    #[test]
    fn values() {
        let value = |symbol| Config::from(CONFIG).value(symbol).map(str::to_owned);
        assert_eq!(value("CONFIG_C").as_deref(), Some("m"));
        let text = value("CONFIG_CC_VERSION_TEXT");
        assert_eq!(text.as_deref(), Some("gcc-14 (Debian 14.2.0-19) 14.2.0"));
        assert_eq!(value("CONFIG_A"), None);
        assert_eq!(value("CONFIG_CC"), None);
    }
}
