// SPDX-License-Identifier: GPL-2.0

//! Tests of the image format, against examples, properties and a second implementation.

mod checks;
mod properties;
mod reference;
