// SPDX-License-Identifier: GPL-2.0

//! The firmware image format of the samples.
//!
//! [`image`] is the parser, the very file that the kernel modules compile. [`encode`] makes images,
//! good ones and such that fail one chosen check; the kernel has no use for it.
//!
//! ```
//! use firmware::{encode, image::Image};
//!
//! let bytes = encode::image(b"payload")?;
//! assert_eq!(Image::parse(&bytes)?.payload(), b"payload");
//! # Ok::<(), firmware::image::Error>(())
//! ```
//!
//! Reference: `Documentation/firmware-format.rst`.

pub mod encode;
pub mod image;

impl std::error::Error for image::Error {}
