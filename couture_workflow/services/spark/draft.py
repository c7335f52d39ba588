"""What is being typed on the Spark configuration page: rows that may be wrong, and the command they give.

A secret that is already saved is not in a draft: its row names the version whose secret is kept.
"""

from __future__ import annotations

import contextlib
import itertools
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from couture_workflow.exceptions import InvalidError, NotFoundError, RuntimeMissingError
from couture_workflow.services.runtimes import installed
from couture_workflow.services.spark import command as spark_command
from couture_workflow.services.spark.configuration import SparkConfiguration, read
from couture_workflow.services.spark.document import (
    DEFAULT,
    SECRET,
    Change,
    Document,
    Sealed,
    carry_over,
    changes,
    is_secret,
)
from couture_workflow.services.spark.rules import (
    ERROR,
    JAR_SUFFIXES,
    NAME,
    PYTHON_SUFFIXES,
    VALUE,
    validate,
)
from couture_workflow.store.files import StoredFile
from couture_workflow.store.home import Store

#: How many files are suggested at once.
MOST_FILES = 50
SECTIONS = ("arguments", "configurations", "jars", "py_files")


@dataclass(frozen=True)
class Remark:
    """A problem at a row of the page.

    :param row: index in the list of the section.
    """

    section: str
    row: int
    part: str
    level: str
    message: str


@dataclass(frozen=True)
class Draft:
    """What was typed, as far as it makes a document, and all there is to say about it."""

    document: Document
    remarks: tuple[Remark, ...]

    @property
    def is_valid(self) -> bool:
        """Tell whether it may be saved."""
        return all(remark.level != ERROR for remark in self.remarks)


def read_draft(store: Store, payload: Mapping[str, Any]) -> Draft:
    """Make a draft of what the page sends: a list of rows for each section, and ``base``."""
    remarks: list[Remark] = []
    arguments = _values("arguments", _rows(payload, "arguments"), remarks)
    configurations = _values("configurations", _rows(payload, "configurations"), remarks)
    document = Document(
        arguments={name: str(row.get("value", "")).strip() for name, row in arguments.items()},
        configurations=dict(_configurations(store, configurations, payload, remarks)),
        jars=_references(payload, "jars"),
        py_files=_references(payload, "py_files"),
        commit=_base(payload),
    )
    remarks.extend(_located(store, document, payload))
    return Draft(document, tuple(remarks))


def _base(payload: Mapping[str, Any]) -> str | None:
    base = payload.get("base")
    return str(base) if base else None


def _rows(payload: Mapping[str, Any], section: str) -> list[Mapping[str, Any]]:
    rows = payload.get(section, [])
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise InvalidError(
            f"{section} must be a list of objects with name and value. Reload the page.", field=section
        )
    return rows


def _references(payload: Mapping[str, Any], section: str) -> tuple[str, ...]:
    rows = payload.get(section, [])
    if not isinstance(rows, list) or not all(isinstance(row, str) for row in rows):
        raise InvalidError(f"{section} must be a list of file names. Reload the page.", field=section)
    return tuple(rows)


def _name(section: str, row: Mapping[str, Any]) -> str:
    name = str(row.get("name", "")).strip()
    return name.removeprefix("--") if section == "arguments" else name


def _values(
    section: str, rows: Sequence[Mapping[str, Any]], remarks: list[Remark]
) -> dict[str, Mapping[str, Any]]:
    """Return name -> row; a second row of a name gets a remark, and so does one without a name."""
    found: dict[str, Mapping[str, Any]] = {}
    for index, row in enumerate(rows):
        name = _name(section, row)
        if name in found:
            remarks.append(
                Remark(section, index, NAME, ERROR, f"{name} stands in the list already. Delete one.")
            )
        elif name:
            found[name] = row
        elif not row.get("value"):
            continue
        else:
            remarks.append(
                Remark(section, index, NAME, ERROR, "A name is missing. Type one, or delete the row.")
            )
    return found


def _configurations(
    store: Store, rows: Mapping[str, Mapping[str, Any]], payload: Mapping[str, Any], remarks: list[Remark]
) -> Iterator[tuple[str, str | Sealed]]:
    order = {
        _name("configurations", row): index for index, row in enumerate(_rows(payload, "configurations"))
    }
    for name, row in rows.items():
        if "kept" not in row:
            value = str(row.get("value", ""))
            yield name, value if is_secret(name) else value.strip()
        elif (sealed := _kept(store, name, row["kept"])) is not None:
            yield name, sealed
        else:
            message = "This secret is no longer there. Type it again."
            remarks.append(Remark("configurations", order[name], VALUE, ERROR, message))


def _kept(store: Store, name: str, commit: object) -> Sealed | None:
    """Return the secret of a version; under its own name alone, so that it never gets into the open."""
    try:
        value = read(store, commit=str(commit)).configurations.get(name) if commit else None
    except NotFoundError:
        return None
    return value if isinstance(value, Sealed) else None


