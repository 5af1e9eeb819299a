// SPDX-License-Identifier: GPL-2.0

//! Differences.

use lifecycle::diff::{Change, Diff, Facts, Value};
use lifecycle::report::diff::report;
use lifecycle::report::log::Detail;
use lifecycle::summary::Summary;
use lifecycle::Micros;

use crate::samples::{
    many, summary, widest, ALL, CONVOY_WITH_CALLS, C_DRIVER_CONVOY, INITCALL_DEBUG, LONG,
};

fn diff_of(a: Summary, b: Summary) -> Diff {
    Diff::of(Facts::of(&a), Facts::of(&b))
}

#[test]
fn a_log_and_itself() {
    for (_, text) in ALL {
        let diff = diff_of(summary("a", text), summary("b", text));
        assert_eq!(diff.changes, []);
        assert!(diff.compared > 20);
        let text = report(&diff, Detail::Folded);
        assert!(text.contains("no difference in"), "{text}");
    }
}

/// One probe takes a millisecond longer: it is found, and so is what it made longer.
#[test]
fn a_probe_that_takes_longer() {
    let longer = CONVOY_WITH_CALLS.lines().map(|line| {
        let at = line.find(" ms=").map(|at| at + 4);
        match at {
            Some(at) if line.contains("probe_ended dev=slow_platform.0") => {
                let ms: f64 = line[at..].parse().unwrap();
                format!("{}{:.3}\n", &line[..at], ms + 1.0)
            }
            _ => format!("{line}\n"),
        }
    });
    let longer: String = longer.collect();
    let diff = diff_of(summary("a", CONVOY_WITH_CALLS), summary("b", &longer));
    let found = |of: &str, what: &str| -> &Change {
        let found = diff
            .changes
            .iter()
            .find(|change| change.of == of && change.what == what);
        found.unwrap_or_else(|| panic!("no {what} of {of} in {diff:#?}"))
    };
    assert_eq!(
        found("probe of slow_platform.0", "ms").time(),
        Some(Micros(1000))
    );
    assert_eq!(found("all probes", "sum").time(), Some(Micros(1000)));
    let others = diff
        .changes
        .iter()
        .filter(|change| change.of.starts_with("probe of"));
    assert_eq!(others.count(), 1, "{diff:#?}");
}

/// In A one probe may be within the other.
#[test]
fn what_is_at_most_so_much() {
    let log = |usecs: u32| {
        format!(
            "[    0.801676] probe of a.0 returned 0 after 15424 usecs\n\
             [    0.801691] probe of b.0 returned 0 after {usecs} usecs\n"
        )
    };
    let (a, b) = (log(15973), log(15000));
    let diff = diff_of(summary("a", &a), summary("b", &b));
    let text = report(&diff, Detail::Folded);
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for line in ["at once at most 2 2", "sum at most 31.397 30.424"] {
        assert!(words.contains(line), "{line}: {text}");
    }
}

#[test]
fn the_largest_first() {
    let diff = diff_of(summary("a", C_DRIVER_CONVOY), summary("b", INITCALL_DEBUG));
    let alone = diff
        .changes
        .iter()
        .take_while(|change| change.is_alone())
        .count();
    let (alone, common) = diff.changes.split_at(alone);
    assert!(!alone.is_empty() && !common.is_empty());
    assert!(common.iter().all(|change| !change.is_alone()));
    assert!(common.is_sorted_by_key(|change| std::cmp::Reverse(change.time().unwrap_or_default())));
    // The same devices, seen in two ways.
    assert!(common
        .iter()
        .any(|change| change.of == "probe of kthread_probe.0"));
    let json = serde_json::to_string(&diff).unwrap();
    assert!(json.starts_with("{\"version\":1,"));
    assert!(serde_json::from_str::<Diff>(&json).unwrap() == diff);
}

#[test]
fn what_is_in_one_only() {
    let diff = diff_of(
        summary("a", &many(3, "d.", "d")),
        summary("b", &many(2, "d.", "d").replace("async=1", "async=0")),
    );
    let alone: Vec<_> = diff
        .changes
        .iter()
        .filter(|change| change.is_alone())
        .collect();
    assert!(alone
        .iter()
        .any(|change| change.of == "probe of d.2" && change.b.is_none()));
    let how = diff
        .changes
        .iter()
        .find(|change| change.of == "probe of d.1" && change.what == "how");
    assert_eq!(how.unwrap().a, Some(Value::Word("async".to_owned())));
    assert_eq!(how.unwrap().b, Some(Value::Word("sync".to_owned())));
    let text = report(&diff, Detail::Folded);
    assert!(text.contains("Only in A:\n"), "{text}");
    assert!(text.contains("\n  probe of d.2 ("), "{text}");
}

#[test]
fn fits_the_terminal() {
    let logs = [
        C_DRIVER_CONVOY.to_owned(),
        INITCALL_DEBUG.to_owned(),
        many(512, "d.", "d"),
        many(3, LONG, "d"),
        many(3, LONG, LONG).replace("ms=500.", "ms=490."),
        many(512, "d.", "d").replace("async=1", "async=0"),
    ];
    for a in &logs {
        for b in &logs {
            let diff = diff_of(summary(LONG, a), summary("b", b));
            for detail in [Detail::Folded, Detail::All] {
                let text = report(&diff, detail);
                assert!(widest(&text) <= 80, "{text}");
            }
        }
    }
}
