// SPDX-License-Identifier: GPL-2.0

//! `collect` and `record`, and what is made of their files.

use std::fs;
use std::path::Path;

use lifecycle::event::Point;
use lifecycle::parse::bytes;
use lifecycle::parse::recording::{part, parts, points, seal};

use crate::run::{expect, probe_analyze};

/// The boot of a stock kernel.
fn boot() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/logs/boot.txt");
    path.to_str().unwrap().to_owned()
}

#[test]
fn report_of_a_boot() {
    let text = expect(&["report", &boot()], 0).stdout;
    assert!(text.contains("Linux 7.3.4+deb13-amd64"), "{text}");
    assert!(text.contains("21 probes (18 bound, 3 failed)"), "{text}");
    assert!(text.contains("0000:00:00.0"), "{text}");
}

#[test]
fn a_boot_says_what_was_recorded_and_has_parts() {
    let text = fs::read_to_string(boot()).unwrap();
    let recorded = points(&text);
    assert!(recorded.contains(&Point::Probe) && !recorded.contains(&Point::Thread));
    let parts = parts(&text).unwrap();
    let [("cmdline", line)] = parts[..] else {
        panic!("{parts:?}");
    };
    assert!(line.contains(" kprobe_event=r1024:probe_end,really_probe,"));

    // What the boot lost is not passed over.
    let body = &text[..text.rfind("# lifecycle: end").unwrap()];
    let lossy = seal(body.replacen("dropped=0", "dropped=5", 1));
    let output = probe_analyze(&["report", "-"])
        .input(lossy.as_bytes())
        .run();
    assert_eq!(output.code, Some(8));
    assert!(
        output.stderr.contains("events were lost"),
        "{}",
        output.stderr
    );
}

#[test]
fn what_decided() {
    for (what, decided) in [
        ("init", "the boot ended"),
        ("atkbd", ""),
        ("ttyS0", "the wait for ttyS0 ended"),
        ("00:04", "probe of 00:04 by serial ended"),
        ("dev-ttyS0.device", "the wait for ttyS0 ended"),
    ] {
        let code = if decided.is_empty() { 9 } else { 0 };
        let text = expect(&["report", "--until", what, &boot()], code).stdout;
        assert!(text.contains(decided), "{text}");
        assert_eq!(text.contains("the boot\n"), code == 0, "{text}");
    }
}

#[test]
fn what_if() {
    let text = expect(&["what-if", "--driver", "hpet_acpi", &boot()], 0).stdout;
    assert!(text.contains("driver_async_probe=hpet_acpi\n"), "{text}");
    assert!(text.contains("rtc_cmos: it asks for PROBE_FORCE_SYNCHRONOUS"));
    let json = expect(&["what-if", "--json", &boot()], 0).stdout;
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["goals"][0]["now"], 1_589_501);
    // None saves as much as it costs to start a worker.
    assert_eq!(expect(&["what-if", "--quiet", &boot()], 0).stdout, "\n");
    assert!(json["drivers"].as_array().unwrap().is_empty());
}

/// `make boots` has recorded the boot of each of Debian's kernels with four slow devices, and has
/// measured the boot that what-if advised.
#[test]
fn each_kernel() {
    for (series, release, init, bound, load) in [
        ("6.1", "6.1.0-50-amd64", 1_315_620, 6_569_563, 206_023),
        (
            "6.12",
            "6.12.117+deb13-amd64",
            1_573_719,
            6_827_464,
            202_881,
        ),
        ("7.2", "7.2.12+deb13-amd64", 1_521_847, 6_776_137, 203_778),
        ("7.3", "7.3.4+deb13-amd64", 1_544_425, 6_797_703, 201_439),
    ] {
        let name = format!("tests/logs/four_devices_{series}.txt.gz");
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
        let path = path.to_str().unwrap();
        let report = expect(&["report", path], 0).stdout;
        assert!(report.contains(&format!("Linux {release}")), "{report}");
        let answer = expect(&["what-if", "--json", path], 0).stdout;
        let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
        assert_eq!(answer["drivers"], serde_json::json!(["slow_a"]), "{series}");
        for (short, measured) in [("init", init), ("bound", bound), ("insmod", load)] {
            let goals = answer["goals"].as_array().unwrap();
            let goal = goals.iter().find(|goal| goal["short"] == short).unwrap();
            let predicted = goal["then"]["likely"].as_u64().unwrap();
            assert!(predicted.abs_diff(measured) < 10_000, "{series}: {goal}");
        }
        // The kernel has taken what boot-line prints for it.
        let recorded = bytes::text(fs::read(path).unwrap()).unwrap();
        let parts = parts(&recorded).unwrap();
        let line = parts.iter().find(|(name, _)| *name == "cmdline").unwrap().1;
        let (own, _) = line.split_once(" kprobe_event=").unwrap();
        let args = [
            "--kernel",
            release,
            "--arch",
            "x86_64",
            "--command-line",
            own,
        ];
        let args = [&["boot-line", "--quiet"][..], &args].concat();
        let printed = expect(&args, 0).stdout;
        assert_eq!(format!("{own} {}", printed.trim_end()), line.trim_end());
    }
}

/// What `collect` has put beside the recording.
#[test]
fn units_and_deferred_devices() {
    let text = fs::read_to_string(boot()).unwrap();
    let body = &text[..text.rfind("# lifecycle: end").unwrap()];
    let units = "Id=network.service\nInactiveExitTimestampMonotonic=2500000\n\
                 ActiveEnterTimestampMonotonic=4125000\n";
    let deferred = "1c10000.pci\tsupplier 1c16000.phy not ready\n";
    let parts = [("deferred", deferred), ("systemd-units", units)];
    let parts: String = parts.iter().map(|(name, text)| part(name, text)).collect();
    let report = |args: &[&str]| {
        let output = probe_analyze(args)
            .input(seal(body.to_owned() + &parts).as_bytes())
            .run();
        assert_eq!(output.code, Some(0), "{}", output.stderr);
        output.stdout
    };
    let text = report(&["report", "-"]);
    for row in [
        "1c10000.pci     0 supplier 1c16000.phy not ready",
        "network.service 2500.000 4125.000 1625.000",
    ] {
        assert!(text.contains(row), "{text}");
    }
    let json = report(&["report", "--json", "-"]);
    assert!(
        json.contains("\"units\":[{\"name\":\"network.service\""),
        "{json}"
    );
}

/// No machine that runs this test was booted to record itself.
#[test]
fn collect_without_a_recording() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("boot.txt");
    let output = expect(&["collect", file.to_str().unwrap()], 10);
    assert!(output.stderr.contains("there is no recording of the boot"));
    assert!(output.stderr.contains("boot-line"));
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[test]
fn a_file_that_cannot_be_written_is_found_first() {
    for args in [
        &["collect", "/nonexistent/boot.txt"][..],
        &["record", "--out=/nonexistent/r", "--", "sleep", "100"],
    ] {
        let output = expect(args, 7);
        assert!(
            output.stderr.contains("cannot write /nonexistent/"),
            "{args:?}"
        );
    }
}

#[test]
fn record_wants_a_command() {
    expect(&["record"], 2);
    expect(&["record", "true"], 2);
}
