#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes the dmesg beside this file, of a kernel that nothing was added to and of
# a driver in C. In the checkout:
#
#   out/target/debug/lab vm --job tools/lifecycle/tests/logs/initcall_debug.sh \
#       --append 'initcall_debug log_buf_len=4M dyndbg="file kernel/async.c +p"'
#
# initcall_debug.txt leaves out what is before the initcalls of level device.

insmod /modules/kthread_probe.ko prefer_async=1 devices=3 firmware_ms=500 &
sleep 0.1
insmod /modules/unrelated.ko
wait
rmmod unrelated
rmmod kthread_probe
dmesg | sed -n '/entering initcall level: device/,$p'
