"""Run the suites of tests that take long: the whole of one, or the part of it that always runs.

    python tools/suites.py run NAME     the whole; writes the digest when all of it has passed
    python tools/suites.py short NAME   the part that always runs
    python tools/suites.py ci           of each suite the short part; the whole if what it covers has changed
    python tools/suites.py status       say which that would be, and run nothing

A suite is a folder of tests with a file ``suite.toml``:

- ``name``
- ``whole``     the arguments of pytest that run all of it
- ``short``     those that run the part that always runs; without it, nothing always runs
- ``together``  true instead of it: ``make test`` runs the suite with all other tests: what is marked
  ``always``, or the whole if what it covers has changed
- ``covers``    what it is about beside its own folder: a file, a folder with a slash at its end, or a pattern
  (``*`` is anything)
- ``may_skip``  beginnings of the reasons for which a test may skip, although the whole counts as passed
- ``not_with``  environment variables that make a run say nothing about the covered files

``suite.digest`` beside it has the SHA-256, the mode and the path of each covered file as they were when the
whole passed, and first a total of these lines: two of them that git merges are not taken for one that ran.
Only git and Python's standard library are needed, and pytest.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import signal
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent
DEFINITION, DIGEST = "suite.toml", "suite.digest"
LINK, PROGRAM, FILE = "120000", "100755", "100644"
#: More names than this are only counted.
NAMED = 5


class SuiteError(Exception):
    """Why there is nothing to run, in a sentence."""


@dataclass(frozen=True)
class Suite:
    """A suite of tests as its definition tells it."""

    folder: Path
    name: str
    whole: tuple[str, ...]
    covers: tuple[str, ...]
    short: tuple[str, ...] = ()
    together: bool = False
    may_skip: tuple[str, ...] = ()
    not_with: tuple[str, ...] = ()

    @property
    def digest(self) -> Path:
        """The file that tells what was covered when the whole passed."""
        return self.folder / DIGEST

    def is_about(self, path: str) -> bool:
        """Tell whether a path of the repository is covered."""
        if ROOT / path == self.digest:
            return False
        covers = (f"{self.folder.relative_to(ROOT).as_posix()}/", *self.covers)
        return any(
            path.startswith(each) if each.endswith("/") else fnmatchcase(path, each) for each in covers
        )


# --- what suites there are ---


def suites() -> list[Suite]:
    """Return every suite, by name."""
    found = [_read(path) for path in sorted((ROOT / "tests").rglob(DEFINITION))]
    names = [suite.name for suite in found]
    for name in names:
        if names.count(name) > 1:
            raise SuiteError(
                f"Two suites are called {name}: give each a name of its own in its {DEFINITION}."
            )
    return sorted(found, key=lambda suite: suite.name)


def suite(name: str) -> Suite:
    """Return the suite of a name."""
    known = {each.name: each for each in suites()}
    if name not in known:
        raise SuiteError(f"There is no suite {name}. There is: {', '.join(known) or 'none'}.")
    return known[name]


def _read(path: Path) -> Suite:
    said = tomllib.loads(path.read_text(encoding="utf-8"))
    where = path.relative_to(ROOT)
    missing = {"name", "whole", "covers"} - said.keys()
    unknown = said.keys() - {"name", "whole", "short", "together", "covers", "may_skip", "not_with"}
    for names, what in ((missing, "lacks"), (unknown, "has the unknown")):
        if names:
            raise SuiteError(
                f"{where} {what} {', '.join(sorted(names))}: see the first lines of tools/suites.py."
            )
    if said.get("short") and said.get("together"):
        raise SuiteError(f"{where} has both short and together: see the first lines of tools/suites.py.")
    given = {key: tuple(value) if isinstance(value, list) else value for key, value in said.items()}
    return Suite(path.parent, **given)


# --- what they cover ---


def fingerprints(suite: Suite) -> list[str]:
    """Return a line for each covered file: its SHA-256, its mode, its path."""
    words = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, check=False)  # noqa: S603
    if done.returncode != 0:
        reason = done.stderr.decode(errors="replace").strip()
        raise SuiteError(f"git cannot list the files of {ROOT}, so nobody knows what has changed: {reason}")
    paths = {os.fsdecode(path) for path in done.stdout.split(b"\0") if path}
    return [line for path in sorted(paths) if suite.is_about(path) and (line := _fingerprint(path))]


def _fingerprint(path: str) -> str:
    """Return the line of a file, or nothing where git knows it but it is gone."""
    file = ROOT / path
    if file.is_symlink():
        mode, content = LINK, os.fsencode(file.readlink())
    elif file.is_file():
        mode, content = PROGRAM if file.stat().st_mode & 0o100 else FILE, file.read_bytes()
    else:
        return ""
    return f"{hashlib.sha256(content).hexdigest()} {mode} {path}"


def _text(lines: Sequence[str]) -> str:
    total = hashlib.sha256(os.fsencode("\n".join(lines))).hexdigest()
    return "".join(f"{line}\n" for line in (f"{total} total", *lines))


def changes(suite: Suite) -> str:
    """Return in words what has changed since the whole passed; nothing if all is as it was."""
    now = fingerprints(suite)
    where = suite.digest.relative_to(ROOT)
    if not suite.digest.exists():
        return f"there is no {where} that tells of a whole that passed"
    text = suite.digest.read_text(encoding="utf-8", errors="surrogateescape")
    if text == _text(now):
        return ""
    before = text.splitlines()[1:]
    if text != _text(before):
        return f"{where} is not what a run has written (merged, or edited)"
    names = _differences(before, now)
    more = [f"and {len(names) - NAMED} more"] if len(names) > NAMED else []
    what = "1 covered file" if len(names) == 1 else f"{len(names)} covered files"
    return f"{what} changed since the whole passed ({', '.join(names[:NAMED] + more)})"


def _differences(before: Sequence[str], now: Sequence[str]) -> list[str]:
    old, new = ({line.split(" ", 2)[2]: line.split(" ", 2)[:2] for line in lines} for lines in (before, now))
    said = []
    for path in sorted(old.keys() | new.keys()):
        if path not in old:
            said.append(f"{path} is new")
        elif path not in new:
            said.append(f"{path} is gone")
        elif old[path] != new[path]:
            said.append(path if old[path][0] != new[path][0] else f"{path} in its mode")
    return said


# --- what runs ---


def run(suite: Suite) -> int:
    """Run the whole, write the digest if all of it has passed, and return the exit code of pytest."""
    before = fingerprints(suite)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="suite-") as folder:
        report = Path(folder) / "report.xml"
        code = _pytest(*suite.whole, f"--junitxml={report}")
        unsaid = "it has failed" if code else _unsaid(suite, before, report)
    minutes = f"{(time.monotonic() - began) / 60:.0f} minutes"
    if unsaid:
        _say(f"{suite.name}: the whole ended after {minutes}; no digest is written: {unsaid}.")
    else:
        suite.digest.write_text(_text(before), encoding="utf-8", errors="surrogateescape")
        where = suite.digest.relative_to(ROOT)
        _say(f"{suite.name}: the whole passed in {minutes}. Commit {where} with what it is about.")
    return code


def _unsaid(suite: Suite, before: Sequence[str], report: Path) -> str:
    """Return why a run without a failure does not say that the covered files are well, or nothing."""
    if given := [name for name in suite.not_with if os.environ.get(name)]:
        return f"it ran with {' and '.join(given)}"
    skipped = [reason for reason in _skipped(report) if not reason.startswith(suite.may_skip)]
    if skipped:
        return f"{len(skipped)} of its tests did not run ({'; '.join(sorted(set(skipped)))[:300]})"
    if names := _differences(before, fingerprints(suite)):
        return f"covered files changed while it ran ({', '.join(names[:NAMED])})"
    return ""


def _skipped(report: Path) -> list[str]:
    """Return the reasons of all tests that were skipped."""
    found = ElementTree.parse(report).iter("skipped")  # noqa: S314 (pytest has just written it)
    return [each.get("message", "no reason") for each in found if each.get("type") != "pytest.xfail"]


def short(suite: Suite) -> int:
    """Run the part that always runs and return the exit code of pytest."""
    if suite.together:
        return _pytest(suite.folder.relative_to(ROOT).as_posix(), "-m", "always")
    return _pytest(*suite.short) if suite.short else 0


def ci() -> int:
    """Run of each suite what its changes ask for, and return 0 if all of it passed."""
    codes = {}
    for each in suites():
        changed = changes(each)
        _say(_sentence(each, changed))
        if not each.together:  # make test has run what it must
            codes[each.name] = run(each) if changed else short(each)
    failed = [name for name, code in codes.items() if code]
    if failed:
        _say(f"Failed: {', '.join(failed)}.")
    return max(codes.values(), default=0)


def status() -> int:
    """Say what ``ci`` would run."""
    for each in suites():
        _say(_sentence(each, changes(each)))
    return 0


def _sentence(suite: Suite, changed: str) -> str:
    if suite.together:
        what = "all of it" if changed else "what is marked always"
        state = changed or "the covered files are as they were when the whole passed"
        return f"{suite.name}: {state}: make test runs {what}."
    if changed:
        return f"{suite.name}: {changed}: the whole runs."
    what = "the short part runs" if suite.short else "nothing runs"
    return f"{suite.name}: the covered files are as they were when the whole passed: {what}."


def _pytest(*arguments: str) -> int:
    """Run pytest with these arguments and no others; after Ctrl-C, let it take down what it has started."""
    variables = {name: value for name, value in os.environ.items() if name != "PYTEST_ADDOPTS"}
    words = [sys.executable, "-m", "pytest", *arguments]
    with subprocess.Popen(words, cwd=ROOT, env=variables) as process:  # noqa: S603
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGINT, before)


def _say(sentence: str) -> None:
    sys.stdout.write(f"{sentence}\n")
    sys.stdout.flush()


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(description="Run the suites of tests that take long.")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for word, text in (("run", "run the whole of a suite"), ("short", "run the part that always runs")):
        commands.add_parser(word, help=text).add_argument("name", help="of the suite")
    commands.add_parser(
        "ci", help="run of each suite the short part, or the whole if what it covers has changed"
    )
    commands.add_parser("status", help="say what ci would run")
    given = parser.parse_args(arguments)
    try:
        if given.command in {"run", "short"}:
            return {"run": run, "short": short}[given.command](suite(given.name))
        return {"ci": ci, "status": status}[given.command]()
    except SuiteError as error:
        sys.stderr.write(f"{error}\n")
        return 2


if __name__ == "__main__":
    sys.exit(main())
