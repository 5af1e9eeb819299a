// SPDX-License-Identifier: GPL-2.0

//! Lines that a log has more than once because two consoles have printed them.
//!
//! Two `console=` of one port, or a boot console that is kept (`register_console()`,
//! `kernel/printk/printk.c`), print each line twice. An event may well be there twice, too: until a
//! clock is registered, time has the grain of a jiffy (`kernel/time/sched_clock.c`), and a device
//! whose probe is deferred may be tried twice within one. If nearly all lines around it are
//! there as often, two consoles have printed them.

use crate::micros::Micros;

/// How many runs of equal lines around one tell, at most.
const AROUND: usize = 4;

/// The runs of equal lines of a log.
#[derive(Debug, Default)]
pub(super) struct Runs {
    /// How many lines each has, up to 255.
    lengths: Vec<u8>,
    last: Option<Micros>,
    text: String,
}

impl Runs {
    /// Takes the next line with a time, and returns the number of its run.
    pub(super) fn take(&mut self, time: Micros, text: &str) -> u32 {
        let text = text.trim_end();
        match self.lengths.last_mut() {
            Some(length) if self.last == Some(time) && self.text == text => {
                *length = length.saturating_add(1);
            }
            _ => {
                self.lengths.push(1);
                self.last = Some(time);
                self.text.clear();
                self.text.push_str(text);
            }
        }
        u32::try_from(self.lengths.len() - 1).unwrap_or(u32::MAX)
    }

    /// Whether the last line was this one.
    pub(super) fn is_last(&self, time: Micros, text: &str) -> bool {
        self.last == Some(time) && self.text == text.trim_end()
    }

    /// How many lines of a run are no copies.
    pub(super) fn originals(&self, run: u32) -> usize {
        let run = run as usize;
        let Some(length) = self.lengths.get(run).copied().map(usize::from) else {
            return 1;
        };
        if length == 1 {
            return 1;
        }
        let all = &self.lengths;
        let as_often = |consoles: u8| {
            let tells = |around: &[u8]| {
                let runs = around.iter().filter(|length| **length >= consoles).count();
                runs * 5 >= around.len() * 4
            };
            let windows = (3..=AROUND + 1).flat_map(|size| {
                let first = (run + 1).saturating_sub(size);
                (first..=run).filter_map(move |from| all.get(from..from + size))
            });
            all.len() == 2 && tells(all) || windows.into_iter().any(tells)
        };
        let consoles = (2..=4).rev().find(|consoles| as_often(*consoles));
        length.div_ceil(consoles.unwrap_or(1).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn originals(lines: &str) -> Vec<usize> {
        let mut runs = Runs::default();
        let lines = lines.split_whitespace();
        let taken = lines.map(|line| runs.take(Micros(line.len() as u64), line));
        let mut taken: Vec<_> = taken.collect();
        taken.dedup();
        taken.into_iter().map(|run| runs.originals(run)).collect()
    }

    #[test]
    fn consoles_and_events() {
        for (lines, expected) in [
            ("a b c d", vec![1, 1, 1, 1]),
            // Two tries, and three, of one device.
            ("a b b c", vec![1, 2, 1]),
            ("a b b b c", vec![1, 3, 1]),
            ("b b", vec![2]),
            ("a a b b c c", vec![1, 1, 1]),
            ("a a b b b b c c", vec![1, 2, 1]),
            ("a a a b b b", vec![1, 1]),
            ("a a b b c c d e f g", vec![1, 1, 1, 1, 1, 1, 1]),
            ("a b b c c d", vec![1, 2, 2, 1]),
            // A line of the first console's is missing.
            ("a a b b c d d e e f f", vec![1, 1, 1, 1, 1, 1]),
            // The second console goes away.
            (
                "a a b b c c d d e e f g h i j k k l",
                [vec![1; 10], vec![2, 1]].concat(),
            ),
        ] {
            assert_eq!(originals(lines), expected, "{lines}");
        }
    }
}
