"""What differs between two runs of a task, the likeliest causes of a difference first."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import zip_longest

from couture_workflow.services.runs import notebook_use
from couture_workflow.services.runs.run import FileUse, Run


@dataclass(frozen=True)
class Change:
    """One difference between two runs; None means that the one run does not have it."""

    what: str
    old: str | None
    new: str | None


def changes(old: Run, new: Run) -> list[Change]:
    """Return what differs between two runs of a task, the likeliest causes of a difference first."""
    used, uses = notebook_use.comparable(old.notebook, new.notebook)
    found = [
        *_file_changes(old, new),
        *_argument_changes(old, new),
        *_mapping_changes("argument", _part(old, "arguments"), _part(new, "arguments")),
        *_mapping_changes("package", used.packages, uses.packages),
        *_mapping_changes("configuration", _part(old, "configurations"), _part(new, "configurations")),
    ]
    whole = (
        ("DAG version", old.dag_version, new.dag_version),
        ("Spark Configuration page, commit", old.configuration_commit, new.configuration_commit),
        ("Spark version", old.spark_version, new.spark_version),
        ("notebook, sha256", used.sha256, uses.sha256),
        ("kernel", used.kernel, uses.kernel),
        ("Python version", used.python_version, uses.python_version),
        ("Java version", old.java_version, new.java_version),
        ("application name", *_names(old, new)),
        ("master", old.master, new.master),
        ("deploy mode", old.deploy_mode, new.deploy_mode),
        ("Hadoop group", old.hadoop_group, new.hadoop_group),
        ("Hadoop files, sha256", old.hadoop_files[:12], new.hadoop_files[:12]),
        ("Kerberos principal", old.principal, new.principal),
        ("host", old.host, new.host),
        ("user", old.user, new.user),
    )
    found.extend(
        Change(what, before or None, after or None) for what, before, after in whole if before != after
    )
    return found


def _part(run: Run, part: str) -> Mapping[str, str]:
    given = dict(run.configuration.get(part, {}))
    if part == "arguments":
        given.pop("master", None)
        given.pop("deploy-mode", None)
    return given


def _mapping_changes(what: str, old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[Change]:
    for key in sorted({*old, *new}):
        if old.get(key) != new.get(key):
            yield Change(f"{what} {key}", old.get(key), new.get(key))


def _argument_changes(old: Run, new: Run) -> Iterator[Change]:
    pairs = zip_longest(old.application_arguments, new.application_arguments)
    for number, (before, after) in enumerate(pairs, start=1):
        if before is None or after is None or not _is_same(old, before, new, after):
            yield Change(f"application argument {number}", before, after)


def _names(old: Run, new: Run) -> tuple[str, str]:
    """Return the names of the two applications, the same one twice where only the runs' ids differ."""
    same = _is_same(old, old.app_name, new, new.app_name)
    return (new.app_name, new.app_name) if same else (old.app_name, new.app_name)


def _is_same(old: Run, before: str, new: Run, after: str) -> bool:
    return before == after or _general(old, before) == _general(new, after)


def _general(run: Run, text: str) -> str:
    """Return a text with the id of its own run replaced, also where only its punctuation was: always new."""
    letters = (re.escape(letter) if letter.isalnum() else r"[\W_]" for letter in run.key.run_id)
    return re.sub(rf"(?<!\w){''.join(letters)}(?!\w)", "{run_id}", text) if run.key.run_id else text


def _file_changes(old: Run, new: Run) -> Iterator[Change]:
    before = {(use.role, use.name): use for use in old.files}
    after = {(use.role, use.name): use for use in new.files}
    for role, name in sorted({*before, *after}):
        was, now = before.get((role, name)), after.get((role, name))
        if was is None or now is None or was.sha256 != now.sha256:
            yield Change(f"{role} {name}", _describe(was), _describe(now))


def _describe(use: FileUse | None) -> str | None:
    if use is None:
        return None
    return f"version {use.version}, sha256 {use.sha256[:12]}, {use.size:,} bytes"
