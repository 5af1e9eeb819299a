#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes the recording beside this file: the boot of a stock kernel that records
# itself. In the checkout, after `make probe-analyze`:
#
#   pa=out/target/x86_64-unknown-linux-gnu/release/probe-analyze
#   out/target/debug/lab vm --program $pa --job tools/probe-analyze/tests/logs/boot.sh \
#       --append "$($pa boot-line --quiet --kernel 7.3.4)" | base64 -d >boot.txt
#
# In boot.txt, the licence line is put in by hand, the part dmesg and the blanks
# at the ends of lines are taken out, and the checksum is made again.

/selftests/probe-analyze collect --quiet --anonymise /tmp/boot.txt || exit
busybox base64 /tmp/boot.txt
