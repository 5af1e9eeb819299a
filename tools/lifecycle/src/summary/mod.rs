// SPDX-License-Identifier: GPL-2.0

//! What a life comes to: drivers, calls, and what decided how long it took.

mod call;
mod path;

use serde::{Deserialize, Serialize};

use crate::life::{Kind, Life, Total, Wave};
pub use crate::parse::collected::{Collected, Deferred, Unit};
use crate::parse::log::{Log, Source};
use crate::Probing;
pub use call::Call;
pub use path::{Path, Step};

/// The version of this format, and of the life in it.
pub use crate::life::VERSION;

/// All that is known of a log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// [`VERSION`].
    pub version: u32,
    /// The log's name.
    pub name: String,
    /// What is in it.
    pub sources: Vec<Source>,
    /// The release of the kernel, if the log says so.
    pub kernel: Option<String>,
    /// All probes together.
    pub total: Total,
    /// The probes that belong together, in the order in which they began.
    pub waves: Vec<Wave>,
    /// What was called, in the order in which it began.
    pub calls: Vec<Call>,
    /// What decided when the longest of it all ended.
    pub path: Option<Path>,
    /// What was collected beside it.
    #[serde(default, skip_serializing_if = "Collected::is_empty")]
    pub collected: Collected,
    /// All of it. What is above refers to its spans.
    pub life: Life,
}

impl Summary {
    /// Sums a log up.
    pub fn of(name: &str, log: Log) -> Self {
        let mut life = Life::new(log.events, Probing::Once);
        life.place(&log.collected.devices);
        let recorded = life.spans.iter().find_map(|span| span.facts.asked.clone());
        life.asked = log.asked.or(recorded);
        // Spans that have not ended go on until then.
        if life.spans.iter().any(|span| span.end.is_none()) {
            life.end = life.end.max(log.end);
        }
        let probes: Vec<usize> = life.spans_of(Kind::Probe).collect();
        let waves = life.waves();
        let calls = call::calls(&life);
        let path = path::path(&life, &waves, &calls);
        Self {
            version: VERSION,
            name: name.to_owned(),
            sources: log.sources,
            kernel: log.kernel,
            total: Total::of(&life, &probes),
            waves,
            calls,
            path,
            collected: log.collected,
            life,
        }
    }

    /// Finds out instead what decided when this was there: `init`, a device, or a unit of
    /// systemd's. False if the log does not show it.
    pub fn until(&mut self, what: &str) -> bool {
        self.path = path::until(&self.life, what, &self.collected.units);
        self.path.is_some()
    }
}
