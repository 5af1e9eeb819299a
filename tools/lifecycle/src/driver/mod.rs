// SPDX-License-Identifier: GPL-2.0

//! One driver in a recording: how it was loaded, what its probes took, and whether it would gain
//! from asynchronous probing.

pub mod advice;
pub mod load;
mod registered;
pub mod text;

pub use advice::{advise, Advice, Facts, Verdict};
pub use load::{loads, Load, Named};
pub use registered::REGISTERED;
