#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Fails at once, before anything is built, if this host lacks what the lab needs,
# and says how to get it.
#
#   scripts/prerequisites.sh            for the Makefile: all that is needed
#   scripts/prerequisites.sh --install  for the lab: what making its root file
#                                       system needs, installed where that is allowed
#
# The exit codes are those of the lab.

cd "$(dirname "$0")/.." || exit

CARGO=${CARGO:-cargo}
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# fail CODE WHAT WHY NEXT
fail()
{
	printf 'lab: error: %s\n  why:  %s\n  next: %s\n' "$2" "$3" "$4" >&2
	exit "$1"
}

# What builds the lab. An old cargo does not understand Cargo.toml, and does not say why.
builds_the_lab()
{
	needed=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' tools/Cargo.toml)
	get="install Rust $needed or newer: your distribution's cargo and rustc, if they are \
new enough (Debian 13 has them: apt-get install cargo), or rustup (rustup.rs)"
	version=$($CARGO --version 2>/dev/null | sed -n 's/^cargo \([0-9.]*\).*/\1/p')
	[ -n "$version" ] || fail 3 "no cargo" "there is no program \`$CARGO\` that runs" "$get"
	oldest=$(printf '%s\n' "$needed" "$version" | sort -V | head -n 1)
	[ "$oldest" = "$needed" ] ||
		fail 3 "cargo $version is too old" "the tools need Rust $needed or newer" "$get"
	command -v cc >/dev/null ||
		fail 3 "no linker" "rustc links programs with \`cc\`, and there is none" \
			"install a C compiler: sudo apt-get install gcc libc6-dev"
}

has_subordinate_ids()
{
	grep -q "^$(id -un):\|^$(id -u):" /etc/subuid && grep -q "^$(id -un):\|^$(id -u):" /etc/subgid
} 2>/dev/null

# What makes the root file system.
makes_the_rootfs()
{
	missing=
	command -v mmdebstrap >/dev/null || missing="$missing mmdebstrap"
	[ -e $KEYRING ] || missing="$missing debian-archive-keyring"
	[ "$(id -u)" = 0 ] || command -v newuidmap >/dev/null || missing="$missing uidmap"
	if [ -n "$missing" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
		[ -n "$1" ] || return 0
		echo "installing on this host:$missing"
		# shellcheck disable=SC2086 # the names are words
		apt-get install -y --no-install-recommends $missing ||
			{ apt-get update && apt-get install -y --no-install-recommends $missing; } ||
			exit 3
	elif [ -n "$missing" ]; then
		fail 3 "cannot make the root file system" "this host lacks:$missing" \
			"sudo apt-get install$missing   (or your distribution's packages of these names)"
	fi
	[ "$(id -u)" = 0 ] || has_subordinate_ids ||
		fail 3 "cannot make the root file system" \
			"/etc/subuid or /etc/subgid has no line for $(id -un)" \
			"sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 $(id -un)"
}

if [ "${1-}" = --install ]; then
	makes_the_rootfs install
	exit
fi

mkdir -p out 2>/dev/null
[ -w out ] ||
	fail 7 "this checkout is read-only, or not yours" "$PWD/out cannot be written" \
		"clone it to a directory that you can write to, and run the same command there"
builds_the_lab
for root in "${XDG_CACHE_HOME:-$HOME/.cache}"/async-probe/rootfs-*; do
	[ -d "$root" ] || makes_the_rootfs
done
