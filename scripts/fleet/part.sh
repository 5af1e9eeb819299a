#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A task of the array that slurm.sh submits: part SLURM_ARRAY_TASK_ID of the census or of the tests.

parts=$1 what=$2 logs=$3
shift 3
part=$SLURM_ARRAY_TASK_ID
results=out/check/part-$part-of-$parts.json
[ "$what" != check ] || rm -f "$results"
# A test that failed is a result, too.
${MAKE:-make} -s "$what" PARTITION="$part/$parts" "$@" || [ -e "$results" ] || exit 1
: >"$logs/$part.done"
