// SPDX-License-Identifier: GPL-2.0

//! What the lab knows of Debian: suites, packages, compilers, and the names of its kernels.

use crate::arch::Arch;

/// The release, and the suites that its packages come from.
pub const SUITE: &str = "trixie";

/// The suites, the first of which is the release.
pub const SUITES: &[&str] = &["trixie", "trixie-updates", "trixie-backports"];

/// The part of the archive.
pub const COMPONENT: &str = "main";

/// The keys that sign the archive, on the host and in the root file system.
pub const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What is installed on top of `--variant=minbase` besides what the architecture needs: to build
/// kernels, modules and documentation, to check style.
pub const PACKAGES: &[&str] = &[
    "gcc-14",
    "make",
    "flex",
    "bison",
    "bc",
    "libelf-dev",
    "libssl-dev",
    "openssl",
    "rustc",
    "rust-src",
    "bindgen",
    "pahole",
    "xz-utils",
    "python3",
    "python3-sphinx",
    "rustfmt",
    "rust-clippy",
    "perl",
    "kmod",
    "ca-certificates",
];

/// What the guest needs.
pub const GUEST_PACKAGES: &[&str] = &["busybox-static"];

/// busybox in the root file system.
pub const BUSYBOX: &str = "usr/bin/busybox";

/// Left out of packages; a glob of dpkg crosses `/`.
pub const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/lib/llvm-*/lib/*.a",
];

/// The compiler of its kernels.
pub const GCC: &str = "gcc-14";

/// The compiler that can instrument C and Rust alike for KASAN; its package has the same name.
pub const CLANG: &str = "clang-19";

/// In the release of each of its kernels: `7.3.4+deb13-amd64`.
pub const RELEASE: &str = "+deb13";

/// The packages of configuration and symbol versions begin so.
pub const HEADERS: &str = "linux-headers-";

/// The packages of the source of a series begin so.
pub const SOURCE: &str = "linux-source-";

/// The packages of a kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Its configuration and symbol versions.
    pub headers: String,
    /// Its image.
    pub binary: String,
    /// Its modules.
    pub modules: String,
    /// The source of its series.
    pub source: String,
}

/// The packages of the kernel of a release, which is of this series.
pub fn names(release: &str, series: &str) -> Names {
    Names {
        headers: format!("{HEADERS}{release}"),
        binary: format!("linux-binary-{release}"),
        modules: format!("linux-modules-{release}"),
        source: format!("{SOURCE}{series}"),
    }
}

/// What follows [`RELEASE`] and a point and a number, if the kernel was rebuilt.
pub fn flavour(arch: &Arch) -> String {
    format!("-{}", arch.debian)
}

/// A line of `sources.list`.
pub fn source_line(uri: &str, suite: &str) -> String {
    format!("deb [signed-by={KEYRING}] {uri} {suite} {COMPONENT}\n")
}

/// Prints the contents of files of a package, given as `<file>.deb`, to stdout.
pub fn contents(deb: &str, path: &str) -> String {
    format!("dpkg-deb --fsys-tarfile /lab/debs/{deb} | tar -x -O ./{path}")
}

/// The directory of a kernel's modules in its package.
pub fn modules_dir(release: &str) -> String {
    format!("usr/lib/modules/{release}")
}

/// The archive in the package of a series' source.
pub fn source_archive(series: &str) -> String {
    format!("usr/src/{SOURCE}{series}.tar.xz")
}

/// The directory of the package of configuration and symbol versions.
pub fn headers_dir(release: &str) -> String {
    format!("usr/src/{HEADERS}{release}")
}
