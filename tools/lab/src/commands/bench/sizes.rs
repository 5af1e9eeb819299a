// SPDX-License-Identifier: GPL-2.0

//! The size of the modules, as size(1) has it.

use bench::benchmark::Size;

use crate::environment::quote;
use crate::error::{Error, Kind, Result};
use crate::modules::Modules;
use crate::paths::name;
use crate::session::Session;

/// The sizes of the crate, the samples and the twins, by name.
pub(crate) fn sizes(session: &Session, modules: &Modules) -> Result<Vec<Size>> {
    let names: Vec<String> = modules
        .files()?
        .iter()
        .map(|path| name(path))
        .filter(|name| is_shown(name))
        .collect();
    let words: Vec<String> = names.iter().map(|name| quote(name)).collect();
    let output = session
        .env
        .script(&format!("size --format=gnu {}", words.join(" ")))
        .bind(modules.dir(), "/lab/out")
        .workdir("/lab/out")
        .output()?;
    let sizes = parse(&String::from_utf8_lossy(&output.stdout));
    if sizes.len() == names.len() {
        return Ok(sizes);
    }
    Err(Error::new(
        Kind::Failed,
        "cannot tell the sizes of the modules",
        format!(
            "size told those of {} of {}\n{}",
            sizes.len(),
            names.len(),
            String::from_utf8_lossy(&output.stderr)
        ),
        "out/target/debug/lab exec size out/modules/async_probe.ko",
    ))
}

/// Whether a module is of interest: what only the selftests need is not.
fn is_shown(name: &str) -> bool {
    ["async_probe", "bench_", "minimal_", "slow_"]
        .iter()
        .any(|prefix| name.starts_with(prefix))
        && name != "bench_attach.ko"
}

/// Reads the table that size(1) prints: text, data, bss, total and filename.
fn parse(text: &str) -> Vec<Size> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split_whitespace();
            let mut number = || fields.next()?.parse().ok();
            let (text, data, bss, _total) = (number()?, number()?, number()?, number()?);
            let module = fields.next()?.trim_end_matches(".ko").to_owned();
            Some(Size {
                module,
                text,
                data,
                bss,
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table() {
        let sizes = parse(
            "      text       data        bss      total filename
      1417       3383         24       4824 bench_bus_in_c.ko
       445       2027        208       2680 slow_bus.ko
",
        );
        let names: Vec<&str> = sizes.iter().map(|size| size.module.as_str()).collect();
        assert_eq!(names, ["bench_bus_in_c", "slow_bus"]);
        assert_eq!(
            (sizes[1].text, sizes[1].data, sizes[1].bss),
            (445, 2027, 208)
        );
    }
}
