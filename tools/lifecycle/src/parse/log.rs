// SPDX-License-Identifier: GPL-2.0

//! Logs of all kinds, told apart by what is in them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::refusal::{Reason, Refusal};
use super::{dmesg, recording};
use crate::event::{Event, What};

/// A log that has been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// What is in it.
    pub sources: Vec<Source>,
    /// The release of the kernel, if it says so: `7.3.4+deb13-amd64`.
    pub kernel: Option<String>,
    /// Its events.
    pub events: Vec<Event>,
}

/// Who has written a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The recorder.
    Recording,
    /// Drivers that use the dmesg interface.
    Timing,
    /// Userspace, around its calls.
    Calls,
    /// The kernel, with `initcall_debug`.
    InitcallDebug,
}

impl Source {
    fn of(what: &What) -> Self {
        match what {
            What::Recorded(_) => Self::Recording,
            What::CallBegan { .. } | What::CallReturned { .. } => Self::Calls,
            What::Initcall(_) => Self::InitcallDebug,
            _ => Self::Timing,
        }
    }

    /// The sources of these events, in the order in which they appear.
    pub fn all_of(events: &[Event]) -> Vec<Self> {
        let mut sources = Vec::new();
        for event in events {
            let source = Self::of(&event.what);
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
        sources
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Recording => "recording",
            Self::Timing => "dmesg timing",
            Self::Calls => "calls",
            Self::InitcallDebug => "initcall_debug",
        })
    }
}

/// Reads a log, whatever it is.
///
/// # Errors
///
/// The first thing that is wrong with it.
pub fn parse(text: &str) -> Result<Log, Refusal> {
    let events = if text.starts_with(recording::FIRST) {
        recording::parse(text)?
    } else {
        dmesg::parse(text)?
    };
    if events.is_empty() {
        return Err(Refusal::of_all(Reason::Nothing(text.lines().count())));
    }
    Ok(Log {
        sources: Source::all_of(&events),
        kernel: kernel(text).map(str::to_owned),
        events,
    })
}

/// The release of the kernel: the first line of a recording has it, and that of a boot.
fn kernel(text: &str) -> Option<&str> {
    let release = match text.strip_prefix(recording::FIRST) {
        Some(first) => first.split_once("kernel=")?.1,
        None => text.split_once("] Linux version ")?.1,
    };
    release.split_whitespace().next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::point::DEFINITIONS;
    use crate::parse::recording::{header, seal};
    use crate::Probing;

    #[test]
    fn told_apart() {
        let timing = "[    1.000000] async_probe: timing: removing dev=d driver=d\n";
        let initcall = "[    1.000000] probe of d with driver d returned 0 after 1 usecs\n";
        let sources = |log: &str| parse(log).map(|log| log.sources);
        assert_eq!(sources(timing), Ok(vec![Source::Timing]));
        assert_eq!(
            sources(&format!("{initcall}{timing}")),
            Ok(vec![Source::InitcallDebug, Source::Timing])
        );
        assert_eq!(sources("\n\n"), Err(Refusal::of_all(Reason::Nothing(2))));
        assert_eq!(sources(""), Err(Refusal::of_all(Reason::Nothing(0))));
        let boot = format!("[    0.000000] Linux version 7.3.4+deb13 (x) #1\n{timing}");
        assert_eq!(parse(&boot).unwrap().kernel.as_deref(), Some("7.3.4+deb13"));
        assert_eq!(parse(timing).unwrap().kernel, None);
        // A recording, and be it empty, is never read as anything else.
        assert!(matches!(
            parse(&format!(
                "{}{timing}",
                header("7.3.4", Probing::Once, DEFINITIONS)
            )),
            Err(Refusal {
                reason: Reason::Unsealed,
                ..
            })
        ));
        assert!(parse(&seal(header("7.3.4", Probing::Once, DEFINITIONS))).is_err());
    }
}
