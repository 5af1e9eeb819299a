#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Reads KTAP with the parsers that others read it with, and says in KTAP of its
own whether they had anything to complain about.

    read-ktap.py kunit KERNEL_SOURCE FILE...
    read-ktap.py tap FILE...

kunit is the parser of the kernel's tools/testing/kunit/kunit.py, tap that of
Python's tap.py, which knows all of KTAP but the line with its version. Each must
find as many results as the file has, and nothing that it cannot make sense of.
"""

import contextlib
import os
import re
import sys

RESULT = re.compile(r"^(not )?ok \d+", re.MULTILINE)


def kunit(source):
    """The reader of the kernel's own parser."""
    sys.path.insert(0, os.path.join(source, "tools/testing/kunit"))
    import kunit_parser
    from kunit_printer import Printer

    class Listener(Printer):
        """Keeps what the parser complains about."""

        def __init__(self):
            super().__init__(print=False)
            self.said = []

        def print_with_timestamp(self, message):
            self.said.append(message)

    def read(text):
        listener = Listener()
        test = kunit_parser.parse_run_tests(text.splitlines(True), listener)
        complaints = [line for line in listener.said if "ERROR" in line]
        if test.counts.errors and not complaints:
            complaints = [f"{test.counts.errors} errors"]
        return test.counts.total(), complaints

    return read


def tap():
    """The reader of Python's tap.py."""
    from tap.parser import Parser

    def read(text):
        results, complaints, planned = 0, [], None
        for line in Parser().parse_text(text.replace("KTAP version 1\n", "", 1)):
            if line.category == "test":
                results += 1
            elif line.category == "plan":
                planned = line.expected_tests
            elif line.category not in ("diagnostic", "version"):
                complaints.append(f"a line that is {line.category}")
        if planned != results:
            complaints.append(f"planned {planned}, saw {results}")
        return results, complaints

    return read


def main(arguments):
    """Reads all files with one reader."""
    who = arguments.pop(0) if arguments else ""
    if who == "kunit" and arguments:
        read = kunit(arguments.pop(0))
    elif who == "tap":
        try:
            read = tap()
        except ImportError:
            print("KTAP version 1\n1..0 # SKIP python3 has no tap.py: pip install tap.py")
            return 4
    else:
        print(__doc__, file=sys.stderr)
        return 2
    print(f"KTAP version 1\n1..{len(arguments)}")
    verdict = 0
    for number, path in enumerate(arguments, 1):
        with open(path, encoding="utf-8", errors="replace") as file:
            text = file.read()
        # What the parsers print themselves is not for our readers.
        with contextlib.redirect_stdout(sys.stderr):
            found, complaints = read(text)
        expected = len(RESULT.findall(text))
        if found != expected:
            complaints.append(f"found {found} results of {expected}")
        for complaint in complaints:
            print(f"# {complaint}")
        verdict |= bool(complaints)
        name = os.path.splitext(os.path.basename(path))[0]
        print(f"{'not ' if complaints else ''}ok {number} {who} reads {name}")
    return verdict


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
