// SPDX-License-Identifier: GPL-2.0

//! Pictures of a log.

use std::fs;
use std::path::Path;

use lifecycle::{Event, Timeline};
use timeline::{page::page, svg::svg, trace::trace, Heading};

use crate::cli::Pictures;
use crate::error::{IoContext, Result};
use crate::logs;
use crate::progress::result;

/// Draws a log.
pub fn run(args: &Pictures) -> Result<()> {
    let log = logs::read(&args.log)?;
    let heading = Heading {
        title: args.title.clone().unwrap_or_else(|| logs::name(&args.log)),
        identity: log
            .kernel
            .map_or_else(String::new, |kernel| format!("Linux {kernel}")),
    };
    result(&draw(&log.events, &heading, &args.out)?);
    Ok(())
}

/// Draws events in a directory; where the pictures are, in a line.
pub fn draw(events: &[Event], heading: &Heading, out: &Path) -> Result<String> {
    let timeline = Timeline::of(events);
    fs::create_dir_all(out).at(out, "create the directory")?;
    let pictures = [
        ("timeline.svg", svg(&timeline, heading)),
        ("timeline.html", page(&timeline, heading)),
        ("timeline.trace.json", trace(&timeline, heading)),
    ];
    for (name, content) in &pictures {
        let path = out.join(name);
        let aside = out.join(format!(".{name}.partial"));
        fs::write(&aside, content).at(&aside, "write")?;
        fs::rename(&aside, &path).at(&path, "rename the finished picture to")?;
    }
    let names = pictures.map(|(name, _)| name).join(", ");
    Ok(format!("the timeline: {names} in {}", out.display()))
}
