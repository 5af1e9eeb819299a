#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Makes the recording beside this file. In the checkout, with the guest programs
# built:
#
#   out/target/debug/lab vm --program .../release/probe-analyze \
#       --job tools/lifecycle/tests/recordings/platform_and_bus.sh >recording
#
# The licence line of platform_and_bus.txt is put in by hand, and the checksum
# at its end made again.

if [ "$1" != inner ]; then
	/selftests/probe-analyze record --quiet --out /tmp/recording -- sh "$0" inner >&2 2>/dev/null || exit
	exec cat /tmp/recording
fi

insmod /modules/async_probe.ko
insmod /modules/slow_platform_devices.ko devices=3
(insmod /modules/slow_platform_driver.ko probe_type=prefer_asynchronous firmware_ms=500) &
sleep 0.1
rmmod slow_platform_driver
insmod /modules/unrelated.ko
wait
rmmod unrelated
echo slow_platform.0 >/sys/bus/platform/drivers/slow_platform/unbind
echo slow_platform.0 >/sys/bus/platform/drivers/slow_platform/bind
rmmod slow_platform_driver
insmod /modules/slow_platform_driver.ko probe_type=prefer_asynchronous firmware_ms=500 async_probe
sleep 0.1
echo slow_platform.2 >/sys/bus/platform/drivers/slow_platform/unbind
rmmod slow_platform_devices
rmmod slow_platform_driver
insmod /modules/slow_platform_driver.ko probe_type=prefer_asynchronous firmware_ms=500 async_probe
insmod /modules/slow_platform_devices.ko devices=2 async_probe
sleep 0.1
rmmod slow_platform_driver
rmmod slow_platform_devices
insmod /modules/slow_bus.ko devices=2
insmod /modules/slow_bus_driver.ko design=exclusive_attach firmware_ms=500
insmod /modules/unrelated.ko
rmmod unrelated
sleep 1

echo 1 >/sys/bus/slow_bus/remove
rmmod slow_bus_driver
rmmod slow_bus
