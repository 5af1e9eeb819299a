// SPDX-License-Identifier: GPL-2.0

//! What a test expects to find in a life: the call that it made and the devices that it had probed.

use std::collections::HashSet;

use super::prelude::*;

impl<'a> Court<'a> {
    /// `holds`, or the law is broken, and this was seen.
    pub(super) fn demand_seen(
        &self,
        holds: bool,
        expected: impl Into<String>,
        seen: impl Into<String>,
    ) -> Result<(), Violation> {
        match holds {
            true => Ok(()),
            false => Err(self.broken(expected, seen, &self.life.events)),
        }
    }

    /// The only span that is one of these.
    pub(super) fn only(
        &self,
        expected: &str,
        is: impl Fn(&Span) -> bool,
    ) -> Result<&'a Span, Violation> {
        let spans: Vec<&Span> = self.life.spans.iter().filter(|span| is(span)).collect();
        match spans[..] {
            [span] => Ok(span),
            _ => {
                let seen = format!("{} of them", spans.len());
                Err(self.broken(expected, seen, &self.life.events))
            }
        }
    }

    /// The only call of its kind on `on`, which has returned.
    pub(super) fn call(&self, kind: Call, on: &str) -> Result<&'a Span, Violation> {
        let call = self.only(&format!("one {kind} of {on}"), |span| {
            span.kind == Kind::Call(kind) && span.on == on
        })?;
        let expected = format!("{kind} of {on} to return");
        self.demand(call.ended.is_some(), expected, &[call.began])?;
        Ok(call)
    }

    /// The first probe of each device by `driver`, of which there are `devices`, all ended. A
    /// registration sets them off; what follows later by hand is left out.
    pub(super) fn first_probes(
        &self,
        driver: &str,
        devices: usize,
    ) -> Result<Vec<&'a Span>, Violation> {
        let mut seen = HashSet::new();
        let probes = self.life.each(Kind::Probe);
        let probes = probes.filter(|probe| probe.driver.as_deref() == Some(driver));
        let probes: Vec<&Span> = probes.filter(|probe| seen.insert(probe.device)).collect();
        self.demand_seen(
            devices > 0 && probes.len() == devices,
            format!("{devices} devices probed by {driver}"),
            format!("{} devices probed", probes.len()),
        )?;
        for probe in &probes {
            let ended = probe.ended.is_some();
            self.demand(ended, "an end of every probe", &[probe.began])?;
        }
        Ok(probes)
    }

    /// The second phase of a probe, if it has ended.
    pub(super) fn second_phase(&self, probe: &Span) -> Option<&'a Span> {
        let life = self.life;
        life.each(Kind::SecondPhase).find(|phase| {
            let cause = phase.cause.map(|cause| life.spans[cause].began);
            cause == Some(probe.began)
        })
    }
}
