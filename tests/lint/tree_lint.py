#!/usr/bin/env python3
"""Checks the tree against tests/lint/rules.py: the arrows between rooms, guards, banners, READMEs, sleeping tests, unwanted text.

    tests/lint/tree_lint.py [ROOT]

Prints one line a finding, "path:line: [rule] what is wrong", and exits 1 if there is any. It reads files and changes nothing, needs
Python 3 alone, and finds files by walking, so that it also sees what git does not know yet.
"""

import fnmatch
import os
import re
import sys
from typing import Iterator, NamedTuple

import rules

CPP = (".h", ".cc")
TEXT = CPP + (".proto", ".py", ".sh", ".md", ".bzl", ".bazel", ".yaml", ".yml", ".json", ".sql", ".js", ".conf", ".txt", ".html", ".css")
SKIPPED_FOLDERS = {".git", "node_modules", "__pycache__"}
# Rules and their tests must be able to name what they forbid; lock files are made by a program.
TEXT_CHECK_SKIPS = ("tests/lint/rules.py", "tests/lint/tree_lint_test.py", "LICENSE", "*/package-lock.json")
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]')


class Finding(NamedTuple):
    path: str
    line: int
    rule: str
    message: str

    def __str__(self):
        return f"{self.path}:{self.line}: [{self.rule}] {self.message}"


def is_test_path(path: str) -> bool:
    """Test code may include anything: all of tests/, folders testing/, and by their names *_test.cc, *_fixture.h, test_support.h and the like."""
    parts = path.split("/")
    stem = os.path.splitext(parts[-1])[0]
    words = r"(^|_)(test|tests|testing|fixture|benchmark|bench|fuzz|fuzzer)(_util|_support|_values)?$"
    return parts[0] == "tests" or "testing" in parts[:-1] or bool(re.search(words, stem))


class Source:
    """One file: its path from the root with '/', its lines, and what kind of code it is."""

    def __init__(self, path: str, text: str):
        self.path = path
        self.text = text
        self.lines = text.splitlines()
        self.parts = path.split("/")
        self.is_test = is_test_path(path)
        self.is_cpp = path.endswith(CPP)

    def room(self) -> str:
        """'libs/net', 'services/cli', 'tests/lint', or '' outside these."""
        return "/".join(self.parts[:2]) if len(self.parts) > 2 and self.parts[0] in ("libs", "services", "tests") else ""

    def is_pure(self) -> bool:
        return len(self.parts) > 2 and self.parts[0] == "libs" and self.parts[1] in rules.PURE_ROOMS

    def includes(self) -> Iterator[tuple[int, str]]:
        for number, line in enumerate(self.lines, 1):
            match = INCLUDE.match(line)
            if match:
                yield number, match.group(2)


def matches(include: str, patterns: tuple[str, ...]) -> bool:
    for pattern in patterns:
        if pattern.endswith("/") and include.startswith(pattern):
            return True
        if include == pattern or ("*" in pattern and fnmatch.fnmatch(include, pattern)):
            return True
    return False


def owns(owner: str, path: str) -> bool:
    """Whether `path` is below the folder `owner`, or matches it as a pattern."""
    return fnmatch.fnmatch(path, owner) if "*" in owner else path.startswith(owner + "/")


def code_only(line: str) -> str:
    """The line without string literals and a trailing // comment, so that prose about a call is not a call."""
    return re.sub(r"//.*$", "", re.sub(r'"(\\.|[^"\\])*"', '""', line))


def check_pure(source: Source) -> Iterator[Finding]:
    if not source.is_pure() or source.is_test or not source.is_cpp:
        return
    room = source.parts[1]
    for number, include in source.includes():
        for what, patterns in rules.PURE_FORBIDDEN.items():
            if matches(include, patterns):
                yield Finding(source.path, number, "pure", f"{include} lets {what} into the pure room libs/{room}")
        if not include.startswith("libs/"):
            continue
        other = include.split("/")[1]
        if other not in rules.PURE_ROOMS:
            yield Finding(source.path, number, "pure", f"{include}: the pure room libs/{room} includes pure rooms only")
        elif (room == "base" and other != "base") or (room == "net" and other not in ("base", "net")):
            yield Finding(source.path, number, "arrows", f"{include}: libs/{room} is below libs/{other}")
    for number, line in enumerate(source.lines, 1):
        for pattern, why in rules.PURE_FORBIDDEN_CALLS.items():
            match = re.search(pattern, code_only(line))
            if match:
                yield Finding(source.path, number, "pure", f"{match.group(0)} in the pure room libs/{room}: {why}")


