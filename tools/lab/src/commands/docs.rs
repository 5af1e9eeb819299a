// SPDX-License-Identifier: GPL-2.0

//! The documentation as HTML: `Documentation`, and what rustdoc makes of the crate. What either
//! warns about is an error, a link that leads nowhere above all.

use crate::cache::{remove_tree, Lock};
use crate::error::{Error, Kind, Result};
use crate::kernel::Kernel;
use crate::options::KernelOptions;
use crate::process::Logged;
use crate::progress::result;
use crate::session::Session;

/// Without a configuration, of which there would be few lines. Sphinx's own theme is light; where a
/// reader prefers dark pages, the style sheet turns it round.
const SPHINX: &str = "\
cd /lab/project
sphinx-build -q -C -D project=async_probe -D html_show_copyright=0 \\
	-D html_static_path=static -D html_css_files=dark.css -n -W --keep-going \\
	-d out/docs/doctrees Documentation out/docs/html
";

/// rustdoc is called as kbuild has called the compiler, but for what it is to emit, and where.
const RUSTDOC: &str = "\
cd MODULES
compiler=$(sed -n '1s/^[^=]*:= //p' rust/async_probe/.async_probe.o.cmd)
rustdoc=$(printf '%s' \"$compiler\" | sed 's/ rustc / rustdoc /; s/ --emit=[^ ]*//g; s/ --out-dir [^ ]*//')
case \"$rustdoc\" in
*' rustdoc '*) ;;
*) echo \"no call of rustc: $compiler\"; exit 1 ;;
esac
export RUSTC_BOOTSTRAP=1 ASYNC_PROBE_OBJTREE=MODULES/rust/async_probe
eval \"$rustdoc -Dwarnings --output /lab/project/out/docs/rust\"
";

/// Makes them, with the tools for a kernel.
pub(crate) fn run(args: &KernelOptions) -> Result<()> {
    let session = Session::open(args)?;
    let Kernel::Prepared(kernel) = &session.kernel else {
        return Err(Error::new(
            Kind::Usage,
            format!("no documentation with {}", session.kernel.name()),
            "the lab has not built it",
            "leave KERNEL= out",
        ));
    };
    let modules = session.modules()?;
    let out = session.project.out("docs");
    let _lock = Lock::directory(&out)?;
    for old in ["doctrees", "html", "rust"] {
        remove_tree(&out.join(old))?;
    }
    let make = |what: &str, log: &str, script: &str| {
        let spec = session.env.script(script);
        Logged {
            what,
            log: session.project.out(log),
            kind: Kind::Failed,
            next: "mend what the log names, then: make docs",
        }
        .run(
            kernel
                .bind(spec)
                .bind(session.project.top(), "/lab/project")
                .command(),
        )
    };
    make("Documentation", "log/docs-sphinx.log", SPHINX)?;
    make(
        "rustdoc of the crate",
        "log/docs-rustdoc.log",
        &RUSTDOC.replace("MODULES", &modules.seen()),
    )?;
    for page in ["html/index.html", "rust/async_probe/index.html"] {
        result(&out.join(page).display().to_string());
    }
    Ok(())
}
