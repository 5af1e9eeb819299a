#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes the recording beside this file, of a driver in C and of an insmod that
# has nothing to do with it. In the checkout, after `make probe-analyze`:
#
#   out/target/debug/lab vm --program .../release/probe-analyze \
#       --job tools/lifecycle/tests/logs/c_driver_convoy.sh >recording
#
# The licence line of c_driver_convoy.txt is put in by hand, and the checksum at
# its end made again.

if [ "$1" != inner ]; then
	/selftests/probe-analyze record --quiet --out /tmp/recording -- sh "$0" inner >&2 2>/dev/null || exit
	exec cat /tmp/recording
fi

insmod /modules/kthread_probe.ko prefer_async=1 devices=3 firmware_ms=500 &
sleep 0.1
insmod /modules/unrelated.ko
wait
rmmod unrelated
rmmod kthread_probe
