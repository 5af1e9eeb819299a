// SPDX-License-Identifier: GPL-2.0

//! The census as a page of the documentation.

use std::collections::BTreeMap;
use std::fmt::Write;

use lifecycle::Micros;

use super::row::{Driver, Row};

/// The columns of the table.
const COLUMNS: [&str; 8] = [
    "Device",
    "Module",
    "Driver",
    "Probe type",
    "Probe",
    "insmod",
    "Laws",
    "Advice",
];

const HEAD: &str = "\
.. SPDX-License-Identifier: GPL-2.0
.. This page is made by `make census DOCUMENT=1`.

======
Census
======

The census checks each module of the stock kernel that takes a device model of QEMU's on that
model, by ``make check-driver`` (:doc:`check-driver`, :doc:`devices`). ``make census`` takes the
rows that are missing in ``out/census/<kernel>``, a file each; ``make census WORD=nvme`` those of one
device or module; ``PARTITION=2/3`` the second of three parts, for several machines
(:doc:`fleet`). The table has the rows that have been taken so far. What was found is in
:doc:`census-findings`.
";

const COLUMN_WORDS: &str = "\
*Probe* is the longest probe of a plain insmod in milliseconds, *insmod* that insmod itself.
*Laws* is how many laws had a case; one that was broken is named. The advice is one of
:doc:`check-driver`; a row without a driver that bound a device has none, and is explained
below.
";

pub(crate) fn page(rows: &[Row], of: usize) -> String {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| (&row.module, &row.device));
    let bound = rows.iter().filter(|row| row.is_bound()).count();
    let mut page = HEAD.to_owned();
    if let Some(first) = rows.first() {
        let _ = write!(
            page,
            "\nKernel {}, QEMU {}, two CPUs in virtual time of 1 ns per\ninstruction{}: {} of {of} \
             pairs of a device and a module, {bound} of them with a device bound.\n\n",
            first.kernel,
            first.qemu,
            match first.machine.as_str() {
                "" => String::new(),
                changes => format!(", but {changes}"),
            },
            rows.len()
        );
    }
    page += &revisions(&rows);
    page += COLUMN_WORDS;
    let lines: Vec<[String; 8]> = rows.iter().flat_map(|row| cells(row)).collect();
    page += &format!("\n{}", table(&lines));
    page += &section("What insmod waits for", &rows, |row| row.waits.join("; "));
    page += &section("Complaints of the kernel", &rows, |row| {
        row.complaints.join("; ")
    });
    page += &section("Other rows that are not clean", &rows, |row| {
        let verdict = row.verdict.clone().filter(|_| row.complaints.is_empty());
        verdict.unwrap_or_default()
    });
    page += &section("Reasons of the advice, of clean rows", &rows, |row| {
        let bound = row.drivers.iter().filter(|driver| driver.devices > 0);
        let clean = bound.filter(|_| row.verdict.is_none());
        clean.map(|driver| driver.why.as_str()).collect()
    });
    page
}

/// The commits that the rows are of, if there is more than one: another lab may judge otherwise.
fn revisions(rows: &[&Row]) -> String {
    let mut of: BTreeMap<&str, usize> = BTreeMap::new();
    for row in rows {
        *of.entry(&row.revision).or_default() += 1;
    }
    if of.len() < 2 {
        return String::new();
    }
    let of = of.iter().map(|(revision, count)| match *revision {
        "" => format!("{count} rows of a commit that they do not name"),
        _ => format!("{count} rows of {revision}"),
    });
    let of = of.collect::<Vec<_>>().join(", ");
    textwrap::fill(
        &format!("The rows are of several commits of the lab: {of}."),
        95,
    ) + "\n\n"
}

/// A list of the rows of which there is something to say.
fn section(title: &str, rows: &[&Row], text: impl Fn(&Row) -> String) -> String {
    let mut out = String::new();
    for row in rows {
        let text = text(row);
        if text.is_empty() {
            continue;
        }
        let _ = writeln!(out, "``{}`` on ``{}``::\n", row.module, row.device);
        let options = textwrap::Options::new(78)
            .initial_indent("    ")
            .subsequent_indent("    ");
        out += &format!("{}\n\n", textwrap::fill(&text, options));
    }
    if out.is_empty() {
        out += "None.";
    }
    let rule = "=".repeat(title.len());
    format!("\n{title}\n{rule}\n\n{}\n", out.trim_end())
}

