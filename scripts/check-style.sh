#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Checks the style of all files that git knows or would take up: `make style`.
# Names of checks as arguments run just those: `scripts/check-style.sh licence`.
#
# What belongs to the kernel is checked by the tools of the kernel that the lab
# has prepared, in the lab's root file system, so that the verdict is the same
# on every machine. The output of a check is shown when it fails.

set -u
cd "$(dirname "$0")/.." || exit

LAB=${LAB:-out/target/debug/lab}
CARGO=${CARGO:-cargo}

# The files below the given paths or that match the given patterns.
files()
{
	git ls-files --cached --others --exclude-standard --deduplicate -- "$@" |
		while IFS= read -r file; do
			[ -f "$file" ] && printf '%s\n' "$file"
		done
}

kernel_rust()
{
	files 'rust/*.rs' ':(glob)samples/*.rs' samples/firmware/image.rs \
		':(glob)tools/testing/selftests/async_probe/test_modules/*.rs' \
		':(glob)tools/bench/modules/*.rs'
}

# The root files of all crates.
roots()
{
	files rust/async_probe/async_probe.rs samples/firmware/lib.rs \
		':(glob)tools/**/src/lib.rs' ':(glob)tools/**/src/**/main.rs'
}

# Every file names its licence at its top, but those that cannot.
check_licence()
{
	files ':!COPYING' ':!*.lock' ':!*.json' ':!*.gz' ':!scripts/series' \
		':!tools/lifecycle/tests/posted' | {
		status=0
		while IFS= read -r file; do
			head -n 3 "$file" | grep -q 'SPDX-License-Identifier: GPL-2.0' && continue
			echo "$file: no SPDX-License-Identifier: GPL-2.0 in the first three lines"
			status=1
		done
		return $status
	}
}

# No file depends on the machine that it was written on, or on a package host.
check_portable()
{
	status=0
	files ':!*.lock' | xargs -d '\n' grep -nHIF -e "$PWD" && status=1
	files ':!*.lock' | xargs -d '\n' grep -nHIE \
		-e '(^|[^[:alnum:]_.])/(home|Users)/[[:alnum:]]' \
		-e '(deb|security|snapshot)[.]debian[.]org|crates[.]io' && status=1
	# A lock file names the registry that cargo means by default, and no other.
	files '*.lock' | xargs -d '\n' grep -nH '^source = ' |
		grep -v '"registry+https://github.com/rust-lang/crates[.]io-index"$' && status=1
	return $status
}

# No trailing blanks, and a newline at the end. Patches have blanks before what does not change, and
# posted logs are as they were posted.
check_whitespace()
{
	files ':!*.patch' ':!*.gz' ':!tools/lifecycle/tests/posted' | {
		status=0
		while IFS= read -r file; do
			grep -nHIE '[[:blank:]]+$' "$file" && status=1
			[ -z "$(tail -c 1 "$file")" ] && continue
			echo "$file: no newline at the end"
			status=1
		done
		return $status
	}
}

# Lines of comments are at most 100 columns, in all languages.
check_columns()
{
	files '*.rs' '*.[ch]' '*.sh' '*.py' '*.js' '*.css' '*.toml' '*.config' \
		'*Makefile' '*Kbuild' '*Kconfig' | {
		status=0
		while IFS= read -r file; do
			LC_ALL=C.UTF-8 grep -nHE '^[[:blank:]]*(//|/?[*]|# ).{98,}$' "$file" |
				LC_ALL=C.UTF-8 grep -E '^[^:]+:[0-9]+:.{101,}$' && status=1
		done
		return $status
	}
}

# Files of a crate do not use each other in a circle.
check_imports()
{
	# shellcheck disable=SC2046 # none of our names has blanks
	$LAB exec python3 scripts/check-imports.py $(roots)
}

check_rustfmt()
{
	# shellcheck disable=SC2046 # none of our names has blanks
	$LAB exec rustfmt --check --config-path /lab/kernel/src $(kernel_rust)
}

# A warning is an error, and so it is found again until it is mended.
check_clippy()
{
	mkdir -p out/style &&
		$LAB modules CLIPPY=1 W=1e MO=/lab/project/out/style
}

# EXPORT_SYMBOL, MACRO_ARG_REUSE: exports.c exports what Rust defines, as rust/exports.c does.
check_checkpatch()
{
	# Two drivers of the tests are built for Linux 6.12, too: they look at the version.
	# shellcheck disable=SC2046 # none of our names has blanks
	$LAB exec perl /lab/kernel/src/scripts/checkpatch.pl \
		--no-tree --strict --terse --show-types --no-summary \
		--ignore EXPORT_SYMBOL,MACRO_ARG_REUSE,LINUX_VERSION_CODE,CONSTANT_COMPARISON \
		-f $(kernel_rust) $(files '*.[ch]' '*.rst' '*Kconfig' '*Kbuild' '*Makefile')
}

# The crate's abstractions use each other, the prelude, the bindings and the kernel crate.
check_layers()
{
	! files 'rust/async_probe/abstractions*' rust/async_probe/prelude.rs |
		xargs -d '\n' grep -nE '(^|[^$])\bcrate::' |
		grep -vE '//|crate::(abstractions|bindings|prelude)\b'
}

check_cargo_fmt()
{
	# cargo does not see the modules that a macro declares.
	# shellcheck disable=SC2046 # the names are words
	$CARGO fmt --manifest-path tools/Cargo.toml --all --check -- \
			$(find tools/testing/selftests/async_probe/src/programs \
				tools/lifecycle/src/laws -name '*.rs') &&
		$CARGO fmt --manifest-path samples/firmware/fuzz/Cargo.toml --check &&
		$CARGO fmt --manifest-path tools/lifecycle/fuzz/Cargo.toml --check
}

check_cargo_clippy()
{
	(cd tools && $CARGO clippy --quiet --locked --workspace --all-targets -- -D warnings)
}

all="licence portable whitespace columns imports layers"
all="$all cargo_fmt cargo_clippy rustfmt clippy checkpatch"
failed=
log=$(mktemp) || exit
trap 'rm -f "$log"' EXIT

# shellcheck disable=SC2086 # the names are words
[ $# -gt 0 ] || set -- $all

for check in "$@"; do
	case " $all " in
	*" $check "*) ;;
	*)
		echo "style: no check \`$check\`: expected one of $all" >&2
		exit 2
		;;
	esac
	printf 'style: %s' "$check"
	if "check_$check" >"$log" 2>&1; then
		echo ": ok"
	else
		echo ": FAILED"
		cat "$log"
		failed="$failed $check"
	fi
done

if [ -n "$failed" ]; then
	echo "style: failed:$failed"
	exit 1
fi
