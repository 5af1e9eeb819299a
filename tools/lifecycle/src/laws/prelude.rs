// SPDX-License-Identifier: GPL-2.0

//! What almost every law needs.

pub(super) use super::doctor::Draft;
pub(super) use super::law::{Court, Law, Violation};
pub(super) use super::mutant::Mutant;
pub(super) use crate::event::Call;
pub(super) use crate::life::{Kind, Life, Sight, Span};
pub(super) use crate::{Event, Micros, ProbeType, What};
