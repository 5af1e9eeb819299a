#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes the dmesg beside this file: slow devices, an insmod that has nothing to
# do with them, and the calls of userspace. In the checkout:
#
#   out/target/debug/lab vm --job tools/lifecycle/tests/logs/convoy_with_calls.sh

call() {
	asks=
	[ "$1" != insmod ] || asks=' async_probe=0'
	echo "lifecycle: call_began call=$1 on=$2 pid=$$$asks" >/dev/kmsg
	call=$1
	on=$2
	shift 2
	"$@"
	echo "lifecycle: call_returned call=$call on=$on pid=$$ ret=0" >/dev/kmsg
}

if [ "$1" = inner ]; then
	call insmod slow_platform_driver insmod /modules/slow_platform_driver.ko firmware_ms=500
	exit
fi

driver=/sys/bus/platform/drivers/slow_platform
insmod /modules/async_probe.ko
insmod /modules/slow_platform_devices.ko devices=4
sh "$0" inner &
sleep 0.1
call insmod unrelated insmod /modules/unrelated.ko
wait
call unbind slow_platform.2 sh -c "echo slow_platform.2 >$driver/unbind"
call bind slow_platform.2 sh -c "echo slow_platform.2 >$driver/bind"
call rmmod unrelated rmmod unrelated
call rmmod slow_platform_driver rmmod slow_platform_driver
dmesg | grep -E '\] (async_probe: timing|lifecycle): '
