// SPDX-License-Identifier: GPL-2.0

//! Properties that hold for every payload and every damage.

use super::reference;
use firmware::encode;
use firmware::image::{crc32, Error, Image};
use proptest::collection::vec;
use proptest::prelude::*;

/// A payload that takes the checksum's loop a few times round, with all remainders.
fn payload() -> impl Strategy<Value = Vec<u8>> {
    vec(any::<u8>(), 1..200)
}

/// Every image that differs from a good one by one or two bits is refused.
#[test]
fn one_or_two_flipped_bits_are_refused() {
    let good = encode::image(b"firmware").unwrap();
    let bits = good.len() * 8;
    let flip = |bytes: &mut [u8], bit: usize| bytes[bit / 8] ^= 1 << (bit % 8);

    for first in 0..bits {
        let mut bytes = good.clone();
        flip(&mut bytes, first);
        assert!(Image::parse(&bytes).is_err(), "bit {first}");

        for second in first + 1..bits {
            flip(&mut bytes, second);
            assert!(Image::parse(&bytes).is_err(), "bits {first} and {second}");
            flip(&mut bytes, second);
        }
    }
}

proptest! {
    #[test]
    fn what_was_encoded_is_parsed(payload in payload()) {
        let bytes = encode::image(&payload).unwrap();
        prop_assert_eq!(Image::parse(&bytes).unwrap().payload(), payload);
    }

    #[test]
    fn any_flipped_bit_is_refused(payload in payload(), at in any::<prop::sample::Index>()) {
        let mut bytes = encode::image(&payload).unwrap();
        let bit = at.index(bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        prop_assert!(Image::parse(&bytes).is_err());
    }

    #[test]
    fn any_truncation_is_refused(payload in payload(), at in any::<prop::sample::Index>()) {
        let bytes = encode::image(&payload).unwrap();
        let have = at.index(bytes.len());
        let need = if have < 24 { 24 } else { bytes.len() };
        prop_assert_eq!(Image::parse(&bytes[..have]), Err(Error::Truncated { have, need }));
    }

    #[test]
    fn any_extension_is_refused(payload in payload(), extra in payload()) {
        let bytes = [encode::image(&payload).unwrap(), extra.clone()].concat();
        let extra = extra.len();
        prop_assert_eq!(Image::parse(&bytes), Err(Error::TrailingData { extra }));
    }

    #[test]
    fn two_images_of_one_payload_are_one(payload in payload()) {
        let bytes = encode::image(&payload).unwrap();
        let parsed = Image::parse(&bytes).unwrap();
        prop_assert_eq!(encode::image(parsed.payload()).unwrap(), bytes);
    }

    /// Bytes of any kind, then with less and less wrong about them: the parser never panics, and
    /// agrees with the reference.
    #[test]
    fn parser_agrees_with_the_reference(mut bytes in vec(any::<u8>(), 0..200)) {
        for repair in [|_: &mut [u8]| {}, reference::repair_header, reference::repair_all] {
            repair(&mut bytes);
            prop_assert_eq!(
                Image::parse(&bytes).map(|image| image.payload().to_vec()),
                reference::parse(&bytes).map(<[u8]>::to_vec)
            );
        }
    }

    /// Headers whose numbers are near those that matter.
    #[test]
    fn headers_agree_with_the_reference(
        version in 0u32..3,
        length in prop_oneof![0u32..50, (1 << 20) - 1..(1u32 << 20) + 2, any::<u32>()],
        mut body in vec(any::<u8>(), 0..50),
    ) {
        let mut bytes = b"ASYNCFW\0".to_vec();
        bytes.extend(version.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend(crc32fast::hash(&body).to_le_bytes());
        bytes.extend([0; 4]);
        bytes.append(&mut body);
        reference::repair_header(&mut bytes);
        prop_assert_eq!(
            Image::parse(&bytes).map(|image| image.payload().to_vec()),
            reference::parse(&bytes).map(<[u8]>::to_vec)
        );
    }

    #[test]
    fn checksum_agrees_with_crc32fast(bytes in vec(any::<u8>(), 0..1000), skip in 0usize..20) {
        // A start that is not aligned, too.
        let bytes = bytes.get(skip..).unwrap_or_default();
        prop_assert_eq!(crc32(bytes), crc32fast::hash(bytes));
    }
}
