#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# The first process of the lab's guest: mounts, runs /job with its output on
# the second serial line, says how it ended, and powers off.

export PATH=/bin HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
. /etc/lab

if [ -n "$INTERACTIVE" ]; then
	echo "lab: modules are in /modules, programs in /selftests; exit powers off" >/dev/ttyS0
	setsid cttyhack sh </dev/ttyS0 >/dev/ttyS0 2>&1
	poweroff -f
fi

stty -F /dev/ttyS1 raw

# A job that hangs may hold locks that a clean power-off needs: reset instead.
# With its output away from the serial line: whoever is killed must not hold it.
cat >/bin/deadline <<-'END'
	#!/bin/sh
	sleep "$1"
	echo w >/proc/sysrq-trigger
	echo "lab: deadline $1" >/dev/ttyS1
	echo b >/proc/sysrq-trigger
END
chmod 755 /bin/deadline

deadline "$DEADLINE" &
[ -n "$SETTLE" ] && sleep "$SETTLE"
sh /job </dev/null >/dev/ttyS1 2>&1
code=$?

# Each of these lines is drained before the next step, as its opener closes the line.
echo "lab: exit $code" >/dev/ttyS1
poweroff -f
