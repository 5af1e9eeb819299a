// SPDX-License-Identifier: GPL-2.0

//! The firmware image format of the samples.

pub mod image;

impl std::error::Error for image::Error {}
