// SPDX-License-Identifier: GPL-2.0

//! What would be if drivers were asynchronous, as text.

use super::table::{fold, heading, join, print, table, wrap, Detail};
use crate::micros::Micros;
use crate::simulate::{asynchronous, difference, Goal, Range, WhatIf};
use crate::summary::Summary;

/// The whole answer. Times are in milliseconds.
pub fn report(summary: &Summary, what_if: &WhatIf, detail: Detail) -> String {
    let forbidden = what_if.forbidden.iter().map(|of| {
        let why: Vec<String> = of.why.iter().map(ToString::to_string).collect();
        format!("{}: {}.", of.driver, why.join("; "))
    });
    join([
        head(summary, what_if),
        goals(what_if, detail),
        candidates(what_if, detail),
        line(summary, what_if),
        listed("These must not be asynchronous as they are", forbidden),
        listed("What this rests on", what_if.notes.iter().cloned()),
    ])
}

fn head(summary: &Summary, what_if: &WhatIf) -> String {
    let kernel = summary.kernel.as_ref();
    let kernel = kernel.map_or(String::new(), |kernel| format!(", Linux {kernel}"));
    let drivers = match what_if.drivers.as_slice() {
        [] => "no driver gains from asynchronous probing".to_owned(),
        drivers => format!("if asynchronous: {}", drivers.join(", ")),
    };
    wrap("", &format!("{}{kernel}: {drivers}", summary.name))
}

fn goals(what_if: &WhatIf, detail: Detail) -> String {
    let rows = fold(&what_if.goals, detail, |goal| goal.now - goal.then.likely);
    let differ = |goal: &&Goal| goal.then.least != goal.then.most;
    let is_range = rows.rows.iter().any(differ);
    let mut header = vec!["", "now", "then", "saved"];
    if is_range {
        header.extend(["then from", "to"]);
    }
    let mut table = table(&header, &[1, 2, 3, 4, 5]);
    for goal in &rows.rows {
        let Range {
            likely,
            least,
            most,
        } = goal.then;
        let saved = signed(difference(goal.now, likely));
        let mut row = vec![
            goal.what.clone(),
            goal.now.to_string(),
            likely.to_string(),
            saved,
        ];
        if is_range {
            row.extend([least.to_string(), most.to_string()]);
        }
        table.add_row(row);
    }
    heading("Times", &rows, "with the most to save") + &print(&table)
}

fn candidates(what_if: &WhatIf, detail: Detail) -> String {
    let rows = fold(&what_if.candidates, detail, |of| {
        of.adds.iter().take(2).sum::<i64>()
    });
    let goals = what_if.goals.iter().take(2);
    let shorts: Vec<&str> = goals.map(|goal| goal.short).collect();
    let columns = |saves: &str| shorts.iter().map(|of| format!("{of} {saves}")).collect();
    let columns: [Vec<String>; 2] = ["alone", "more"].map(columns);
    let mut header = vec!["driver", "probes", "sum"];
    header.extend(columns.iter().flatten().map(String::as_str));
    let numbers: Vec<usize> = (1..header.len()).collect();
    let title = "Drivers, what each saves alone, and how much more with those above it";
    rows.table(title, "that save most", &header, &numbers, |of| {
        let mut row = vec![of.driver.clone(), of.probes.to_string(), of.sum.to_string()];
        let gains = [&of.alone, &of.adds].map(|gains| gains.iter().take(shorts.len()));
        row.extend(gains.into_iter().flatten().map(|gain| signed(*gain)));
        row
    })
}

/// What to do.
fn line(summary: &Summary, what_if: &WhatIf) -> String {
    if what_if.drivers.is_empty() {
        return String::new();
    }
    let asked = summary.life.asked.as_deref();
    let instead = match asked {
        Some(asked) if !asked.is_empty() => " instead of the driver_async_probe= that is there",
        _ => "",
    };
    let first = format!("To try it, add this to the kernel's command line{instead}:");
    let list = asynchronous(asked, &what_if.drivers);
    wrap("", &first) + &format!("    driver_async_probe={list}\n")
}

fn listed(title: &str, lines: impl Iterator<Item = String>) -> String {
    let lines: String = lines.map(|line| wrap("  ", &line)).collect();
    match lines.is_empty() {
        true => lines,
        false => format!("{title}:\n{lines}"),
    }
}

/// Milliseconds that are saved, or lost.
fn signed(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    format!("{sign}{}", Micros(micros.unsigned_abs()))
}
