#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# The first process of the lab's guest: mounts, lets the kernel settle, gets what
# the run brings, runs /job with its output on the second serial line, says how it
# ended, and powers off. A snapshot is taken in the middle: what comes before
# late-initramfs depends on nothing that a run brings.

export PATH=/bin HOME=/root
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
ln -s /proc/self/fd /dev/fd
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t tmpfs tmpfs /tmp
mount -t tracefs tracefs /sys/kernel/tracing 2>/dev/null
mount -t debugfs debugfs /sys/kernel/debug 2>/dev/null
# Races that are meant: a reader of the log copies a record's descriptor without a
# lock, and a writer that makes room reads whose record the oldest text is. Both look
# afterwards whether that has changed (kernel/printk/printk_ringbuffer.c,
# desc_read() and data_make_reusable(), which gcc inlines). A task that leaves a queue
# of spinning tasks reads which one is behind it until there is one
# (kernel/locking/osq_lock.c, osq_wait_next(), in osq_unlock()). A task that calls a
# function on another processor reads whether that one has taken up the last call
# (kernel/smp.c, smp_call_function_single_async()). The scheduler looks for processors
# that sleep while others fall asleep (kernel/sched/fair.c, _nohz_idle_balance(), by
# _find_first_bit()).
if [ -w /sys/kernel/debug/kcsan ]; then
	echo '!desc_read' >/sys/kernel/debug/kcsan
	echo '!data_push_tail' >/sys/kernel/debug/kcsan
	echo '!osq_unlock' >/sys/kernel/debug/kcsan
	echo '!smp_call_function_single_async' >/sys/kernel/debug/kcsan
	echo '!_find_first_bit' >/sys/kernel/debug/kcsan
	echo on >/sys/kernel/debug/kcsan
fi
. /etc/lab

# Waits until all output is out, too: whatever the job left behind may hold the line open.
cat >/bin/drain <<-'END'
	#!/bin/sh
	stty -F "/dev/$RESULTS" raw
END
chmod 755 /bin/drain
drain

[ -n "$SETTLE" ] && sleep "$SETTLE"
# On the processor that QEMU lets go on first.
taskset 1 late-initramfs >"/dev/$RESULTS"
# The trial of a snapshot brings nothing, and so does a boot whose snapshot was missed.
[ -f /etc/run ] || poweroff -f
. /etc/run
# Devices that were plugged in since are found meanwhile.
[ -n "$DEVICES" ] && sleep "${SETTLE:-5}"

if [ -n "$INTERACTIVE" ]; then
	echo "lab: modules are in /modules, programs in /selftests; exit powers off" >"/dev/$CONSOLE"
	setsid cttyhack sh <"/dev/$CONSOLE" >"/dev/$CONSOLE" 2>&1
	echo "lab: exit $?" >"/dev/$RESULTS"
	poweroff -f
fi

# A job that hangs may hold locks that a clean power-off needs: reset instead.
cat >/bin/deadline <<-'END'
	#!/bin/sh
	sleep "$1"
	echo w >/proc/sysrq-trigger
	echo "lab: deadline $1" >"/dev/$RESULTS"
	drain
	echo b >/proc/sysrq-trigger
END
chmod 755 /bin/deadline

deadline "$DEADLINE" &
sh /job </dev/null >"/dev/$RESULTS" 2>&1
code=$?

# The job's last line may lack its end.
printf '\nlab: exit %s\n' "$code" >"/dev/$RESULTS"
drain
poweroff -f