def check_arrows(source: Source) -> Iterator[Finding]:
    if not source.is_cpp or source.parts[0] == "tests":
        return
    for number, include in source.includes():
        parts = include.split("/")
        if parts[0] in ("tests", "libs", "services") and is_test_path(include) and not source.is_test:
            yield Finding(source.path, number, "arrows", f"{include}: nothing outside tests includes tests")
        elif parts[0] == "services" and source.parts[0] == "libs":
            yield Finding(source.path, number, "arrows", f"{include}: libs never include services")
        elif parts[0] == "services" and source.parts[0] == "services" and parts[1] != source.parts[1]:
            yield Finding(source.path, number, "arrows", f"{include}: services/{source.parts[1]} never includes services/{parts[1]}")
        elif ".." in parts or "." in parts:
            yield Finding(source.path, number, "arrows", f"{include}: include by the path from the root")


def check_owners(source: Source) -> Iterator[Finding]:
    if not source.is_cpp or source.is_test:
        return
    for number, include in source.includes():
        for what, (patterns, owners) in rules.OWNERS.items():
            if matches(include, patterns) and not any(owns(owner, source.path) for owner in owners):
                yield Finding(source.path, number, "owners", f"{include}: {what} belongs to {', '.join(owners)}")
                break


def check_header(source: Source) -> Iterator[Finding]:
    if source.path.endswith(".h"):
        guard = "FAIRLEAD_" + re.sub(r"[^A-Z0-9]", "_", source.path[:-2].upper()) + "_H_"
        ifndef = [n for n, line in enumerate(source.lines, 1) if line == f"#ifndef {guard}"]
        if not ifndef or source.lines[ifndef[0]:ifndef[0] + 1] != [f"#define {guard}"]:
            yield Finding(source.path, 1, "guard", f"the include guard is not #ifndef {guard} followed by its #define")
        if not source.lines or source.lines[-1] != f"#endif  // {guard}":
            yield Finding(source.path, max(1, len(source.lines)), "guard", f"the last line is not '#endif  // {guard}'")
        if not source.lines or not source.lines[0].startswith("// ") or len(source.lines[0]) < 15:
            yield Finding(source.path, 1, "banner", "a header starts with a comment that says what it is for")
    if source.path.endswith(CPP + (".py",)) and len(source.lines) > rules.MAX_LINES:
        yield Finding(source.path, rules.MAX_LINES, "length", f"{len(source.lines)} lines; split it (about 500 at most)")


def is_poll_pause(lines: list[str], number: int) -> bool:
    """Whether the sleep on line `number` is the short pause of a polling loop."""
    pause = re.search(rules.POLL_PAUSE, lines[number - 1])
    above = "\n".join(code_only(line) for line in lines[max(0, number - 1 - rules.LOOP_LINES):number])
    return pause is not None and int(pause.group(1)) <= rules.MAX_POLL_PAUSE_MS and re.search(r"\b(while|for)\s*\(", above) is not None


def check_sleep(source: Source) -> Iterator[Finding]:
    if not source.path.endswith("_test.cc") or source.path in rules.MAY_SLEEP:
        return
    for number, line in enumerate(source.lines, 1):
        match = re.search(rules.SLEEP_CALLS, code_only(line))
        if match and not is_poll_pause(source.lines, number):
            yield Finding(source.path, number, "sleep", f"{match.group(0)}…): poll with a deadline instead of sleeping")


