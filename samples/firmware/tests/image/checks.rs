// SPDX-License-Identifier: GPL-2.0

//! Each check of the parser: its finding, its errno, its words, and its place in the order.

use super::reference;
use firmware::encode::{self, Damage};
use firmware::image::{crc32, Error, Image, MAX_PAYLOAD_LEN};

/// The image of `payload` in hexadecimal, as it was when version 1 was fixed.
#[test]
fn bytes_of_version_1_never_change() {
    let image = encode::image(b"123456789").unwrap();

    let hex: String = image.iter().map(|byte| format!("{byte:02x}")).collect();

    let magic = "4153594e43465700";
    let version = "01000000";
    let length = "09000000";
    // The checksum of "123456789" is the check value that catalogues of CRCs give: 0xcbf43926.
    let checksum = "2639f4cb";
    let header_checksum = "43320729";
    let payload = "313233343536373839";
    assert_eq!(
        hex,
        [magic, version, length, checksum, header_checksum, payload].concat()
    );
}

#[test]
fn checksum_is_crc32_of_zlib() {
    let cases: &[(&[u8], u32)] = &[
        (b"", 0),
        (b"a", 0xe8b7_be43),
        (b"123456789", 0xcbf4_3926),
        (b"The quick brown fox jumps over the lazy dog", 0x414f_a339),
        (&[0; 32], 0x190a_55ad),
        (&[0xff; 32], 0xff6c_ab0b),
    ];

    for (bytes, expected) in cases {
        assert_eq!(crc32(bytes), *expected, "{bytes:?}");
    }
}

#[test]
fn each_damage_fails_its_own_check() {
    let payload = encode::payload(100, 0);
    let damaged = |damage| encode::damaged_image(&payload, damage).unwrap();
    let checksum = crc32(&payload);
    let bad_checksum = crc32(&damaged(Damage::CorruptPayload)[24..]);
    let header_checksum = crc32(&encode::image(&payload).unwrap()[..20]);
    let bad_header_checksum = crc32(&damaged(Damage::CorruptHeader)[..20]);

    let cases = [
        (
            Damage::TruncatedHeader,
            Error::Truncated { have: 23, need: 24 },
            -61,
            "truncated: 23 bytes of 24".to_owned(),
        ),
        (
            Damage::BadMagic,
            Error::BadMagic,
            -8,
            "bad magic: not a firmware image".to_owned(),
        ),
        (
            Damage::CorruptHeader,
            Error::CorruptHeader {
                stored: header_checksum,
                computed: bad_header_checksum,
            },
            -74,
            format!(
                "corrupt header: checksum {header_checksum:#010x} stored, \
                 {bad_header_checksum:#010x} computed"
            ),
        ),
        (
            Damage::UnsupportedVersion,
            Error::UnsupportedVersion(2),
            -93,
            "unsupported version: 2, expected 1".to_owned(),
        ),
        (
            Damage::Empty,
            Error::Empty,
            -22,
            "empty: no payload".to_owned(),
        ),
        (
            Damage::Oversized,
            Error::Oversized { length: 1_048_577 },
            -27,
            "oversized: payload of 1048577 bytes, at most 1048576 allowed".to_owned(),
        ),
        (
            Damage::TruncatedPayload,
            Error::Truncated {
                have: 123,
                need: 124,
            },
            -61,
            "truncated: 123 bytes of 124".to_owned(),
        ),
        (
            Damage::TrailingData,
            Error::TrailingData { extra: 1 },
            -27,
            "trailing data: 1 bytes after the payload".to_owned(),
        ),
        (
            Damage::CorruptPayload,
            Error::CorruptPayload {
                stored: checksum,
                computed: bad_checksum,
            },
            -74,
            format!(
                "corrupt payload: checksum {checksum:#010x} stored, {bad_checksum:#010x} computed"
            ),
        ),
    ];

    assert_eq!(cases.each_ref().map(|case| case.0), Damage::ALL);
    for (damage, error, errno, text) in cases {
        assert_eq!(Image::parse(&damaged(damage)), Err(error), "{damage}");
        assert_eq!(error.errno(), errno, "{damage}");
        assert_eq!(error.to_string(), text, "{damage}");
    }
}

/// Two damages at once: the check that comes first speaks.
#[test]
fn checks_run_in_the_documented_order() {
    let payload = encode::payload(100, 0);
    let damaged = |damage| encode::damaged_image(&payload, damage).unwrap();

    // A bad magic before a bad header checksum, which the bad magic brings with it.
    let mut bytes = damaged(Damage::CorruptHeader);
    bytes[0] ^= 1;
    assert_eq!(Image::parse(&bytes), Err(Error::BadMagic));

    // A bad header checksum before a bad version.
    let mut bytes = damaged(Damage::UnsupportedVersion);
    bytes[20] ^= 1;
    assert!(matches!(
        Image::parse(&bytes),
        Err(Error::CorruptHeader { .. })
    ));

    // A bad version before a bad length.
    let mut bytes = damaged(Damage::Empty);
    bytes[8] = 7;
    reference::repair_header(&mut bytes);
    assert_eq!(Image::parse(&bytes), Err(Error::UnsupportedVersion(7)));

    // A length that is not allowed before a length that is not there.
    let mut bytes = damaged(Damage::Oversized);
    bytes.truncate(50);
    let length = MAX_PAYLOAD_LEN + 1;
    assert_eq!(Image::parse(&bytes), Err(Error::Oversized { length }));

    // The length of the file before the checksum of the payload.
    for (resize, error) in [
        (
            123,
            Error::Truncated {
                have: 123,
                need: 124,
            },
        ),
        (126, Error::TrailingData { extra: 2 }),
    ] {
        let mut bytes = damaged(Damage::CorruptPayload);
        bytes.resize(resize, 0);
        assert_eq!(Image::parse(&bytes), Err(error));
    }
}

#[test]
fn lengths_at_the_limits() {
    for len in [1, 2, 15, 16, 17, MAX_PAYLOAD_LEN - 1, MAX_PAYLOAD_LEN] {
        let payload = encode::payload(len, 1);
        let image = encode::image(&payload).unwrap();
        assert_eq!(Image::parse(&image).unwrap().payload(), payload, "{len}");
    }

    assert_eq!(encode::image(&[]), Err(Error::Empty));
    let length = MAX_PAYLOAD_LEN + 1;
    assert_eq!(
        encode::image(&encode::payload(length, 1)),
        Err(Error::Oversized { length })
    );
}

#[test]
fn payload_depends_on_length_and_seed_alone() {
    // The published first outputs of SplitMix64 for the seed 1234567.
    let expected = [6_457_827_717_110_365_317u64, 3_203_168_211_198_807_973];
    let expected = expected.map(u64::to_le_bytes).concat();

    assert_eq!(encode::payload(16, 1_234_567), expected);
    assert_eq!(encode::payload(5, 1_234_567), expected[..5]);
    assert_ne!(encode::payload(16, 0), encode::payload(16, 1));
    assert!(encode::payload(0, 0).is_empty());
}

#[test]
fn names_of_damages() {
    for damage in Damage::ALL {
        assert_eq!(damage.name().parse(), Ok(damage));
    }

    let error = "rust".parse::<Damage>().unwrap_err().to_string();
    assert!(
        error.starts_with("unknown damage `rust`: expected one of truncated-header|bad-magic|"),
        "{error}"
    );
}
