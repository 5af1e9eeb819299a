// SPDX-License-Identifier: GPL-2.0

//! The scale from times to x, and the ticks of the axis.

use lifecycle::Micros;

/// Maps the time of a log to a width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scale {
    begin: Micros,
    length: f64,
    left: f64,
    width: f64,
}

/// A tick of the axis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tick {
    pub(crate) time: Micros,
    /// The time since the beginning of the log, with its unit.
    pub(crate) label: String,
}

impl Scale {
    /// From `begin` at `left` to `end`, `width` further right.
    pub(crate) fn new(begin: Micros, end: Micros, left: f64, width: f64) -> Self {
        Self {
            begin,
            // A log of one event has no length.
            length: (end - begin).max(Micros(1)).as_f64(),
            left,
            width,
        }
    }

    /// The x of a time.
    pub(crate) fn x(&self, time: Micros) -> f64 {
        self.left + (time - self.begin).as_f64() / self.length * self.width
    }

    /// Round times since the beginning: the beginning, and at most `most` more.
    pub(crate) fn ticks(&self, most: u32) -> Vec<Tick> {
        let least = self.length / f64::from(most);
        let step = (0..)
            .flat_map(|power| {
                [1, 2, 5].map(|digit| 10_u64.saturating_pow(power).saturating_mul(digit))
            })
            .find(|step| Micros(*step).as_f64() >= least)
            .unwrap_or(1);
        (0..=u64::from(most))
            .map(|tick| Micros(step.saturating_mul(tick)))
            .take_while(|after| after.as_f64() <= self.length)
            .map(|after| Tick {
                time: self.begin + after,
                label: label(after, step),
            })
            .collect()
    }
}

/// A multiple of `step` in its unit.
fn label(after: Micros, step: u64) -> String {
    if step >= 1_000_000 {
        format!("{} s", after.0 / 1_000_000)
    } else if step >= 1000 {
        format!("{} ms", after.0 / 1000)
    } else {
        format!("{} µs", after.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(length: u64) -> Vec<String> {
        Scale::new(Micros(7), Micros(7 + length), 0.0, 100.0)
            .ticks(10)
            .into_iter()
            .map(|tick| tick.label)
            .collect()
    }

    #[test]
    fn round_numbers() {
        assert_eq!(labels(0), ["0 µs", "1 µs"]);
        assert_eq!(labels(950).last().unwrap(), "900 µs");
        assert_eq!(labels(1100)[1], "200 µs");
        assert_eq!(labels(2_110_000)[1], "500 ms");
        assert_eq!(labels(9_000_000)[1], "1 s");
        assert_eq!(labels(51_000_000).last().unwrap(), "50 s");
        assert!(labels(u64::MAX - 7).len() <= 11);
        for length in (0..40).map(|power| 1 << power) {
            assert!((2..=11).contains(&labels(length).len()), "{length}");
        }
    }
}
