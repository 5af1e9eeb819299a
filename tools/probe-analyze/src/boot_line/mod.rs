// SPDX-License-Identifier: GPL-2.0

//! `probe-analyze boot-line`: what to add to the kernel's command line so that the kernel records
//! its own boot.
//!
//! `kprobe_event=` makes the kprobe events of a recording (`kernel/trace/trace_kprobe.c`): at
//! fs_initcall, before most drivers are registered. `collect` reads what was recorded.

pub mod loaders;
pub mod symbols;

use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use lifecycle::event::arch::{Arch, ARCHES};
use lifecycle::event::point::Definition;
use lifecycle::event::Point;
use lifecycle::series::is_recorded_in_part;
use serde::Serialize;

use crate::cli::BootLine;
use crate::error::{Error, Kind, Result};
use crate::output;

use loaders::Loader;
use symbols::Symbols;

/// The group of events that the kernel puts an event in that names none.
const GROUP: &str = "kprobes/";

/// How many tasks may be in a function at once: the async workqueue runs as many
/// (`WQ_DFL_ACTIVE`).
const AT_ONCE: u32 = 1024;

/// What belongs to the line besides the kprobes: a buffer for each CPU, one clock for all of them,
/// no event overwritten, and what printk prints, to see when init runs.
const REST: &str =
    "trace_buf_size=8M trace_clock=global trace_options=nooverwrite trace_event=printk:console";

/// The points that a boot is recorded with, the most important first, and what is lost without.
const WANTED: &[(Point, &str)] = &[
    (Point::Probe, "no probe is seen"),
    (
        Point::Flush,
        "the tasks that wait for asynchronous work are not seen",
    ),
    (
        Point::Init,
        "the loading of modules, and which probes are part of it, is not seen",
    ),
    (
        Point::Run,
        "an asynchronous probe looks like one of a kernel thread",
    ),
    (
        Point::Register,
        "the registration of drivers, and the probe type they ask for, is not seen",
    ),
    (
        Point::Firmware,
        "the requests of firmware within a probe are not seen",
    ),
    (
        Point::Schedule,
        "asynchronous work other than probes is not seen when it is scheduled",
    ),
    (
        Point::ScheduleDevice,
        "the time for which an asynchronous probe was due is not seen",
    ),
    (
        Point::Bound,
        "a probe is taken for successful by its result alone",
    ),
    (
        Point::RequestModule,
        "a probe that calls request_module() looks like any other",
    ),
    (Point::Add, "the appearance of devices is not seen"),
    (
        Point::DriverAttach,
        "the wait of an asynchronous probe for the lock of its device is not seen",
    ),
    (
        Point::DeviceAttach,
        "the wait of the asynchronous probe of a new device for its lock is not seen",
    ),
    (
        Point::Attach,
        "a probe that sysfs or a bus asks for looks like any other",
    ),
    (Point::Release, "the unbinding of devices is not seen"),
    (Point::Del, "the removal of devices is not seen"),
];

/// What became of one point.
#[derive(Debug, Serialize)]
struct Place {
    event: &'static str,
    function: String,
    file: &'static str,
    recorded: bool,
    /// Why it is not recorded.
    why: Option<String>,
    /// What is lost without it.
    lost: &'static str,
}

/// The answer.
#[derive(Debug, Serialize)]
struct Answer {
    kernel: String,
    arch: &'static str,
    line: String,
    /// The bytes of the command line with the line.
    length: usize,
    /// The bytes that a command line can have.
    limit: usize,
    symbols_checked: bool,
    blacklist_checked: bool,
    points: Vec<Place>,
    notes: Vec<String>,
}

/// What to type where a kernel cannot record its boot.
const INSTEAD: &str =
    "boot with `initcall_debug log_buf_len=16M` instead, and report on what dmesg prints";

/// Makes the line and prints it.
///
/// # Errors
///
/// [`Kind::Usage`] for an architecture that is not known, [`Kind::Log`] for a file that cannot be
/// read or has no symbols, [`Kind::Unrecordable`] for a kernel that cannot record its boot.
pub fn run(args: &BootLine) -> Result<()> {
    let answer = answer(args)?;
    if args.json {
        output::json(&answer)?;
    } else if let Some(loader) = args.loader {
        output::result(&loader.quote(&answer.line))?;
    } else if args.quiet {
        output::result(&answer.line)?;
    } else {
        output::report(&text(&answer))?;
    }
    Ok(())
}

