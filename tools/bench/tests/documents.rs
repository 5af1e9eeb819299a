// SPDX-License-Identifier: GPL-2.0

//! The tables in the documentation are those of the file beside it, and its limits hold.

use std::fs;
use std::path::PathBuf;

use bench::document::{insert, DOCUMENTS, JSON};
use bench::limits::judge;
use bench::Benchmark;

fn documentation() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../Documentation")
}

fn benchmark() -> Benchmark {
    let text = fs::read_to_string(documentation().join(JSON)).unwrap();
    let benchmark = Benchmark::from_json(&text).unwrap();
    assert_eq!(benchmark.to_json().unwrap(), text, "typed by hand?");
    benchmark
}

#[test]
fn tables_are_generated() {
    for document in DOCUMENTS {
        let text = fs::read_to_string(documentation().join(document)).unwrap();
        assert!(
            insert(&text, &benchmark()).unwrap() == text,
            "{document} has other tables than {JSON}: out/target/debug/lab bench --from \
             Documentation/{JSON} --document"
        );
    }
}

#[test]
fn limits_hold() {
    let benchmark = benchmark();
    assert!(benchmark.is_exact());
    assert!(!benchmark.groups.is_empty() && !benchmark.costs.is_empty());
    let broken: Vec<String> = judge(&benchmark)
        .into_iter()
        .filter(|verdict| !verdict.holds)
        .map(|verdict| verdict.to_string())
        .collect();
    assert!(broken.is_empty(), "{broken:#?}");
}