def check_reads(source: Source) -> Iterator[Finding]:
    if not source.is_cpp or source.path.endswith("_test.cc"):
        return
    for number, line in enumerate(source.lines, 1):
        for pattern, why in rules.THROWING_READS.items():
            match = re.search(pattern, code_only(line))
            if match:
                yield Finding(source.path, number, "reads", f"{match.group(0)[-40:]}: {why}")


def check_prefetch(source: Source) -> Iterator[Finding]:
    if not source.is_cpp:
        return
    for match in re.finditer(rules.ONLY_PREFETCHES, source.text, re.MULTILINE):
        if re.search(rules.KEPT_PREFETCHES, match.group(1)) is None:
            number = source.text.count("\n", 0, match.start()) + 1
            yield Finding(source.path, number, "prefetch", f"{match.group(1).strip()[:60]}: only prefetches, so g++ leaves out its calls: inline it by force")


def check_text(source: Source) -> Iterator[Finding]:
    if any(fnmatch.fnmatch(source.path, pattern) for pattern in TEXT_CHECK_SKIPS):
        return
    for pattern, why in rules.FORBIDDEN_TEXT.items():
        for match in re.finditer(pattern, source.text, re.MULTILINE):
            number = source.text.count("\n", 0, match.start()) + 1
            yield Finding(source.path, number, "text", f"'{match.group(0).strip()[:40]}': {why}")


def check_folders(sources: list[Source]) -> Iterator[Finding]:
    paths = {source.path: source for source in sources}
    for room in sorted({source.room() for source in sources} - {""}):
        top = room.split("/")[0]
        build = paths.get(f"{room}/BUILD.bazel")
        has_banner = build is not None and bool(build.lines) and build.lines[0].startswith("# ")
        if f"{room}/README.md" in paths or (top == "libs" and has_banner):
            continue
        if top == "services":
            yield Finding(f"{room}/README.md", 1, "readme", "every service has a README.md")
        elif top == "libs":
            yield Finding(f"{room}/BUILD.bazel", 1, "readme", "a room has a README.md or a BUILD.bazel that starts with a comment on what it is")


CHECKS = (check_pure, check_arrows, check_owners, check_header, check_sleep, check_reads, check_prefetch, check_text)


def read_tree(root: str) -> list[Source]:
    sources = []
    for folder, names, files in os.walk(root):
        names[:] = sorted(n for n in names if n not in SKIPPED_FOLDERS and not os.path.islink(os.path.join(folder, n)))
        for name in sorted(files):
            full = os.path.join(folder, name)
            path = os.path.relpath(full, root).replace(os.sep, "/")
            if os.path.islink(full) or not (name.endswith(TEXT) or path in ("run", "LICENSE", "WORKSPACE")):
                continue
            with open(full, encoding="utf-8", errors="replace") as file:
                sources.append(Source(path, file.read()))
    return sources


def lint(sources: list[Source], exceptions=None) -> list[Finding]:
    """Everything wrong, in order of path and line. An exception that nothing needs is wrong too."""
    exceptions = rules.EXCEPTIONS if exceptions is None else exceptions
    findings, used = [], set()
    for source in sources:
        for check in CHECKS:
            for finding in check(source):
                key = next((k for k in exceptions if k[0] == finding.path and k[1] == finding.rule and finding.message.startswith(k[2])), None)
                if key is None:
                    findings.append(finding)
                else:
                    used.add(key)
    findings.extend(check_folders(sources))
    for key in exceptions:
        if key not in used:
            findings.append(Finding(key[0], 1, "exception", f"nothing needs the exception ({key[1]}, {key[2]}) any more"))
    return sorted(findings)


def main(arguments: list[str]) -> int:
    root = arguments[0] if arguments else os.path.dirname(os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    sources = read_tree(root)
    # A lint that looked in the wrong place would pass.
    if not any(source.path == "WORKSPACE" for source in sources) or len(sources) < 20:
        print(f"tree_lint: '{root}' is not the root of the tree ({len(sources)} files found)", file=sys.stderr)
        return 2
    findings = lint(sources)
    for finding in findings:
        print(finding)
    print(f"tree_lint: {len(sources)} files, {len(findings)} finding{'' if len(findings) == 1 else 's'}", file=sys.stderr)
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
