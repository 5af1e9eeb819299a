#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Puts what this tree builds into a kernel tree, as drivers/async_probe:
#
#     scripts/graft-into-kernel.sh ~/linux
#     scripts/graft-into-kernel.sh --check ~/linux
#
# The files are copied as they are: in the kernel tree Kconfig says what is
# built. One line each in drivers/Kconfig and drivers/Makefile leads there. Done
# once more, it changes only what differs. --check changes nothing, and says
# which files are not the same, byte for byte.

set -eu

DIR=drivers/async_probe

usage()
{
	echo "usage: $0 [--check] KERNEL" >&2
	exit 2
}

check=
if [ "${1-}" = --check ]; then
	check=1
	shift
fi
[ $# -eq 1 ] || usage
if ! [ -f "$1/drivers/Kconfig" ] || ! [ -f "$1/drivers/Makefile" ]; then
	echo "$0: $1 is no kernel tree: it has no drivers/Kconfig and drivers/Makefile" >&2
	exit 2
fi
kernel=$(cd "$1" && pwd)
cd "$(dirname "$0")/.."

ours()
{
	find Kconfig Kbuild rust/async_probe samples/*.rs samples/firmware/image.rs -type f
}

theirs()
{
	[ ! -d "$kernel/$DIR" ] || (cd "$kernel/$DIR" && find . ! -type d | sed 's,^[.]/,,')
}

# What is in the way: files that we do not have.
stale()
{
	theirs | grep -vxF "$(ours)" || :
}

# What is missing there, or differs.
missing()
{
	ours | while IFS= read -r file; do
		cmp -s "$file" "$kernel/$DIR/$file" || echo "$file"
	done
}

KCONFIG="source \"$DIR/Kconfig\""
MAKEFILE="obj-y				+= ${DIR#drivers/}/"

unhooked()
{
	grep -qxF "$KCONFIG" "$kernel/drivers/Kconfig" || echo drivers/Kconfig
	grep -qxF "$MAKEFILE" "$kernel/drivers/Makefile" || echo drivers/Makefile
}

if [ -n "$check" ]; then
	differ=$(stale; missing; unhooked)
	[ -n "$differ" ] || exit 0
	echo "$differ" | sed "s,^,$0: differs: ,"
	exit 1
fi

stale | while IFS= read -r file; do
	rm "$kernel/$DIR/$file"
done
missing | while IFS= read -r file; do
	mkdir -p "$(dirname "$kernel/$DIR/$file")"
	# A new file, in case that the old one is a link.
	cp --remove-destination "$file" "$kernel/$DIR/$file"
done
for file in $(unhooked); do
	case $file in
	*/Kconfig) awk -v line="$KCONFIG" '
		{ text[NR] = $0; if ($0 == "endmenu") last = NR }
		END { for (n = 1; n <= NR; n++) {
			if (n == last) print line "\n"
			print text[n]
		} }' "$kernel/$file" ;;
	*/Makefile) cat "$kernel/$file" && echo "$MAKEFILE" ;;
	esac >"$kernel/$file.new"
	mv "$kernel/$file.new" "$kernel/$file"
done
