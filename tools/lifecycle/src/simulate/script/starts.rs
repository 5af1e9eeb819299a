// SPDX-License-Identifier: GPL-2.0

//! What starts a strand if the life does not show it.

use super::build::{Build, Reached, Unknown};
use super::steps::{begin_of, end_of, Guess, Start};
use crate::life::{Kind, Life};

impl Build<'_> {
    /// Finds out what starts each strand of which the life does not show it.
    pub(super) fn starts(&mut self) {
        let life = self.life;
        self.reached.sort_unstable();
        let init_place = self.init.map_or(0, |(_, place)| place);
        let (all, boots) = (&self.reached, self.boots);
        let boot: Vec<&Reached> = all.iter().filter(|of| of.task == boots).collect();
        let returned: Vec<&Reached> = all
            .iter()
            .filter(|of| of.returned && init_place <= of.place)
            .collect();
        let all: Vec<&Reached> = all.iter().collect();
        let last = |of: &[&Reached], unknown: &Unknown| {
            let before = of.partition_point(|of| of.place < unknown.place);
            let mut before = of[..before].iter().rev();
            let other = before.find(|of| unknown.task.is_none() || of.task != unknown.task);
            other.map(|of| Start::After(of.point, unknown.time - of.time))
        };
        let mut starts = Vec::new();
        for of in &self.unknown {
            let boots = boots.is_some() && boots == of.task;
            let with_the_boot = match self.init {
                _ if boots => None,
                Some((time, place)) if place < of.place => {
                    Some(Start::After(self.script.points - 1, of.time - time))
                }
                Some(_) => last(&boot, of),
                None => None,
            };
            let after_another = match of.task {
                _ if boots => None,
                None => last(&all, of),
                Some(_) => last(&returned, of),
            };
            let independent = of.task.is_some_and(|task| is_udev(life, task));
            let cause = of.cause.map(|cause| {
                let delay = of.time - life.spans[cause].begin;
                Start::After(begin_of(cause), delay)
            });
            let start = if let Some(start) = cause.or_else(|| found(life, of)) {
                Some(start)
            } else if independent == (self.choice.guess == Guess::Likely) {
                with_the_boot
            } else {
                after_another.or(with_the_boot)
            };
            starts.push((of.strand, start.unwrap_or(Start::At(of.time))));
        }
        self.script.starts = starts;
    }
}

/// What starts a strand about a device that is below another one: the probe of that has found it.
fn found(life: &Life, of: &Unknown) -> Option<Start> {
    let below = life.devices[of.device?].below?;
    let mut all = life.devices[below].all.iter().copied();
    let probe = all.rfind(|at| {
        let span = &life.spans[*at];
        span.kind == Kind::Probe && span.ret == Some(0) && span.begin <= of.time
    })?;
    Some(match life.spans[probe].end.filter(|end| *end <= of.time) {
        Some(end) => Start::After(end_of(probe), of.time - end),
        None => Start::After(begin_of(probe), of.time - life.spans[probe].begin),
    })
}

/// The workers of udev run beside each other: none waits for what another does.
fn is_udev(life: &Life, task: usize) -> bool {
    let name = life.tasks[task].name.as_deref().unwrap_or_default();
    name.contains("udev") || name == "mdev"
}
