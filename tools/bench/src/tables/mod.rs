// SPDX-License-Identifier: GPL-2.0

//! The tables: for a terminal of 80 columns, and for the documentation.

mod costs;
mod designs;

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, TableComponent};

pub use costs::costs;
pub use designs::designs;

/// What the tables are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// A terminal.
    Terminal,
    /// A simple table of reStructuredText.
    Rst,
}

fn title(text: &mut String, style: Style, title: &str) {
    text.push_str(title);
    text.push_str(match style {
        Style::Terminal => "\n",
        Style::Rst => ":\n\n",
    });
}

/// An empty table, whose first column is a name and whose others are numbers.
fn table(header: &[&str], style: Style) -> Table {
    // To reStructuredText, the second line of a cell is no block quote only if it is not indented
    // less than the first.
    let header = header.iter().map(|text| match style {
        Style::Terminal => Cell::new(text),
        Style::Rst => Cell::new(text).set_alignment(CellAlignment::Left),
    });
    let mut table = Table::new();
    table
        .load_preset(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Disabled)
        .set_header(header);
    for (at, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 0));
        if at > 0 {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// The table's lines, without spaces at their ends.
fn print(mut table: Table, style: Style) -> String {
    table.set_style(TableComponent::VerticalLines, ' ');
    if style == Style::Rst {
        for (component, character) in [
            (TableComponent::TopBorder, '='),
            (TableComponent::TopBorderIntersections, ' '),
            (TableComponent::HeaderLines, '='),
            (TableComponent::MiddleHeaderIntersections, ' '),
            (TableComponent::BottomBorder, '='),
            (TableComponent::BottomBorderIntersections, ' '),
        ] {
            table.set_style(component, character);
        }
    }
    table.lines().fold(String::new(), |mut text, line| {
        text.push_str(line.trim_end());
        text.push('\n');
        text
    })
}
