#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Writes the series below scripts/series as patches for a kernel tree, to be
# sent, or taken with `git am`:
#
#     scripts/make-patch-series.sh ~/linux out/patch-series
#
# A series is a directory of patches, and of a file `cover` whose first line is
# the subject of the cover letter. It may name the series that it builds on in a
# file `after`, and paths whose maintainers are addressed, too, in a file `of`.
# The kernel tree is only read. The patches are signed off by the name in git's
# configuration; the cover letter has the addresses that get_maintainer.pl finds.
# Then the kernel's checkpatch.pl judges them.

set -eu

fail()
{
	echo "$0: $*" >&2
	exit 1
}

if [ $# -ne 2 ]; then
	echo "usage: $0 KERNEL OUT" >&2
	exit 2
fi
series=$(cd "$(dirname "$0")/series" && pwd)
if ! [ -f "$1/MAINTAINERS" ] || ! [ -d "$1/rust/kernel" ]; then
	echo "$0: $1 is no kernel tree: it has no MAINTAINERS and rust/kernel" >&2
	exit 2
fi
kernel=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)

name=$(git config user.name) && email=$(git config user.email) ||
	fail "no name to sign off with: git config user.name NAME; git config user.email ADDRESS"
when=$(git -C "$series" log -1 --format=%cI)
version=$(make -s -C "$kernel" kernelversion)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# Git with the same author and date for all, without hooks and habits of the user.
quiet_git()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_SYSTEM=/dev/null \
	GIT_COMMITTER_NAME=$name GIT_COMMITTER_EMAIL=$email GIT_COMMITTER_DATE=$when \
		git -C "$work/linux" "$@"
}

# A repository with the files of the kernel that the patches of all series change.
mkdir "$work/linux"
quiet_git init -q -b base
for file in $(sed -n 's,^--- a/,,p' "$series"/*/*.patch | sort -u); do
	if [ -f "$kernel/$file" ]; then
		mkdir -p "$work/linux/$(dirname "$file")"
		cp "$kernel/$file" "$work/linux/$file"
	fi
done
quiet_git add -A
quiet_git -c user.name="$name" -c user.email="$email" commit -q -m "Linux $version"

get_maintainer()
{
	[ $# -eq 0 ] || perl scripts/get_maintainer.pl --no-tree --no-git --no-git-fallback \
		--no-rolestats "$@"
}

# Puts a series on a branch of its name, on that of the series that it builds on.
branch()
{
	base=base
	if [ -f "$series/$1/after" ]; then
		base=$(cat "$series/$1/after")
		quiet_git rev-parse -q --verify "$base" >/dev/null || branch "$base"
		base=$(cat "$series/$1/after")
	fi
	rm -rf "$work/${1:?}"
	quiet_git checkout -q -B "$1" "$base"
	for patch in "$series/$1"/*.patch; do
		{
			echo "From: $name <$email>"
			echo "Date: $when"
			cat "$patch"
		} | quiet_git am -q -s || fail "$patch does not apply to $kernel"
	done
	quiet_git format-patch -q --zero-commit --no-signature -o "$work/$1" "$base..$1"
	# In the kernel's tree: get_maintainer.pl looks for the paths there. It does not know
	# whose the new files are: a file `of` has paths of the same maintainers.
	of=$(sed 's/^/-f /' "$series/$1/of" 2>/dev/null || :)
	# shellcheck disable=SC2086 # options
	to=$(cd "$kernel" && { get_maintainer "$work/$1"/*.patch; get_maintainer $of; } | sort -u)
	rm -r "$work/$1"
	quiet_git config "branch.$1.description" "$(cat "$series/$1/cover")

The series is for Linux $version."
	echo "$to" | sed 's/^/--cc=/' | tr '\n' '\0' |
		GIT_CONFIG_GLOBAL=/dev/null xargs -0 git -C "$work/linux" \
		-c user.name="$name" -c user.email="$email" \
		format-patch -q --zero-commit --no-signature --cover-letter \
		--cover-from-description=subject -o "$work/$1" "$base..$1"
}

for directory in "$series"/*/; do
	name_of=$(basename "$directory")
	branch "$name_of"
	(
		cd "$work" # spdxcheck.py, which runs inside of git, takes a package of Python
		perl "$kernel/scripts/checkpatch.pl" --root "$kernel" --strict --terse \
			--show-types --no-summary "$work/$name_of"/000[1-9]-*.patch
	)
	rm -rf "${out:?}/$name_of"
	cp -r "$work/$name_of" "$out"
	(cd "$out" && ls "$name_of"/*)
done
