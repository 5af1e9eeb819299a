// SPDX-License-Identifier: GPL-2.0

//! The firmware image format of the samples.
