#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs `make census` or `make check` in parts, as an array of Slurm's, and joins them:
#
#	scripts/fleet/slurm.sh PARTS census [WORD=nvme]...
#	scripts/fleet/slurm.sh PARTS check [TESTS=unbind]...
#
# The machines share this checkout and the cache (XDG_CACHE_HOME). A part whose task died is
# submitted again, ROUNDS times in all: the census goes on after the rows that are there, a part of
# the tests is run anew. SBATCH has more options for sbatch. It ends with 1 if a part is missing
# in the end.

set -u
usage()
{
	sed -n 's/^#\t//p' "$0" >&2
	exit 2
}

[ $# -ge 2 ] || usage
parts=$1 what=$2
shift 2
case $parts in *[!0-9]* | '' | 0) usage ;; esac
case $what in
census) join=1 ;;
check) join=$parts ;;
*) usage ;;
esac
cd "$(dirname "$0")/../.." || exit
logs=out/fleet/$what
mkdir -p "$logs"

# Whether a part has come to its end: each task leaves a file then.
left()
{
	for part in $(seq "$parts"); do
		[ -e "$logs/$part.done" ] || printf '%s,' "$part"
	done
}

rm -f "$logs"/*.done
round=1
while part=$(left) && [ -n "$part" ] && [ "$round" -le "${ROUNDS:-3}" ]; do
	echo "fleet: round $round: parts ${part%,} of $parts"
	# shellcheck disable=SC2086 # options are words
	sbatch --wait --quiet --job-name="async_probe-$what" --array="${part%,}" \
		--output="$logs/%a.log" --open-mode=append ${SBATCH:-} \
		scripts/fleet/part.sh "$parts" "$what" "$logs" "$@"
	round=$((round + 1))
done
part=$(left)
[ -z "$part" ] || echo "fleet: not done after $((round - 1)) rounds: parts ${part%,}; read $logs/*.log"
# Says what is missing, and fails then.
${MAKE:-make} -s "$what" JOIN="$join" "$@" || exit 1
