#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
#
# Fails if files of a crate use each other in a circle:
#
#   scripts/check-imports.py tools/lab/src/lib.rs rust/async_probe/async_probe.rs
#
# Each argument is the root file of a crate. A file uses another if a path in it
# (`crate::a::b`, `self::`, `super::`, or the name of a child module) leads into
# that one. A name that a file only passes on (`pub use`) leads to the file that
# it comes from. `mod` alone is no use, and tests are left out.

import graphlib
import re
import sys
from pathlib import Path

COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/|b?\"(?:\\.|[^\"\\])*\"", re.S)
TESTS = re.compile(
    r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))? )?mod \w+ \{.*?^\}|#\[kunit_tests\(.*?^\}", re.S | re.M
)
USE = re.compile(r"^\s*(pub(?:\([^)]*\))? )?use ([^;]+);", re.M)
PATH = re.compile(r"(?<![\w:$])(?:\w+::)+[\w{*]")


def leaves(tree, prefix=()):
    """The paths of `a::{b, c::d as e}`, each with the name that it has here."""
    tree = tree.strip()
    if "{" not in tree:
        path, _, name = tree.partition(" as ")
        path = tuple(part.strip() for part in path.split("::"))
        yield (prefix + path[:-1] if path[-1] == "self" else prefix + path), name.strip()
        return
    head, rest = tree.split("{", 1)
    prefix += tuple(part.strip() for part in head.split("::") if part.strip())
    depth, part = 0, ""
    for char in rest[: rest.rindex("}")] + ",":
        if char == "," and depth == 0:
            if part.strip():
                yield from leaves(part, prefix)
            part = ""
            continue
        depth += {"{": 1, "}": -1}.get(char, 0)
        part += char


class Crate:
    """The modules of a crate, by path, and what is in their files."""

    def __init__(self, root):
        self.texts, self.files, self.passed_on = {}, {}, {}
        self.add((), root, root.parent)

    def add(self, module, file, directory):
        text = COMMENT.sub("", TESTS.sub("", file.read_text()))
        self.texts[module], self.files[module] = text, file
        # A macro may declare modules: every file that can be one is.
        for child in [*directory.glob("*.rs"), *directory.glob("*/mod.rs")]:
            name = child.parent.name if child.name == "mod.rs" else child.stem
            if child.parent == directory and child.name in ("lib.rs", "main.rs", "mod.rs", file.name):
                continue
            self.add(module + (name,), child, directory / name)
        self.passed_on[module] = {
            name or path[-1]: path
            for public, tree in USE.findall(text)
            if public
            for path, name in leaves(tree)
        }

    def module(self, user, path, seen=frozenset()):
        """The module that a path leads to, as `user` writes it."""
        at, rest = user, list(path)
        if rest[0] == "crate":
            at, rest = (), rest[1:]
        elif rest[0] in ("self", "super"):
            while rest and rest[0] in ("self", "super"):
                at = at[:-1] if rest[0] == "super" else at
                rest = rest[1:]
        elif user + (rest[0],) not in self.texts:
            return None
        while rest and at + (rest[0],) in self.texts:
            at, rest = at + (rest[0],), rest[1:]
        on = self.passed_on[at].get(rest[0]) if rest else None
        if on and (at, rest[0]) not in seen:
            return self.module(at, tuple(on) + tuple(rest[1:]), seen | {(at, rest[0])}) or at
        return at

    def uses(self, user):
        text = self.texts[user]
        # To pass a name on is no use of it.
        trees = [tree for public, tree in USE.findall(text) if not public]
        paths = [path for tree in trees for path, _ in leaves(tree)]
        for path in PATH.findall(USE.sub("", text)):
            paths.append(tuple(part for part in re.split("::", path) if part not in ("{", "*")))
        found = {self.module(user, path) for path in paths if path}
        return found - {None, user}


def main(roots):
    status = 0
    for root in map(Path, roots):
        crate = Crate(root)
        graph = {module: crate.uses(module) for module in crate.texts}
        while True:
            try:
                graphlib.TopologicalSorter(graph).prepare()
                break
            except graphlib.CycleError as error:
                circle = error.args[1]
                print(" <- ".join(str(crate.files[module]) for module in circle))
                status = 1
                # The next one is looked for without this one.
                graph[circle[1]] = graph[circle[1]] - {circle[0]}
    return status


sys.exit(main(sys.argv[1:]))
