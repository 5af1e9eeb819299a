// SPDX-License-Identifier: GPL-2.0

//! Tables and paragraphs for a terminal of 80 columns.

use std::cmp::Reverse;

use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Row, Table, Width};

/// How wide a table may be, in columns.
const WIDTH: u16 = 80;

/// How many rows a table has before it is folded.
pub const ROWS: usize = 40;

/// How many rows are left of a table that is folded: the largest.
const LARGEST: usize = 10;

/// What is left out of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Of long tables, all but the largest rows.
    Folded,
    /// Nothing.
    All,
}

/// An empty table without borders, whose `numbers` are columns that are aligned to the right.
pub(crate) fn table(header: &[&str], numbers: &[usize]) -> Table {
    let mut table = Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(WIDTH)
        .set_header(header);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 1));
        if numbers.contains(&at) {
            column.set_cell_alignment(CellAlignment::Right);
            column.set_constraint(ColumnConstraint::ContentWidth);
        } else {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(6)));
        }
    }
    table
}

/// The table's lines, without spaces at their ends.
pub(crate) fn print(table: &Table) -> String {
    let lines = table.lines();
    lines
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

/// A number, or a dash for none.
pub(crate) fn or_dash(number: Option<impl ToString>) -> String {
    number.map_or("-".to_owned(), |number| number.to_string())
}

/// The parts of a report, with empty lines between them.
pub(super) fn join(parts: impl IntoIterator<Item = String>) -> String {
    let parts = parts.into_iter().filter(|part| !part.is_empty());
    parts.collect::<Vec<String>>().join("\n")
}

/// Rows of a table, and how many there were.
pub(super) struct Rows<'a, T> {
    pub(super) rows: Vec<&'a T>,
    of: usize,
}

impl<T> Rows<'_, T> {
    /// A table of them under its heading, or nothing if there are none.
    pub(super) fn table<R: Into<Row>>(
        &self,
        title: &str,
        kept: &str,
        header: &[&str],
        numbers: &[usize],
        row: impl Fn(&T) -> R,
    ) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut table = table(header, numbers);
        table.add_rows(self.rows.iter().map(|of| row(of)));
        heading(title, self, kept) + &print(&table)
    }
}

/// Leaves the largest of many rows, in the order in which they are.
pub(super) fn fold<T, K: Ord>(rows: &[T], detail: Detail, size: impl Fn(&T) -> K) -> Rows<'_, T> {
    let mut kept: Vec<(usize, &T)> = rows.iter().enumerate().collect();
    if detail == Detail::Folded && rows.len() > ROWS {
        kept.sort_by_key(|(at, row)| (Reverse(size(row)), *at));
        kept.truncate(LARGEST);
        kept.sort_by_key(|(at, _)| *at);
    }
    Rows {
        rows: kept.into_iter().map(|(_, row)| row).collect(),
        of: rows.len(),
    }
}

/// The heading of a table that may be folded.
pub(super) fn heading<T>(title: &str, rows: &Rows<'_, T>, kept: &str) -> String {
    let shown = rows.rows.len();
    if shown < rows.of {
        wrap("", &format!("{title} (the {shown} {kept} of {}):", rows.of))
    } else {
        wrap("", &format!("{title}:"))
    }
}

/// A paragraph, each line after `indent`; those after the first are indented further.
pub(super) fn wrap(indent: &str, text: &str) -> String {
    let further = format!("{indent}    ");
    let options = textwrap::Options::new(WIDTH.into())
        .initial_indent(indent)
        .subsequent_indent(&further)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options) + "\n"
}
