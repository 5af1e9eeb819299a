#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Writes what scripts/graft-into-kernel.sh does to a kernel tree as patches, to
# be sent, or taken with `git am`:
#
#     scripts/make-patch-series.sh ~/linux out/series
#     scripts/make-patch-series.sh --check ~/linux out/series
#
# The kernel tree is only read. The patches are signed off by whom git's
# configuration names, and so does an entry in MAINTAINERS. With --check they are
# applied as well, with `git am` and with `patch -p1`, and the result compared
# with that of the graft; then the kernel's checkpatch.pl judges them.

set -eu

DIR=drivers/async_probe

usage()
{
	echo "usage: $0 [--check] KERNEL OUT" >&2
	exit 2
}

fail()
{
	echo "$0: $*" >&2
	exit 1
}

check=
if [ "${1-}" = --check ]; then
	check=1
	shift
fi
[ $# -eq 2 ] || usage
top=$(cd "$(dirname "$0")/.." && pwd)

if ! [ -f "$1/MAINTAINERS" ] || ! [ -f "$1/drivers/Kconfig" ]; then
	echo "$0: $1 is no kernel tree: it has no MAINTAINERS and drivers/Kconfig" >&2
	exit 2
fi
kernel=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)

name=$(git -C "$top" config user.name) && email=$(git -C "$top" config user.email) ||
	fail "nobody to sign off: git config user.name NAME; git config user.email ADDRESS"
when=$(git -C "$top" log -1 --format=%cI)
version=$(make -s -C "$kernel" kernelversion)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Git with the same author and date for all, and nobody's hooks and habits.
quiet_git()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
	GIT_AUTHOR_NAME=$name GIT_AUTHOR_EMAIL=$email GIT_AUTHOR_DATE=$when \
	GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$when \
		git "$@"
}

# A repository with what of the kernel the patches change.
base()
{
	mkdir -p "$1/drivers"
	cp "$kernel/MAINTAINERS" "$1"
	cp "$kernel/drivers/Kconfig" "$kernel/drivers/Makefile" "$1/drivers"
	quiet_git -C "$1" init -q -b linux
	quiet_git -C "$1" add -A
	quiet_git -C "$1" commit -q -m "Linux $version"
}

# An entry in its place, which is that of its title in the alphabet.
maintain()
{
	awk -v title="ASYNCHRONOUS DRIVER PROBING [RUST]" -v who="$name <$email>" '
		function entry() {
			print title
			print "M:\t" who
			print "L:\trust-for-linux@vger.kernel.org"
			print "L:\tdriver-core@lists.linux.dev"
			print "S:\tMaintained"
			print "F:\t'$DIR'/\n"
			done = 1
		}
		/^Maintainers List$/ { list = 1 }
		list && !done && /^[0-9A-Z]/ && blank && $0 > title && $0 !~ /^Maintainers/ { entry() }
		{ print; blank = $0 == "" }
		END { exit !done }
	' "$kernel/MAINTAINERS" >MAINTAINERS
}

# The paths that are given, as one patch; the message is read from standard input.
part()
{
	quiet_git add -- "$@"
	quiet_git commit -q -s -F -
}

