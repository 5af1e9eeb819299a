// SPDX-License-Identifier: GPL-2.0

//! Time in microseconds.

use std::fmt;
use std::iter::Sum;
use std::ops::{Add, Sub};

use serde::{Deserialize, Serialize};

/// A point in time since boot, or a length of time, in microseconds.
///
/// `Display` prints milliseconds with three decimals, as the `ms=` of the dmesg interface does.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Micros(pub u64);

impl Micros {
    /// A time as printk prints it: seconds with six decimals.
    pub fn printk(self) -> String {
        format!("{}.{:06}", self.0 / 1_000_000, self.0 % 1_000_000)
    }

    /// The length as a number for ratios, in microseconds.
    pub fn as_f64(self) -> f64 {
        // Exact up to 2^53 microseconds, which are 285 years.
        #[allow(clippy::cast_precision_loss)]
        let micros = self.0 as f64;
        micros
    }
}

/// Saturates at the end of time.
impl Add for Micros {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Saturates at zero: two CPUs may stamp neighbouring lines a microsecond out of order.
impl Sub for Micros {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Sum for Micros {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self(0), Add::add)
    }
}

impl fmt::Display for Micros {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:03}", self.0 / 1000, self.0 % 1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn saturates() {
        assert_eq!(Micros(3) - Micros(5), Micros(0));
        assert_eq!(Micros(u64::MAX) + Micros(5), Micros(u64::MAX));
    }
}
