// SPDX-License-Identifier: GPL-2.0

//! The firmware request lies inside the probe; a bad image fails that probe alone with its own
//! errno, and a bind after the repair succeeds.

//@ boots: two_nodes

use firmware::encode::{damaged_image, payload, Damage};
use lifecycle::event::Call;
use lifecycle::laws::firmware_in_probe;
use lifecycle::life::Kind;
use lifecycle::ProbeType;
use nix::errno::Errno;

use crate::firmware_dir::{firmware_name, good_image, FirmwareDir};
use crate::samples::{ensure_bound, ensure_free, Driver, PLATFORM};
use crate::{ensure, Bench, Failure, Order, Test};

/// What a probe is expected to meet.
#[derive(Clone, Copy)]
struct Expected {
    /// Length of the file in bytes; `None` if there is no file.
    bytes: Option<u64>,
    /// How the probe ends: 0 or a negative errno.
    ret: i32,
}

/// The last probe of the device has requested its firmware once, and ended as it should.
fn meets(bench: &mut Bench, device: &str, expected: Expected) -> Result<(), Failure> {
    let life = bench.life()?;
    let probes = life.of(Kind::Probe);
    let last = probes.filter(|(_, probe)| probe.on == device).last();
    let requests: Vec<_> = life
        .of(Kind::Firmware)
        .filter(|(_, request)| request.cause.is_some() && request.cause == last.map(|(at, _)| at))
        .map(|(_, request)| (request.facts.bytes, request.ret))
        .collect();
    let request = match expected.bytes {
        Some(bytes) => (Some(bytes), Some(0)),
        None => (Some(0), Some(-(Errno::ENOENT as i32))),
    };
    ensure(
        &format!("length and result of the request in the probe of {device}"),
        &requests,
        &vec![request],
    )?;
    ensure(
        &format!("the result of the probe of {device}"),
        &last.and_then(|(_, probe)| probe.ret),
        &Some(expected.ret),
    )
}

/// A file that is missing or damaged.
#[derive(Clone, Copy)]
struct Case {
    name: &'static str,
    /// `None`: there is no file.
    damage: Option<Damage>,
    /// How the probe fails.
    errno: Errno,
    /// The words of the line in dmesg.
    says: &'static str,
}

const fn case(name: &'static str, damage: Damage, errno: Errno, says: &'static str) -> Case {
    Case {
        name,
        damage: Some(damage),
        errno,
        says,
    }
}

/// Documentation/firmware-format.rst
const CASES: [Case; 10] = [
    Case {
        name: "missing",
        damage: None,
        errno: Errno::ENOENT,
        says: "request failed",
    },
    case(
        "truncated header",
        Damage::TruncatedHeader,
        Errno::ENODATA,
        "truncated",
    ),
    case(
        "truncated payload",
        Damage::TruncatedPayload,
        Errno::ENODATA,
        "truncated",
    ),
    case("bad magic", Damage::BadMagic, Errno::ENOEXEC, "bad magic"),
    case(
        "corrupt header",
        Damage::CorruptHeader,
        Errno::EBADMSG,
        "corrupt header",
    ),
    case(
        "unsupported version",
        Damage::UnsupportedVersion,
        Errno::EPROTONOSUPPORT,
        "unsupported version",
    ),
    case("empty", Damage::Empty, Errno::EINVAL, "empty"),
    case("oversized", Damage::Oversized, Errno::EFBIG, "oversized"),
    case(
        "trailing data",
        Damage::TrailingData,
        Errno::EFBIG,
        "trailing data",
    ),
    case(
        "corrupt payload",
        Damage::CorruptPayload,
        Errno::EBADMSG,
        "corrupt payload",
    ),
];

impl Case {
    /// Puts the file there, if there is one, and says what its probe meets.
    fn prepare(self, bench: &Bench, device: &str) -> Result<Expected, Failure> {
        let ret = -(self.errno as i32);
        let Some(damage) = self.damage else {
            FirmwareDir::machine_must_lack(device)?;
            return Ok(Expected { bytes: None, ret });
        };
        let image = damaged_image(&payload(64, 2), damage)
            .map_err(|error| Failure::assertion("an image", error))?;
        bench.firmware().put(device, &image)?;
        Ok(Expected {
            bytes: Some(image.len() as u64),
            ret,
        })
    }

    /// The line that names the device, the file and the check.
    fn line(self, device: &str) -> String {
        let file = firmware_name(device);
        format!(
            "{} {device}: firmware {file}: {}",
            PLATFORM.driver, self.says
        )
    }
}

/// One bad file beside a good one.
fn beside_a_good_one(bench: &mut Bench, case: Case, order: Order) -> Result<(), Failure> {
    let (good, bad) = (PLATFORM.device(0), PLATFORM.device(1));
    let image = good_image();
    let good_one = Expected {
        bytes: Some(image.len() as u64),
        ret: 0,
    };
    bench.firmware().put(&good, &image)?;
    let bad_one = case.prepare(bench, &bad)?;
    let driver = Driver::slow(ProbeType::PreferAsynchronous).own_files();
    bench.load(order, 2, driver, "")?;
    bench.wait_for_ends(2)?;

    bench.keeps(&firmware_in_probe::LAW, 2)?;
    meets(bench, &good, good_one)?;
    meets(bench, &bad, bad_one)?;
    ensure_free(&bad)?;
    says(bench, case, &bad)?;

    bench.firmware().put(&bad, &image)?;
    bench.write(Call::Bind, &bad)?;
    ensure_bound(&bad)?;
    bench.keeps(&firmware_in_probe::LAW, 3)?;
    meets(bench, &bad, good_one)
}

/// Exactly one line in dmesg names the failure.
fn says(bench: &mut Bench, case: Case, device: &str) -> Result<(), Failure> {
    let wanted = case.line(device);
    let lines = bench.lines()?;
    let found = lines
        .iter()
        .filter(|line| line.starts_with(&wanted))
        .count();
    ensure(&format!("lines that start with `{wanted}`"), &found, &1)
}

/// All bad files at once, each with its own errno.
fn all_at_once(bench: &mut Bench, order: Order, probe_type: ProbeType) -> Result<(), Failure> {
    let mut expected = Vec::new();
    for (number, case) in CASES.into_iter().enumerate() {
        let device = PLATFORM.device(number);
        expected.push((case.prepare(bench, &device)?, case, device));
    }
    let driver = Driver::slow(probe_type).own_files().quick();
    bench.load(order, CASES.len(), driver, "")?;
    bench.wait_for_ends(CASES.len())?;
    bench.keeps(&firmware_in_probe::LAW, CASES.len())?;
    for (expected, case, device) in expected {
        meets(bench, &device, expected)?;
        says(bench, case, &device)?;
    }
    Ok(())
}

pub(crate) fn tests() -> Vec<Test> {
    let mut tests = Vec::new();
    for (case, order) in CASES.into_iter().zip(Order::BOTH.into_iter().cycle()) {
        tests.push(Test::new(
            format!(
                "firmware_in_probe: {} beside a good one, {order}",
                case.name
            ),
            move |bench| beside_a_good_one(bench, case, order),
        ));
    }
    for probe_type in [ProbeType::PreferAsynchronous, ProbeType::ForceSynchronous] {
        for order in Order::BOTH {
            tests.push(Test::new(
                format!("firmware_in_probe: all at once, {probe_type}, {order}"),
                move |bench| all_at_once(bench, order, probe_type),
            ));
        }
    }
    tests
}
