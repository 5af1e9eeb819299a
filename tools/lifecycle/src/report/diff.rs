// SPDX-License-Identifier: GPL-2.0

//! The differences between two logs as text.

use std::cmp::Reverse;

use super::table::{fold, heading, join, print, table, wrap, Detail};
use crate::diff::{Change, Diff, Value};

/// All differences, those of time in milliseconds.
pub fn report(diff: &Diff, detail: Detail) -> String {
    let mut head = wrap("", &format!("A: {}", diff.a)) + &wrap("", &format!("B: {}", diff.b));
    if diff.changes.is_empty() {
        return head + &format!("no difference in {} figures\n", diff.compared);
    }
    let (alone, common): (Vec<&Change>, Vec<&Change>) =
        diff.changes.iter().partition(|change| change.is_alone());
    let (times, others): (Vec<&Change>, Vec<&Change>) = common
        .into_iter()
        .partition(|change| change.time().is_some());
    head += &wrap(
        "",
        &format!(
            "{} figures in both: {} times and {} others differ; {} things are in one only",
            diff.compared,
            times.len(),
            others.len(),
            alone.len()
        ),
    );
    let (in_a, in_b): (Vec<&Change>, Vec<&Change>) =
        alone.into_iter().partition(|change| change.b.is_none());
    join([
        head,
        only("A", &in_a, detail),
        only("B", &in_b, detail),
        times_table(&times, detail),
        others_table(&others, detail),
    ])
}

fn only(name: &str, alone: &[&Change], detail: Detail) -> String {
    if alone.is_empty() {
        return String::new();
    }
    let rows = fold(alone, detail, |_| 0);
    let mut text = heading(&format!("Only in {name}"), &rows, "first");
    for change in rows.rows {
        let value = change.a.as_ref().or(change.b.as_ref());
        let value = value.map(|value| format!(" ({} {value})", change.what));
        text += &wrap("  ", &format!("{}{}", change.of, value.unwrap_or_default()));
    }
    text
}

fn times_table(times: &[&Change], detail: Detail) -> String {
    if times.is_empty() {
        return String::new();
    }
    let rows = fold(times, detail, |change| change.time());
    let heading = heading("Times, the largest difference first", &rows, "largest");
    let mut table = table(&["of", "what", "A", "B", "B - A", "%"], &[2, 3, 4, 5]);
    for change in rows.rows {
        let (Some(Value::Time(a)), Some(Value::Time(b))) = (&change.a, &change.b) else {
            continue;
        };
        let (sign, size) = if a <= b {
            ("+", *b - *a)
        } else {
            ("-", *a - *b)
        };
        let percent = if a.0 == 0 {
            "-".to_owned()
        } else {
            format!("{sign}{:.1}", 100.0 * size.as_f64() / a.as_f64())
        };
        table.add_row([
            change.of.clone(),
            change.what.clone(),
            a.to_string(),
            b.to_string(),
            format!("{sign}{size}"),
            percent,
        ]);
    }
    heading + &print(&table)
}

fn others_table(others: &[&Change], detail: Detail) -> String {
    // Ratios and numbers by how far they are apart, then words.
    let size = |change: &&Change| {
        Reverse(match (&change.a, &change.b) {
            (Some(Value::Number(a)), Some(Value::Number(b))) => u64::MAX - a.abs_diff(*b),
            _ => 0,
        })
    };
    let rows = fold(others, detail, size);
    rows.table(
        "Others",
        "largest",
        &["of", "what", "A", "B"],
        &[],
        |change| {
            let values = [&change.a, &change.b].map(|of| of.as_ref().map(Value::to_string));
            let [a, b] = values.map(Option::unwrap_or_default);
            [change.of.clone(), change.what.clone(), a, b]
        },
    )
}
