// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze what-if`.

use lifecycle::life::Kind::Probe;
use lifecycle::report::what_if::report;
use lifecycle::simulate::{asynchronous, what_if};

use crate::cli::WhatIf;
use crate::error::{Error, Kind, Result};
use crate::report::detail;
use crate::{log, output};

/// Shows what a boot or a load would take if other drivers were probed asynchronously.
pub fn run(args: &WhatIf) -> Result<()> {
    let summary = log::read(&args.log, args.boot, args.quiet)?;
    if summary.total.probes == 0 {
        return Err(Error::new(
            Kind::Nothing,
            format!("the log {} has no probe", summary.name),
            "there is nothing that could be asynchronous",
            "take a log that begins before the drivers are registered (probe-analyze boot-line)",
        ));
    }
    let mut probes = summary.life.spans.iter().filter(|of| of.kind == Probe);
    if probes.all(|probe| probe.driver.is_none()) {
        return Err(Error::new(
            Kind::Nothing,
            format!("the log {} names no driver", summary.name),
            "before Linux 7.3 the lines of initcall_debug have only the device",
            "take a recording, which has them (probe-analyze boot-line)",
        ));
    }
    let answer = what_if(&summary.life, &args.driver);
    if args.form.json {
        output::json(&answer)?;
    } else if args.quiet {
        let list = match answer.drivers.is_empty() {
            true => String::new(),
            false => asynchronous(summary.life.asked.as_deref(), &answer.drivers),
        };
        output::result(&list)?;
    } else {
        output::report(&report(&summary, &answer, detail(args.form)))?;
    }
    Ok(())
}
