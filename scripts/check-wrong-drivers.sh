#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Checks check-driver: each fault of the driver in test_modules/wrong_driver must be
# in the report by name. That driver without a fault must be clean, and so must the one
# in test_modules/right_driver. Names of faults as arguments run just those. Each takes
# two boots. Those that a stock kernel does not show run on KERNEL=debug.

set -u
cd "$(dirname "$0")/.." || exit
modules=tools/testing/selftests/async_probe/test_modules
failed=0

for fault in ${*:-$(sed -n 's/^\([a-z_]*\)[ :].*/\1/p' $modules/*_driver/expected.txt)}; do
	dir=$modules/wrong_driver params=fault=$fault
	[ "$fault" != right ] || { dir=$modules/right_driver params=; }
	words=$(sed -n "s/^$fault\( [^:]*\)\{0,1\}: //p" $dir/expected.txt)
	besides=$(sed -n "s/^$fault\( [^:]*\): .*/\1/p" $dir/expected.txt)
	[ -n "$words" ] || { echo "no fault $fault in $dir/expected.txt"; exit 2; }
	# shellcheck disable=SC2086 # Several words.
	report=$(make -s check-driver SRC=$dir PARAMS="$params" $besides 2>&1)
	if printf '%s\n' "$report" | tr -s '\n ' ' ' | grep -qF -- "$words"; then
		echo "$fault: ok"
	else
		echo "$fault: FAILED, no \`$words' in:"
		printf '%s\n' "$report" | head -30
		failed=1
	fi
done
exit $failed