/// A line for the terminal.
pub(crate) fn line(row: &Row) -> String {
    let [device, module, driver, probe_type, probe, insmod, laws, advice] = &cells(row)[0];
    let verdict = row.verdict.as_deref().unwrap_or("ok");
    format!(
        "{device} {module}: {driver} {probe_type}, probe {probe}, insmod {insmod}, laws {laws}, \
         {advice}; {verdict}"
    )
}

/// The cells of a row, a line for each driver.
fn cells(row: &Row) -> Vec<[String; 8]> {
    let time = |time: Option<Micros>| time.map_or("-".to_owned(), |time| time.to_string());
    let none = Driver {
        name: "-".to_owned(),
        probe_type: "-".to_owned(),
        ..Driver::default()
    };
    let bound = row.drivers.iter().filter(|driver| driver.devices > 0);
    let mut drivers: Vec<_> = bound.collect();
    if drivers.is_empty() {
        drivers.push(row.drivers.first().unwrap_or(&none));
    }
    let laws = match row.broken.is_empty() {
        true => row.kept.len().to_string(),
        false => format!("{}, broken: {}", row.kept.len(), row.broken.join(", ")),
    };
    let cells = |driver: &Driver| {
        let has_bound = driver.devices > 0;
        [
            row.device.clone(),
            row.module.clone(),
            match driver.bus.as_str() {
                "" => driver.name.clone(),
                bus => format!("{} ({bus})", driver.name),
            },
            driver.probe_type.clone(),
            time(row.probe.filter(|_| has_bound)),
            time(row.insmod),
            laws.clone(),
            match has_bound {
                true => driver.advice.clone(),
                false => "-".to_owned(),
            },
        ]
    };
    drivers.into_iter().map(cells).collect()
}

/// A simple table of reStructuredText.
fn table(lines: &[[String; 8]]) -> String {
    let width = |column: usize| {
        let cells = lines.iter().map(|line| line[column].len());
        cells.chain([COLUMNS[column].len()]).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..COLUMNS.len()).map(width).collect();
    let rule: Vec<String> = widths.iter().map(|width| "=".repeat(*width)).collect();
    let row = |cells: &[String]| {
        let cells = cells.iter().zip(&widths);
        let padded: Vec<String> = cells
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        padded.join(" ").trim_end().to_owned()
    };
    let rule = rule.join(" ");
    let mut out = vec![rule.clone(), row(&COLUMNS.map(str::to_owned)), rule.clone()];
    out.extend(lines.iter().map(|line| row(line)));
    out.push(rule);
    out.join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page() {
        let driver = Driver {
            name: "nvme".to_owned(),
            bus: "pci".to_owned(),
            probe_type: "prefer_asynchronous".to_owned(),
            devices: 1,
            advice: "is probed asynchronously already".to_owned(),
            why: "Because.".to_owned(),
        };
        let good = Row {
            device: "nvme".to_owned(),
            module: "nvme".to_owned(),
            drivers: vec![driver],
            probe: Some(Micros(1500)),
            kept: vec!["convoy".to_owned()],
            waits: vec!["1.5 ms: the probe of x".to_owned()],
            revision: "0123".to_owned(),
            ..Row::default()
        };
        let bad = Row {
            device: "edu".to_owned(),
            module: "foo".to_owned(),
            verdict: Some("foo binds no device".to_owned()),
            ..Row::default()
        };
        let page = page(&[good, bad], 3);
        assert!(page.contains("2 of 3 pairs"), "{page}");
        let rule: Vec<_> = page
            .lines()
            .filter(|line| line.starts_with("====== "))
            .collect();
        assert_eq!(rule.len(), 3, "{page}");
        assert!(
            page.contains("1 rows of a commit that they do not name, 1 rows of\n0123"),
            "{page}"
        );
        for text in [
            "``nvme`` on ``nvme``::\n\n    1.5 ms",
            "``nvme`` on ``nvme``::\n\n    Because.",
            "``foo`` on ``edu``::\n\n    foo binds",
        ] {
            assert!(page.contains(text), "{page}");
        }
        assert!(page.contains("Complaints of the kernel\n========================\n\nNone.\n"));
    }
}
