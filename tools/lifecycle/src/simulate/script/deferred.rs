// SPDX-License-Identifier: GPL-2.0

//! Devices that are deferred at first, and the probes that try them again.

use std::collections::HashMap;

use super::build::{Build, Cursor};
use super::steps::{
    begin_of, can_be_asynchronous, end_of, Deferred, Guess, Step, DEFAULT_DOMAIN, NOT_DONE,
};
use crate::errno::EPROBE_DEFER;
use crate::life::{Kind, Span};

impl Build<'_> {
    /// The devices that are deferred at first.
    pub(super) fn deferred(&mut self) {
        let life = self.life;
        let mut probes: HashMap<(Option<usize>, Option<u64>), Vec<usize>> = HashMap::new();
        let mut bound: Vec<(usize, usize)> = Vec::new();
        for (at, probe) in life.of(Kind::Probe) {
            let by_hand = |span: &Span| matches!(span.kind, Kind::Bind | Kind::Attach);
            if life.within(at, by_hand).is_none() {
                let device = (probe.device, probe.facts.at);
                probes.entry(device).or_default().push(at);
            }
            if probe.ret == Some(0) {
                bound.push((probe.end_place(), at));
            }
        }
        bound.sort_unstable();
        let deferred = |at: &&usize| life.spans[**at].ret == Some(EPROBE_DEFER);
        let mut devices: Vec<Vec<usize>> = probes.into_values().collect();
        devices.sort_unstable();
        for mut tries in devices {
            let fails = tries.iter().take_while(deferred).count();
            if fails == 0 {
                continue;
            }
            tries.truncate(fails + 1);
            let last = &life.spans[tries[fails - 1]];
            let succeeds = tries.get(fails).copied();
            let begins = succeeds.map_or(usize::MAX, |at| life.spans[at].began);
            let from = bound.partition_point(|(place, _)| *place < last.began);
            let until = bound.partition_point(|(place, _)| *place < begins);
            let suppliers = &bound[from..until.max(from)];
            self.script.suppliers_are_guessed |= succeeds.is_some() && suppliers.len() > 1;
            let supplier = match self.choice.guess {
                // The worker tries it at once, unless it is busy with another device.
                Guess::Likely => suppliers.first(),
                Guess::Other => suppliers.last(),
            };
            let supplier = supplier.filter(|_| succeeds.is_some());
            let device = self.script.deferred.len();
            let took = life.end_of(tries[0]) - life.spans[tries[0]].begin;
            let fail = self.strand();
            self.script.strands[fail].steps = vec![Step::Wait(took), Step::Deferred(device)];
            let retry = self.strand();
            self.script.strands[retry].steps.push(Step::Try(device));
            let chosen = self.is_chosen(tries[0]);
            let second = tries.get(1).map(|retry| &life.spans[*retry]);
            if chosen || second.is_some_and(|retry| retry.asynchronous == Some(true)) {
                self.script.strands[retry].domain = Some(DEFAULT_DOMAIN);
            }
            for (number, at) in tries.iter().enumerate() {
                self.tries.insert(*at, (device, number));
                if number > 0 {
                    self.retried.extend(life.spans[*at].end);
                }
            }
            let succeeds = succeeds.map(|_| self.strand());
            if chosen {
                self.moved.extend(succeeds);
            }
            self.script.deferred.push(Deferred {
                tries,
                fails,
                supplier: supplier.map(|(_, at)| end_of(*at)),
                fail,
                succeeds,
                retry,
            });
        }
        self.retried.sort_unstable();
    }

    /// A try of a deferred device begins. The first is where it was, the others are made when they
    /// are due.
    pub(super) fn open_try(
        &mut self,
        task: usize,
        at: usize,
        device: usize,
        number: usize,
        mut around: Cursor,
    ) -> (Cursor, Cursor) {
        let begin = self.life.spans[at].begin.max(around.last);
        if number == 0 {
            self.advance(task, &mut around, begin, false);
            let convert = self.is_chosen(at) && can_be_asynchronous(self.life, at);
            let strand = if convert {
                self.asynchronously(around)
            } else {
                around.strand
            };
            self.push(strand, Step::Try(device));
        } else if around.strand != NOT_DONE {
            self.advance(task, &mut around, begin, false);
        }
        let deferred = &self.script.deferred[device];
        let strand = deferred.succeeds.filter(|_| number == deferred.fails);
        let within = Cursor {
            strand: strand.unwrap_or(NOT_DONE),
            last: begin,
        };
        self.reach(task, within, begin_of(at), false);
        (around, within)
    }
}
