// SPDX-License-Identifier: GPL-2.0

//! Makes firmware images for the sample drivers, good ones and deliberately bad ones, and tells
//! what the drivers would find in a file.
//!
//! The format is described in `Documentation/firmware-format.rst`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{value_parser, Parser};
use firmware::encode::{self, Damage, DEFAULT_PAYLOAD_LEN};
use firmware::image::{Image, HEADER_LEN, MAX_PAYLOAD_LEN};

/// Exit code: at least one of the files checked is not a good image.
const EXIT_BAD_IMAGE: u8 = 1;

/// Exit code: a file could not be read or written. Code 2 is clap's, for wrong arguments.
const EXIT_IO: u8 = 3;

/// Makes firmware images for the sample drivers, or checks them.
#[derive(Parser)]
#[command(
    version,
    override_usage = "firmware-image [OPTIONS] --output <FILE>\n       \
                      firmware-image --check <FILE>...",
    after_help = "Exit codes: 0 done, all good; 1 a checked file is not a good image; \
                  2 wrong arguments; 3 a file could not be read or written."
)]
struct Args {
    /// Write an image to FILE, which appears whole or not at all
    #[arg(short, long, value_name = "FILE", required_unless_present = "check")]
    output: Option<PathBuf>,

    /// Length of the payload
    #[arg(
        long,
        value_name = "BYTES",
        default_value_t = DEFAULT_PAYLOAD_LEN,
        value_parser = value_parser!(u32).range(1..=i64::from(MAX_PAYLOAD_LEN))
    )]
    payload_bytes: u32,

    /// What the payload is made from: the same seed gives the same image
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    seed: u64,

    /// Damage the image so that it fails just this check
    #[arg(long, value_name = "KIND", value_parser = damage_parser())]
    damage: Option<Damage>,

    /// Check FILEs instead: print for each that it is good, or the first check that it fails
    #[arg(
        short,
        long,
        value_name = "FILE",
        num_args = 1..,
        conflicts_with_all = ["output", "payload_bytes", "seed", "damage"]
    )]
    check: Vec<PathBuf>,
}

/// Returns the parser of `--damage`, which knows all names and shows them in the help.
fn damage_parser() -> impl TypedValueParser<Value = Damage> {
    let values =
        Damage::ALL.map(|damage| PossibleValue::new(damage.name()).help(damage.description()));
    PossibleValuesParser::new(values).try_map(|name| name.parse::<Damage>())
}

fn main() -> ExitCode {
    let args = Args::parse();

    match &args.output {
        Some(path) => make(&args, path),
        None => check(&args.check),
    }
}

/// Says that the system refused to do something with a file.
fn report(operation: &str, path: &Path, error: &io::Error) {
    eprintln!("error: cannot {operation} {}: {error}", path.display());
}

/// Writes the image that `args` ask for to `path`.
fn make(args: &Args, path: &Path) -> ExitCode {
    let payload = encode::payload(args.payload_bytes, args.seed);
    let image = match args.damage {
        None => encode::image(&payload),
        Some(damage) => encode::damaged_image(&payload, damage),
    };
    let image = image.expect("the arguments' range is that of the format");

    match write_whole(path, &image) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            report("write", path, &error);
            ExitCode::from(EXIT_IO)
        }
    }
}

/// Writes a file that appears whole or not at all; an old one stays if this fails.
fn write_whole(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What a link names is replaced, not the link; and never something that is not a file.
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    if fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it exists and is not a regular file"));
    }
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };

    let mut file = tempfile::Builder::new()
        .permissions(fs::Permissions::from_mode(0o666))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.persist(&path).map_err(|error| error.error)?;
    Ok(())
}

/// Says of each of `paths` whether it is a good image.
fn check(paths: &[PathBuf]) -> ExitCode {
    let mut code = 0;

    for path in paths {
        let verdict = match fs::read(path) {
            Ok(bytes) => match Image::parse(&bytes) {
                Ok(image) => format!(
                    "good: {HEADER_LEN} bytes of header, {} bytes of payload",
                    image.payload().len()
                ),
                Err(error) => {
                    code = code.max(EXIT_BAD_IMAGE);
                    format!("{error} (errno {})", -error.errno())
                }
            },
            Err(error) => {
                code = code.max(EXIT_IO);
                report("read", path, &error);
                continue;
            }
        };
        if let Err(error) = writeln!(io::stdout(), "{}: {verdict}", path.display()) {
            code = code.max(EXIT_IO);
            report("write", Path::new("the verdict"), &error);
        }
    }
    ExitCode::from(code)
}