fn answer(args: &BootLine) -> Result<Answer> {
    let running = read("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kernel = args.kernel.clone().unwrap_or_else(|| running.clone());
    check_release(&kernel)?;
    let name = args.arch.as_deref().unwrap_or(std::env::consts::ARCH);
    let arch = Arch::named(name).ok_or_else(|| {
        let known: Vec<&str> = ARCHES.iter().map(|arch| arch.name).collect();
        Error::new(
            Kind::Usage,
            format!("no boot line is known for the architecture {name}"),
            "the names of its registers, and how long its command line may be, are not known",
            format!("name one of {} with --arch", known.join(", ")),
        )
    })?;
    let is_running = kernel == running && Arch::here() == Some(arch);
    let mut notes = vec![];
    let text = symbols_text(args, &kernel, is_running, &mut notes)?;
    let symbols = text
        .as_deref()
        .map(|text| symbols(text, args, &kernel, is_running, &mut notes))
        .transpose()?;
    let present = args.command_line.clone().or_else(|| {
        let line = is_running.then(|| read("/proc/cmdline")).flatten();
        line.map(|line| without_boot_line(&line))
    });
    let present = present.unwrap_or_else(|| {
        notes.push(
            "the present command line of that kernel is not known, and was taken for 200 bytes; \
             --command-line names it"
                .to_owned(),
        );
        "x".repeat(200)
    });

    // The kernel drops what does not fit in silence, and so do some boot loaders.
    let limit = arch.command_line_size - 1;
    let fixed = present.len() + " kprobe_event= ".len() + REST.len();
    let mut line = String::new();
    let mut points = vec![];
    for (point, lost) in WANTED {
        let definition = point.definition();
        let kprobes = kprobes(definition, arch);
        let obstacle = symbols.as_ref().and_then(|symbols| {
            names(definition, arch).find_map(|name| {
                let obstacle = symbols.obstacle(&name)?;
                Some(match name == definition.symbol(arch) {
                    true => obstacle,
                    false => format!("{name}: {obstacle}"),
                })
            })
        });
        let why = obstacle.or_else(|| {
            let separated = line.len() + usize::from(!line.is_empty()) + kprobes.len();
            (fixed + separated > limit).then(|| {
                format!(
                    "no room: {} bytes are needed, {} are left",
                    kprobes.len() + 1,
                    limit.saturating_sub(fixed + line.len())
                )
            })
        });
        if why.is_none() {
            if !line.is_empty() {
                line.push(';');
            }
            line += &kprobes;
        }
        points.push(Place {
            event: definition.event,
            function: definition.symbol(arch),
            file: definition.file,
            recorded: why.is_none(),
            why,
            lost,
        });
    }
    if let Some(why) = points[0].why.as_ref() {
        return Err(Error::new(
            Kind::Unrecordable,
            format!("Linux {kernel} cannot record its boot: no probe would be seen"),
            why,
            INSTEAD,
        ));
    }
    let line = format!("kprobe_event={line} {REST}");
    Ok(Answer {
        kernel,
        arch: arch.name,
        length: present.len() + 1 + line.len(),
        limit,
        line,
        symbols_checked: symbols.is_some(),
        blacklist_checked: symbols.as_ref().is_some_and(Symbols::knows_blacklist),
        points,
        notes,
    })
}

/// `kprobe_event=` is there since 5.3. Before 5.14 `really_probe()` returned other values than what
/// the driver's probe returned.
fn check_release(kernel: &str) -> Result<()> {
    if !kernel.starts_with(|c: char| c.is_ascii_digit()) || !kernel.contains('.') {
        return Err(Error::new(
            Kind::Usage,
            format!("`{kernel}` is no release of a kernel"),
            "a release begins with two numbers, as 6.12.48-amd64 does",
            "name what `uname -r` prints on that kernel with --kernel",
        ));
    }
    if !is_recorded_in_part(kernel) {
        return Err(Error::new(
            Kind::Unrecordable,
            format!("Linux {kernel} is too old to record its boot"),
            "kernels before 5.15 lack the parameter kprobe_event=, or the result of a probe means \
             something else there",
            INSTEAD,
        ));
    }
    Ok(())
}

/// The symbols of the kernel: from the file that is named, from the running kernel, or from where
/// distributions put them.
fn symbols_text(
    args: &BootLine,
    kernel: &str,
    is_running: bool,
    notes: &mut Vec<String>,
) -> Result<Option<String>> {
    let named = args.system_map.as_ref();
    let candidates = match is_running {
        true => vec!["/proc/kallsyms".into()],
        false => vec![
            format!("/boot/System.map-{kernel}").into(),
            format!("/lib/modules/{kernel}/System.map").into(),
        ],
    };
    let read = |path: &PathBuf| {
        let text = text_of(path)?;
        if Symbols::are_in(&text) {
            return Ok(text);
        }
        Err(unreadable(
            path,
            "it has no symbols: Debian's System.map is empty, and says in which package the real \
             one is",
        ))
    };
    let text = match named {
        Some(path) => Some(read(path)?),
        None => candidates.iter().find_map(|path| read(path).ok()),
    };
    if text.is_none() {
        notes.push(format!(
            "the functions were not checked: no symbols of Linux {kernel} are at hand; --system-map \
             names a System.map, or a copy of /proc/kallsyms that was made on that kernel"
        ));
    }
    Ok(text)
}

/// The symbols of a kernel that has kprobe events, with its blacklist.
fn symbols<'a>(
    text: &'a str,
    args: &BootLine,
    kernel: &str,
    is_running: bool,
    notes: &mut Vec<String>,
) -> Result<Symbols<'a>> {
    let mut symbols = Symbols::parse(text);
    if !["trace_kprobe_create", "create_trace_kprobe"]
        .iter()
        .any(|name| symbols.has(name))
    {
        return Err(Error::new(
            Kind::Unrecordable,
            format!("Linux {kernel} cannot record its boot"),
            "it has no kprobe events: it lacks CONFIG_KPROBE_EVENTS",
            INSTEAD,
        ));
    }
    let blacklist = match &args.blacklist {
        Some(path) => Some(text_of(path)?),
        None if is_running => fs::read_to_string("/sys/kernel/debug/kprobes/blacklist").ok(),
        None => None,
    };
    match blacklist {
        Some(text) => symbols.forbid(&text),
        None => notes.push(
            "the kprobe blacklist was not checked: root reads /sys/kernel/debug/kprobes/blacklist on \
             that kernel; --blacklist names a copy"
                .to_owned(),
        ),
    }
    Ok(symbols)
}

