#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs an installed tree (make kselftest-install) with the kernel's own runner,
# as LAVA and others do, and prints KTAP. What the runner says goes into comments,
# after a `|`, for programs that parse it.
#
#@ plain: it runs others

TREE=/kselftest
wanted=$1

# The runner, with its output in $said and its exit code in $code.
runner() {
	said=$("$TREE/run_kselftest.sh" "$@" 2>&1)
	code=$?
	echo "$said" | sed 's/^/# | /'
}

# Whether a whole line of the output is this.
says() {
	echo "$said" | grep -q -x "$1"
}

lists_the_tests() {
	runner -l
	[ "$code" = 0 ] && [ "$said" = "$(
		cd "$TREE" || exit
		for file in async_probe/*; do
			# All tests are in this one file, and links to it.
			[ "$file" != async_probe/selftests ] &&
				[ -f "$file" ] && [ -x "$file" ] && echo "$file" | sed 's|/|:|'
		done
	)" ]
}

runs_one_test() {
	runner -t async_probe:force_sync
	[ "$code" = 0 ] &&
		says '1\.\.1' &&
		says '# timeout set to 900' &&
		says '# ok 1 force_sync: .*' &&
		says 'ok 1 selftests: async_probe: force_sync'
}

runs_a_collection() {
	runner -c async_probe
	all=$(wc -l <"$TREE/kselftest-list.txt")
	[ "$code" = 0 ] &&
		says "1\.\.$all" &&
		says 'ok [0-9]* selftests: async_probe: numa # SKIP' &&
		[ "$(echo "$said" | grep -c '^ok ')" = "$all" ]
}

ends_a_test_at_its_timeout() {
	mkdir "$TREE/hang"
	echo 'timeout=5' >"$TREE/hang/settings"
	printf '#!/bin/sh\nsleep 1000\n' >"$TREE/hang/hang"
	chmod 755 "$TREE/hang/hang"
	cp "$TREE/kselftest-list.txt" /tmp/list
	echo hang:hang >>"$TREE/kselftest-list.txt"
	runner -t hang:hang
	cp /tmp/list "$TREE/kselftest-list.txt"
	rm -r "$TREE/hang"
	[ "$code" = 1 ] && says 'not ok 1 selftests: hang: hang # TIMEOUT 5 seconds'
}

# Sets $name for a function, if that is wanted.
name() {
	name="kselftest: $(echo "$1" | tr _ ' ')"
	case "$name" in
	*"$wanted"*) ;;
	*) return 1 ;;
	esac
}

set -- lists_the_tests runs_one_test runs_a_collection ends_a_test_at_its_timeout
planned=0
for test; do
	name "$test" && planned=$((planned + 1))
done
echo "KTAP version 1"
if [ -n "$ASYNC_PROBE_LIST" ] || [ "$planned" = 0 ]; then
	for test; do
		echo "# test: kselftest: $(echo "$test" | tr _ ' ')"
	done
fi
if [ -n "$ASYNC_PROBE_LIST" ]; then
	echo "1..0 # SKIP only listed"
	exit 4
fi
echo "1..$planned"
number=0
failed=0
for test; do
	name "$test" || continue
	number=$((number + 1))
	if "$test"; then
		echo "ok $number $name"
	else
		echo "# exit code $code"
		echo "not ok $number $name"
		failed=1
	fi
done
exit "$failed"