series()
{
	maintain || fail "$kernel/MAINTAINERS has no place for an entry"
	part MAINTAINERS $DIR/rust <<-'END'
		rust: async_probe: add abstractions for asynchronous probing

		A probe that loads firmware for seconds holds up everything that is
		probed after it, the module load that caused it, and the boot if it is
		built in. Drivers in C say with probe_type how they want to be probed,
		and buses may probe from async domains of their own. Drivers in Rust
		can do neither.

		Add a crate with what they need: probe types for platform drivers,
		async domains, buses with devices and drivers of their own, and the
		designs of who probes and who waits for it. Module parameters with
		ranges and named choices let users choose at run time; timing lines in
		the log tell what the choice has cost.

		Nothing is built yet: that comes once the samples are in place.
	END
	part "$DIR/samples/*bus*" $DIR/samples/slow_firmware.rs $DIR/samples/firmware <<-'END'
		samples: rust: add a bus whose devices load firmware slowly

		Who may probe, and who has to wait, is decided by the bus as much as by
		the driver. To compare the designs under the same load takes a bus that
		can use each of them, and devices that take as long as they are told to.

		Add a bus in Rust, whose devices come and go through attributes in
		sysfs, and a driver for it. A module parameter chooses among six
		designs. Probes load a firmware image, with request_firmware(), into a
		simulated device.
	END
	part "$DIR/samples/*platform*" <<-'END'
		samples: rust: add platform drivers that probe asynchronously

		Most drivers will not bring a bus of their own: all that they have to
		do is to say which probe type they prefer.

		Add the least that it takes to say so, and a driver whose probes load
		firmware slowly, with the devices to bind it to. How many devices there
		are, how long they take and the probe type are module parameters, so
		that one module shows what each choice costs.
	END
	part $DIR drivers <<-'END'
		drivers: build async_probe

		All parts are in place. Let Kconfig say which of them are built, into
		the kernel or as modules.

		The samples use types and symbols of the crate. All are built from one
		Kbuild, so that what one needs of another is a plain prerequisite, as
		drivers/gpu/Makefile does for nova-core and nova-drm.
	END
	left=$(quiet_git status --porcelain)
	[ -z "$left" ] || fail "in no patch: $left"
	quiet_git config branch.async_probe.description "Asynchronous driver probing for Rust drivers

A driver in Rust cannot say yet how it wants to be probed, nor can a bus
in Rust probe its devices asynchronously. This series adds abstractions
for both, and samples that compare the designs that have been proposed
for it: synchronous, PROBE_PREFER_ASYNCHRONOUS, async_schedule() from the
driver's attach, from module_init() and in exclusive domains.

All of it is below $DIR, so that it can be tried before it
is decided where each part belongs. The other files get the lines that
lead there, and no other patch is needed.

The series is for Linux $version."
}

# Until the last patch leads to what the others add, the kernel is built as it was.
unread_before_the_last()
{
	read=$(quiet_git -C "$work/linux" diff --name-only linux async_probe~1 -- \
		. ":!$DIR" ':!MAINTAINERS')
	[ -z "$read" ] || fail "not in the last patch: $read"
}

# Everything but the entry in MAINTAINERS is what the graft does.
same_as_graft()
{
	"$top/scripts/graft-into-kernel.sh" --check "$1"
	for file in MAINTAINERS drivers/Kconfig drivers/Makefile; do
		cmp "$1/$file" "$work/linux/$file"
	done
}

# FILE_PATH_CHANGES: the first patch names the directory in MAINTAINERS, for all patches.
judge()
{
	cd "$work" # outside of git: spdxcheck.py, which runs inside, takes a package of Python
	perl "$kernel/scripts/checkpatch.pl" --root "$kernel" \
		--strict --terse --show-types --no-summary \
		--ignore FILE_PATH_CHANGES "$@"
}

base "$work/linux"
cd "$work/linux"
quiet_git checkout -q -b async_probe
"$top/scripts/graft-into-kernel.sh" .
series
quiet_git format-patch -q --zero-commit --no-signature --cover-letter \
	--cover-from-description=subject -o "$work/series" linux..async_probe

if [ -n "$check" ]; then
	unread_before_the_last
	base "$work/am"
	quiet_git -C "$work/am" am -q "$work"/series/000[1-9]-*.patch
	same_as_graft "$work/am"
	base "$work/patch"
	for patch in "$work"/series/000[1-9]-*.patch; do
		patch -s -p1 -d "$work/patch" <"$patch"
	done
	same_as_graft "$work/patch"
	judge "$work"/series/000[1-9]-*.patch
fi

rm -f "$out"/[0-9][0-9][0-9][0-9]-*.patch
cp "$work"/series/*.patch "$out"
echo "$out:"
cd "$out" && ls
