// SPDX-License-Identifier: GPL-2.0

//! The tables of what a device costs in Rust and in C.

use comfy_table::Table;

use super::{print, table, title, Style};
use crate::cost::{pairs, Call, Twins};
use crate::Benchmark;

/// Modules that do the same, by their names but for the language, and what they are called.
const MODULES: [(&str, &str, &str); 4] = [
    ("bench_bus_in_c", "bench_bus_rust", "own bus"),
    (
        "bench_devices_in_c",
        "bench_devices_rust",
        "platform devices",
    ),
    (
        "bench_platform_in_c",
        "bench_platform_rust",
        "platform driver",
    ),
    ("bench_auxiliary_in_c", "bench_auxiliary_rust", "auxiliary"),
];

/// The tables of Rust and C, each under a line that says what it shows.
pub fn costs(benchmark: &Benchmark, style: Style) -> String {
    let mut text = String::new();
    let mut add = |line: &str, table: Table| {
        title(&mut text, style, line);
        text += &print(table, style);
        text.push('\n');
    };
    if !benchmark.costs.is_empty() {
        let unit = benchmark.unit();
        add(
            &format!("Each of so many devices: C ({unit}), and Rust over C"),
            calls(benchmark, style),
        );
        add(
            "The memory of each of the most devices (bytes of slab objects)",
            memory(benchmark, style),
        );
    }
    if !benchmark.sizes.is_empty() {
        add("The size of modules (bytes)", sizes(benchmark, style));
    }
    if let Some(boot) = benchmark.boot {
        text += &format!(
            "The kernel starts its first process after {:.1} ms.\n",
            boot.init_ns as f64 / 1e6
        );
    }
    for wall in &benchmark.wall {
        text += &format!(
            "{} took {:.1} s of wall time, {}.\n",
            wall.command,
            wall.seconds,
            if wall.cold { "cold" } else { "warm" }
        );
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}

/// One row for each call of each pair of twins, two columns for each number of devices.
fn calls(benchmark: &Benchmark, style: Style) -> Table {
    let mut counts: Vec<usize> = benchmark.costs.iter().map(|cost| cost.devices).collect();
    counts.sort_unstable();
    counts.dedup();
    let heads: Vec<String> = counts
        .iter()
        .flat_map(|devices| [format!("C\n{devices}"), "Rust\n/C".to_owned()])
        .collect();
    let mut header = vec!["twins", "call"];
    header.extend(heads.iter().map(String::as_str));
    let mut table = table(&header, style);
    for twins in Twins::ALL {
        let pairs = pairs(&benchmark.costs, twins);
        for call in Call::ALL {
            let made = matches!(call, Call::Add | Call::Remove);
            if pairs.is_empty() || made && !twins.has_devices() {
                continue;
            }
            let mut row = vec![twins.to_string(), call.to_string()];
            for devices in &counts {
                match pairs.iter().find(|pair| pair.c.devices == *devices) {
                    Some(pair) => row.extend([
                        pair.c.of(call).to_string(),
                        format!("{:.3}", pair.ratio(call)),
                    ]),
                    None => row.extend(["-".to_owned(), "-".to_owned()]),
                }
            }
            table.add_row(row);
        }
    }
    table
}

/// One row for each pair of twins.
fn memory(benchmark: &Benchmark, style: Style) -> Table {
    let mut table = table(
        &["twins", "devices", "device C", "Rust", "bound C", "Rust"],
        style,
    );
    for twins in Twins::ALL {
        if let Some(pair) = pairs(&benchmark.costs, twins).last() {
            table.add_row([
                twins.to_string(),
                pair.c.devices.to_string(),
                pair.c.device_bytes.to_string(),
                pair.rust.device_bytes.to_string(),
                pair.c.bound_bytes.to_string(),
                pair.rust.bound_bytes.to_string(),
            ]);
        }
    }
    table
}

/// One row for each pair of modules, and one for each of the others.
fn sizes(benchmark: &Benchmark, style: Style) -> Table {
    let mut table = table(
        &[
            "module", "text C", "Rust", "data C", "Rust", "bss C", "Rust",
        ],
        style,
    );
    let row = |name: &str, numbers: [Option<u64>; 6]| {
        let numbers = numbers.map(|number| number.map_or("-".to_owned(), |n| n.to_string()));
        [vec![name.to_owned()], numbers.to_vec()].concat()
    };
    let of = |module: &str| benchmark.sizes.iter().find(|size| size.module == module);
    for (c, rust, name) in MODULES {
        if let (Some(c), Some(rust)) = (of(c), of(rust)) {
            let numbers = [c.text, rust.text, c.data, rust.data, c.bss, rust.bss];
            table.add_row(row(name, numbers.map(Some)));
        }
    }
    for size in &benchmark.sizes {
        let is_twin =
            |(c, rust, _): &(&str, &str, &str)| [*c, *rust].contains(&size.module.as_str());
        if !MODULES.iter().any(is_twin) {
            let [text, data, bss] = [size.text, size.data, size.bss].map(Some);
            table.add_row(row(&size.module, [None, text, None, data, None, bss]));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::benchmark::tests::benchmark;

    #[test]
    fn terminal() {
        let (_, expected) = include_str!("../../tests/costs.txt")
            .split_once('\n')
            .unwrap();
        assert_eq!(costs(&benchmark(), Style::Terminal), expected);
    }
}
