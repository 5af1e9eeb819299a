// SPDX-License-Identifier: GPL-2.0

//! What the lab knows of Debian: suites, packages, compilers, and the names of its kernels.

use lifecycle::series::WITHOUT_RUST;

use crate::arch::Arch;

/// The release, and the suites that its packages come from.
pub(crate) const SUITE: &str = "trixie";

/// The suites, the first of which is the release.
pub(crate) const SUITES: &[&str] = &["trixie", "trixie-updates", "trixie-backports"];

/// The part of the archive.
pub(crate) const COMPONENT: &str = "main";

/// The keys that sign the archive, on the host and in the root file system.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// What is installed on top of `--variant=minbase` besides what the architecture needs: to build
/// kernels, modules and documentation, to check style.
pub(crate) const PACKAGES: &[&str] = &[
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

pub(crate) const GUEST_PACKAGES: &[&str] = &["busybox-static"];

/// busybox in the root file system.
pub(crate) const BUSYBOX: &str = "usr/bin/busybox";

/// Left out of packages; a glob of dpkg crosses `/`.
pub(crate) const LEFT_OUT: &[&str] = &[
    "/usr/share/doc/*",
    "/usr/share/man/*",
    "/usr/share/locale/*",
    "/usr/lib/llvm-*/lib/*.a",
];

/// The compiler of its kernels.
pub(crate) const GCC: &str = "gcc-14";

/// The compiler that can instrument C and Rust alike for KASAN; its package has the same name.
pub(crate) const CLANG: &str = "clang-19";

/// In the release of each of its kernels: `7.3.4+deb13-amd64`.
pub(crate) const RELEASE: &str = "+deb13";

/// The packages of configuration and symbol versions begin so.
pub(crate) const HEADERS: &str = "linux-headers-";

/// The packages of the source of a series begin so.
pub(crate) const SOURCE: &str = "linux-source-";

/// The suites of the packages of a series that the root file system's own do not have.
pub(crate) fn other_suites(series: &str) -> Option<&'static [&'static str]> {
    (series == "6.1").then_some(&["bookworm", "bookworm-updates"])
}

/// A Debian with systemd and udev, besides its kernel; mke2fs makes a disk of it.
pub(crate) const DEMO: &[&str] = &[
    "systemd-sysv",
    "udev",
    "kmod",
    "dbus",
    "initramfs-tools",
    "zstd",
    "e2fsprogs",
];

/// What the kernels of backports need in a newer version than that of the release.
pub(crate) const BACKPORTED: &str = "linux-base/trixie-backports";

/// The package of the image of a kernel, with its modules.
pub(crate) fn image(release: &str) -> String {
    format!("linux-image-{release}")
}

/// The packages that the kernel of a release, which is of this series, is prepared from:
/// configuration and symbol versions first. With Rust these are the image and the source. Without,
/// these are the rest of the headers, the programs that build modules, and the image with all of
/// the kernel's modules.
pub(crate) fn names(release: &str, series: &str, arch: &Arch) -> Vec<String> {
    let headers = format!("{HEADERS}{release}");
    if !WITHOUT_RUST.contains(&series) {
        let binary = format!("linux-binary-{release}");
        return vec![headers, binary, format!("{SOURCE}{series}")];
    }
    let version = version(release, arch);
    // One package of programs for a series, where releases are numbered: `6.1.0-50`.
    let of_kbuild = if version.contains(RELEASE) {
        version
    } else {
        series
    };
    vec![
        headers,
        format!("{HEADERS}{version}-common"),
        format!("linux-kbuild-{of_kbuild}"),
        image(release),
    ]
}

/// The package of the modules of a kernel with Rust.
pub(crate) fn modules(release: &str) -> String {
    format!("linux-modules-{release}")
}

/// A release without its flavour.
pub(crate) fn version<'a>(release: &'a str, arch: &Arch) -> &'a str {
    release.strip_suffix(&flavour(arch)).unwrap_or(release)
}

/// What follows [`RELEASE`] and a point and a number, if the kernel was rebuilt.
pub(crate) fn flavour(arch: &Arch) -> String {
    format!("-{}", arch.debian)
}

pub(crate) fn source_line(uri: &str, suite: &str) -> String {
    format!("deb [signed-by={KEYRING}] {uri} {suite} {COMPONENT}\n")
}

/// Prints the contents of files of a package, given as `<file>.deb`, to stdout.
pub(crate) fn contents(deb: &str, path: &str) -> String {
    format!("dpkg-deb --fsys-tarfile /lab/debs/{deb} | tar -x -O ./{path}")
}

/// The directory of a kernel's modules in its package.
pub(crate) fn modules_dir(release: &str) -> String {
    format!("usr/lib/modules/{release}")
}

/// The archive in the package of a series' source.
pub(crate) fn source_archive(series: &str) -> String {
    format!("usr/src/{SOURCE}{series}.tar.xz")
}

/// The directory of the package of configuration and symbol versions.
pub(crate) fn headers_dir(release: &str) -> String {
    format!("usr/src/{HEADERS}{release}")
}
