// SPDX-License-Identifier: GPL-2.0

//! A stock kernel that has no Rust: its image and its modules, and Debian's headers, which modules
//! in C are built with.

use crate::arch::Arch;
use crate::cache::digest;
use crate::debian;
use crate::environment::quote;
use crate::packages::Package;

/// The directory of the kernel's own modules in the cache entry.
pub(crate) const MODULES: &str = "modules";

/// Makes `src` and `build` of the headers, which have links and absolute paths to each other, and
/// unpacks the image: `/usr/lib/modules` is `/lib/modules` in bookworm.
const SCRIPT: &str = "cd /lab/kernel; mkdir -p debian tmp
for deb in $HEADERS; do dpkg-deb --fsys-tarfile /lab/debs/$deb | tar -x --no-same-owner; done
ln -s usr/src/linux-headers-$RELEASE build
ln -s usr/src/linux-headers-$VERSION-common src
cp build/.config debian/config
cp build/Module.symvers debian/
dpkg-deb --fsys-tarfile /lab/debs/$IMAGE | tar -x --no-same-owner -C tmp
mv tmp/boot/vmlinuz-$RELEASE vmlinuz
mv tmp/*/modules/$RELEASE modules || mv tmp/usr/lib/modules/$RELEASE modules
rm -r tmp
printf '%s' $RELEASE >release
";

pub(crate) fn recipe() -> String {
    digest(&[SCRIPT])
}

/// The script that unpacks the packages, the last of which is the image.
pub(crate) fn unpack(release: &str, packages: &[Package], arch: &Arch) -> String {
    let files: Vec<&str> = packages.iter().map(Package::file).collect();
    let Some((image, headers)) = files.split_last() else {
        return String::from("false");
    };
    format!(
        "RELEASE={release} VERSION={} IMAGE={} HEADERS={}\n{SCRIPT}",
        debian::version(release, arch),
        quote(image),
        quote(&headers.join(" "))
    )
}
