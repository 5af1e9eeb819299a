#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads KTAP with the parser of the kernel's tools/testing/kunit/kunit.py, and says
in KTAP of its own whether that has complained about anything.

    read-ktap.py KERNEL_SOURCE FILE...

It must find as many results as each file has.
"""

import contextlib
import os
import re
import sys

RESULT = re.compile(r"^(not )?ok \d+", re.MULTILINE)


def complaints(text):
    """Complaints of the kernel's parser about a text."""
    import kunit_parser
    from kunit_printer import Printer

    class Listener(Printer):
        """Keeps what the parser prints."""

        def __init__(self):
            super().__init__(print=False)
            self.said = []

        def print_with_timestamp(self, message):
            self.said.append(message)

    listener = Listener()
    # The parser also prints to standard output, which is ours.
    with contextlib.redirect_stdout(sys.stderr):
        counts = kunit_parser.parse_run_tests(text.splitlines(True), listener).counts
    found = [line for line in listener.said if "ERROR" in line]
    if counts.errors and not found:
        found = [f"{counts.errors} errors"]
    expected = len(RESULT.findall(text))
    if counts.total() != expected:
        found.append(f"found {counts.total()} results of {expected}")
    return found


def main(source, files):
    """Reads all files."""
    sys.path.insert(0, os.path.join(source, "tools/testing/kunit"))
    print(f"KTAP version 1\n1..{len(files)}")
    failed = False
    for number, path in enumerate(files, 1):
        with open(path, encoding="utf-8", errors="replace") as file:
            found = complaints(file.read())
        for complaint in found:
            print(f"# {complaint}")
        name = os.path.splitext(os.path.basename(path))[0]
        print(f"{'not ' if found else ''}ok {number} kunit reads {name}")
        failed |= bool(found)
    return int(failed)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(sys.argv[1], sys.argv[2:]))
