// SPDX-License-Identifier: GPL-2.0

//! A part of a list, for one of several machines: `2/3` is the second of three parts.

use std::fmt;
use std::str::FromStr;

/// Which part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Partition {
    number: usize,
    of: usize,
}

impl Partition {
    /// The whole.
    pub(crate) const WHOLE: Self = Self { number: 1, of: 1 };

    /// All parts of so many.
    pub(crate) fn all(of: usize) -> impl Iterator<Item = Self> {
        (1..=of).map(move |number| Self { number, of })
    }

    /// Keeps those of a list that are in this part. The parts of the same list are disjoint, and
    /// together they are the list.
    pub(crate) fn keep<T>(self, list: &mut Vec<T>) {
        let mut place = 0;
        list.retain(|_| {
            place += 1;
            (place - 1) % self.of == self.number - 1
        });
    }

    /// Whether it is the first part, which has what cannot be divided.
    pub(crate) fn is_first(self) -> bool {
        self.number == 1
    }

    /// A name for its files; none of the whole.
    pub(crate) fn name(self) -> Option<String> {
        (self != Self::WHOLE).then(|| format!("part-{}-of-{}", self.number, self.of))
    }
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl FromStr for Partition {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let numbers = text
            .split_once('/')
            .and_then(|(number, of)| Some((number.parse().ok()?, of.parse().ok()?)));
        match numbers {
            Some((number, of)) if 1 <= number && number <= of => Ok(Self { number, of }),
            _ => Err("expected m/n, the m-th of n parts: 2/3".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_the_whole() {
        for of in 1..5 {
            let mut all = Vec::new();
            for part in Partition::all(of) {
                let mut list: Vec<usize> = (0..7).collect();
                part.keep(&mut list);
                all.extend(list);
            }
            all.sort_unstable();
            assert_eq!(all, (0..7).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_no_part() {
        assert_eq!("1/1".parse(), Ok(Partition::WHOLE));
        for wrong in ["0/2", "3/2", "2", "a/b", "1/0"] {
            assert!(wrong.parse::<Partition>().is_err(), "{wrong}");
        }
    }
}
