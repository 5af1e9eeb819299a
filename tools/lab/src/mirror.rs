// SPDX-License-Identifier: GPL-2.0

//! Where Debian packages come from: `DEBIAN_MIRROR`, or the host's own apt configuration.

use std::env;
use std::process::Command;

use crate::debian;
use crate::error::{Error, Kind, Result};

/// What to type when there is no mirror.
const NEXT: &str = "name a Debian mirror: DEBIAN_MIRROR=http://<mirror>/debian make";

/// The mirror's URI, and the proxy options that the host's apt uses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Mirror {
    /// Without a trailing slash.
    pub uri: String,
    /// `Acquire::…::Proxy "…"` settings of the host.
    pub options: Vec<String>,
}

impl Mirror {
    pub(crate) fn find() -> Result<Self> {
        let chosen = env::var("DEBIAN_MIRROR")
            .ok()
            .filter(|text| !text.is_empty());
        let uri = match chosen {
            Some(uri) => uri,
            None => from_targets(&output(
                "apt-get",
                &[
                    "indextargets",
                    "--format",
                    "$(ORIGIN)\t$(LABEL)\t$(REPO_URI)",
                ],
            ))
            .ok_or_else(|| {
                Error::new(
                    Kind::Environment,
                    "no Debian mirror",
                    "DEBIAN_MIRROR is not set and this host's apt knows no Debian archive",
                    NEXT,
                )
            })?,
        };
        Ok(Self {
            uri: uri.trim_end_matches('/').to_owned(),
            options: proxies(&output("apt-config", &["dump"])),
        })
    }

    /// The lines of `sources.list` for a suite and its companions.
    pub(crate) fn sources(&self, suites: &[&str]) -> String {
        suites
            .iter()
            .map(|suite| debian::source_line(&self.uri, suite))
            .collect()
    }
}

/// The output of a host program; empty when it is not there.
fn output(program: &str, args: &[&str]) -> String {
    Command::new(program)
        .args(args)
        .output()
        .map(|output| String::from_utf8_lossy(&output.stdout).into_owned())
        .unwrap_or_default()
}

/// Picks the main Debian archive out of apt's index targets.
fn from_targets(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let mut fields = line.split('\t');
        (fields.next()? == "Debian" && fields.next()? == "Debian")
            .then(|| fields.next())
            .flatten()
            .map(str::to_owned)
    })
}

/// Picks the proxy settings out of apt's configuration.
fn proxies(text: &str) -> Vec<String> {
    text.lines()
        .filter(|line| {
            let lower = line.to_ascii_lowercase();
            lower.starts_with("acquire::http") && lower.contains("proxy") && !line.contains("\"\"")
        })
        .map(|line| line.trim_end_matches(';').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_archive_is_taken_and_no_other() {
        let text = "Docker\tDocker CE\thttps://third.example/linux/debian/\n\
                    Debian\tDebian-Security\thttp://mirror.example/debian-security/\n\
                    Debian\tDebian\thttp://mirror.example/debian/\n";
        assert_eq!(
            from_targets(text).as_deref(),
            Some("http://mirror.example/debian/")
        );
        assert_eq!(
            from_targets("Ubuntu\tUbuntu\thttp://mirror.example/ubuntu/\n"),
            None
        );
        assert_eq!(from_targets(""), None);
    }

    #[test]
    fn proxies_are_passed_on() {
        let text = "Acquire::http::Proxy \"http://proxy.example:3128/\";\n\
                    Acquire::https::Proxy \"\";\nAPT::Architecture \"amd64\";\n";
        assert_eq!(
            proxies(text),
            ["Acquire::http::Proxy \"http://proxy.example:3128/\""]
        );
    }

    #[test]
    fn sources_name_each_suite() {
        let mirror = Mirror {
            uri: "http://mirror.example/debian".into(),
            options: vec![],
        };
        let text = mirror.sources(&["trixie", "trixie-backports"]);
        assert_eq!(text.lines().count(), 2);
        assert!(text
            .lines()
            .all(|line| line.starts_with("deb [signed-by=") && line.ends_with(" main")));
    }
}
