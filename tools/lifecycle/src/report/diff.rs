// SPDX-License-Identifier: GPL-2.0

//! The differences between two logs as text.

use std::cmp::Reverse;

use super::table::{fold, heading, print, table, wrap, Detail};
use crate::diff::{Change, Diff, Value};

/// All differences, those of time in milliseconds.
pub fn report(diff: &Diff, detail: Detail) -> String {
    let mut text = wrap("", &format!("A: {}", diff.a)) + &wrap("", &format!("B: {}", diff.b));
    if diff.changes.is_empty() {
        return text + &format!("no difference in {} figures\n", diff.compared);
    }
    let (alone, common): (Vec<&Change>, Vec<&Change>) =
        diff.changes.iter().partition(|change| change.is_alone());
    let (times, others): (Vec<&Change>, Vec<&Change>) = common
        .into_iter()
        .partition(|change| change.time().is_some());
    text += &wrap(
        "",
        &format!(
            "{} figures in both: {} times and {} others differ; {} things are in one only",
            diff.compared,
            times.len(),
            others.len(),
            alone.len()
        ),
    );
    let only = |in_a: bool| -> Vec<&Change> {
        let alone = alone.iter().copied();
        alone.filter(|change| change.b.is_none() == in_a).collect()
    };
    for (name, only) in [("A", only(true)), ("B", only(false))] {
        let rows = fold(&only, detail, |_| 0);
        if rows.is_empty() {
            continue;
        }
        text.push('\n');
        text += &heading(&format!("Only in {name}"), &rows, "first");
        for change in rows.rows {
            let value = change.a.as_ref().or(change.b.as_ref());
            let value = value.map(|value| format!(" ({} {value})", change.what));
            text += &wrap("  ", &format!("{}{}", change.of, value.unwrap_or_default()));
        }
    }
    text += &times_table(&times, detail);
    text += &others_table(&others, detail);
    text
}

fn times_table(times: &[&Change], detail: Detail) -> String {
    let rows = fold(times, detail, |change| change.time());
    if rows.is_empty() {
        return String::new();
    }
    let mut text =
        "\n".to_owned() + &heading("Times, the largest difference first", &rows, "largest");
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
    text += &print(&table);
    text
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
    if rows.is_empty() {
        return String::new();
    }
    let mut text = "\n".to_owned() + &heading("Others", &rows, "largest");
    let mut table = table(&["of", "what", "A", "B"], &[]);
    for change in rows.rows {
        let value = |value: &Option<Value>| value.as_ref().map_or(String::new(), Value::to_string);
        table.add_row([
            change.of.clone(),
            change.what.clone(),
            value(&change.a),
            value(&change.b),
        ]);
    }
    text += &print(&table);
    text
}
