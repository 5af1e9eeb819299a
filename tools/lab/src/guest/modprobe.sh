#!/bin/busybox sh
# SPDX-License-Identifier: GPL-2.0
#
# What request_module() calls in the guest: loads what is in /modules, and says
# in the kernel's log what was asked for.

for name; do
	case $name in -*) continue ;; esac
	echo "lab: request_module: $name" >/dev/kmsg
	name=$(echo "$name" | tr - _)
	for file in "/modules/$name.ko" "/modules/$(echo "$name" | tr _ -).ko"; do
		[ -f "$file" ] && exec insmod "$file"
	done
	exit 1
done
