#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# A Slurm of one node in the lab's root file system, and on it two parts of a small census. The
# worker of one is killed in the middle: its part is run again, but for the row that it has written.
# `make fleet-demo`.

set -eu
cd "$(dirname "$0")/../.."
top=$PWD
LAB=${LAB:-out/target/debug/lab}
mkdir -p out/fleet
exec "$LAB" exec --host bash /lab/project/scripts/fleet/demo-inside.sh "$top" "$HOME" "$PATH"