fn unreadable(path: &Path, why: &str) -> Error {
    Error::new(
        Kind::Log,
        format!("cannot read the symbols in {}", path.display()),
        why,
        "name a System.map, or a copy of /proc/kallsyms that was made on that kernel",
    )
}

fn text_of(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(|error| unreadable(path, &error.to_string()))
}

fn read(path: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    Some(text.trim_end().to_owned())
}

/// A command line without what an earlier boot line added.
fn without_boot_line(line: &str) -> String {
    let ours =
        |word: &&str| word.starts_with("kprobe_event=") || REST.split(' ').any(|of| of == *word);
    let words: Vec<&str> = line.split(' ').filter(|word| !ours(word)).collect();
    words.join(" ")
}

/// The symbols that the kprobes of a point need: the function, and variables: `@name`.
fn names(definition: &'static Definition, arch: &Arch) -> impl Iterator<Item = String> {
    let variables = definition.fetch.iter().filter_map(|(_, expression, _)| {
        let name = expression.strip_prefix('@')?;
        Some(name.split(':').next().unwrap_or(name).to_owned())
    });
    std::iter::once(definition.symbol(arch)).chain(variables)
}

/// The kprobes of a point as `kprobe_event=` wants them: with commas for blanks, and `;` between.
fn kprobes(definition: &Definition, arch: &Arch) -> String {
    let lines = definition.kprobes(arch, GROUP.trim_end_matches('/'), AT_ONCE);
    let lines: Vec<String> = lines
        .iter()
        .map(|line| line.replacen(GROUP, "", 1).replace(' ', ","))
        .collect();
    lines.join(";")
}

fn text(answer: &Answer) -> String {
    let recorded = answer.points.iter().filter(|place| place.recorded).count();
    let head = format!(
        "Linux {} on {}: {recorded} of {} functions are recorded. The command line then has {} of {} \
         bytes.",
        answer.kernel,
        answer.arch,
        answer.points.len(),
        answer.length,
        answer.limit
    );
    let mut text = format!("{}\n\n{}", answer.line, wrap(&head, ""));
    for note in &answer.notes {
        text += &wrap(&format!("Note: {note}."), "");
    }
    if recorded < answer.points.len() {
        text += "\nNot recorded:\n";
    }
    for place in answer.points.iter().filter(|place| !place.recorded) {
        let why = place.why.as_deref().unwrap_or_default();
        let what = format!(
            "{} ({}): {why}; {}.",
            place.function, place.file, place.lost
        );
        text += &wrap(&what, "  ");
    }
    text += "\nNot seen:\n";
    text += &wrap(
        "Probes before the kernel makes the kprobes, at fs_initcall. The task of an early event has \
         the name that it has when the trace is read: task 1 reads `systemd`.",
        "  ",
    );
    for loader in Loader::value_variants() {
        text += &format!("\n{}:\n", loader.name());
        for step in loader.steps() {
            text += &wrap(step, "  ");
        }
    }
    text + "\nAfter that boot, as root:\n  probe-analyze collect boot.txt\n"
}

/// Wraps a paragraph, with an indentation and with more of it after the first line.
fn wrap(text: &str, indent: &str) -> String {
    let next = format!("{indent}  ");
    let options = textwrap::Options::new(80)
        .initial_indent(indent)
        .subsequent_indent(&next)
        .break_words(false)
        .word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::fill(text, options) + "\n"
}