def _located(store: Store, document: Document, payload: Mapping[str, Any]) -> Iterator[Remark]:
    """Say at which row each problem of the document is."""
    rows: dict[str, int] = {}
    for section in SECTIONS:
        for index, row in enumerate(payload.get(section, [])):
            name = row if isinstance(row, str) else _name(section, row)
            rows.setdefault(f"{section}.{name}", index)
            if isinstance(row, str):
                rows[f"{section}.{name}"] = index
    for problem in validate(document, store):
        section = problem.field.partition(".")[0]
        yield Remark(section, rows.get(problem.field, 0), problem.part, problem.level, problem.message)


def preview(document: Document) -> str:
    """Return the command line that a job would be submitted with, one option a line, secrets masked."""
    configuration = SparkConfiguration(
        arguments=document.arguments,
        configurations=document.masked(),
        jars=document.jars,
        py_files=document.py_files,
    )
    job = spark_command.Job(
        app_name="<app_name>",
        application=Path("<code_artifact>"),
        class_path=None,
        arguments=("<application_arguments>",),
        configuration=configuration,
        jars=tuple(Path(reference) for reference in document.jars),
        py_files=tuple(Path(reference) for reference in document.py_files),
        python=None,
    )
    secrets = any(is_secret(name) for name in document.configurations)
    command = spark_command.spark_submit(
        job, spark_home=_spark_home(), properties_file=Path("<secrets>") if secrets else None
    )
    return " \\\n  ".join(_lines(spark_command.masked(command)))


def _spark_home() -> Path:
    try:
        return installed.spark().home
    except RuntimeMissingError:
        return Path("$SPARK_HOME")


def _lines(words: Sequence[str]) -> Iterator[str]:
    """Join each option with its value, quoted for a shell where Spark's own words need it."""
    line: list[str] = []
    for word in words:
        if line and (word.startswith("--") or not line[-1].startswith("--") or len(line) == 2):
            yield " ".join(line)
            line = []
        line.append(word if word.startswith(("<", "$SPARK_HOME/")) else shlex.quote(word))
    yield " ".join(line)


def as_rows(document: Document) -> dict[str, Any]:
    """Return a document as the page edits it; ``read_draft`` reads it back.

    No secret is in it: a saved one is named by its version; one that was just typed is marked, and the page
    still has it.
    """
    return {
        "arguments": [{"name": name, "value": value} for name, value in document.arguments.items()],
        "configurations": [
            _configuration_row(name, value, document) for name, value in document.configurations.items()
        ],
        "jars": list(document.jars),
        "py_files": list(document.py_files),
        "base": document.commit,
    }


def _configuration_row(name: str, value: str | Sealed, document: Document) -> dict[str, Any]:
    if isinstance(value, Sealed):
        return {"name": name, "kept": value.commit or document.commit}
    return {"name": name, "typed": True} if is_secret(name) else {"name": name, "value": value}


def page_state(store: Store, saved: Document, *, restore: str | None) -> dict[str, Any]:
    """Return what the page starts from.

    :param restore: an earlier version, to be opened over the saved one.
    """
    earlier = read(store, commit=restore) if restore else None
    return {
        "saved": as_rows(saved),
        "restore": {**as_rows(earlier), "base": saved.commit} if earlier else None,
        "files": file_versions(store, saved, earlier or saved),
        "secret": SECRET.pattern.removeprefix("(?i)"),
    }


@dataclass(frozen=True)
class Rebased:
    """A draft carried over what somebody else saved meanwhile.

    :param theirs: what they changed.
    :param clashes: what both changed; the draft has its own value there.
    """

    document: Document
    theirs: tuple[Change, ...]
    clashes: tuple[Change, ...]


def rebase(store: Store, document: Document) -> Rebased:
    """Carry a draft over the newest version."""
    base = read(store, commit=document.commit) if document.commit else DEFAULT
    newest = read(store)
    carried = carry_over(base, document, newest)
    return Rebased(carried.document, tuple(changes(base, newest)), carried.clashes)


def file_versions(store: Store, *documents: Document) -> dict[str, dict[str, Any]]:
    """Return the versions of the files that documents name, as far as the files are there."""
    names = {
        reference.partition("@")[0]
        for document in documents
        for reference in (*document.jars, *document.py_files)
    }
    found = {}
    for name in names:
        with contextlib.suppress(NotFoundError, InvalidError):
            found[name] = _versions(store.dependencies.get(name))
    return found


def find_files(store: Store, section: str, *, search: str) -> dict[str, dict[str, Any]]:
    """Return the first uploaded dependencies that fit the list and whose name has the search in it."""
    suffixes = JAR_SUFFIXES if section == "jars" else PYTHON_SUFFIXES
    found = (
        file for file in store.dependencies.list(search=search) if file.name.casefold().endswith(suffixes)
    )
    return {file.name: _versions(file) for file in itertools.islice(found, MOST_FILES)}


def _versions(file: StoredFile) -> dict[str, Any]:
    return {"current": file.current, "versions": [version.number for version in reversed(file.versions)]}
