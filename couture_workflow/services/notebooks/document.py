"""A notebook as it was written: nbformat 3 to 4.5, read within limits, in a process apart.

Airflow's environment has no nbformat, and a hostile notebook must not keep the API server busy: ``read``
opens and reads the file in another process, and what comes back is small.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import CoutureError, InvalidError, NotFoundError, TooLargeError
from couture_workflow.services.notebooks import folders, parameters
from couture_workflow.services.notebooks.folders import Beside, State
from couture_workflow.services.notebooks.parameters import Parameter
from couture_workflow.services.processes import apart
from couture_workflow.store.names import quote

#: Seconds for one notebook; 60 MB take two.
PATIENCE = 20.0
#: Bytes that a notebook has at most without its outputs, which is what is pinned; cells that it has at most.
LARGEST_COPY, _MOST_CELLS = 16 * 2**20, 10_000
#: Characters of the name of a kernel or language.
_NAME = 100
#: Languages whose cells are read, "" where a notebook names none.
_PYTHON = ("", "python", "python3", "ipython")
#: Digests of copies by the state of the notebook, and how many.
_digests: dict[State, str] = {}
_MOST_DIGESTS = 2_000
_OUTPUTS = ("outputs", "execution_count", "prompt_number")
_ERRORS: dict[str, type[CoutureError]] = {
    "missing": NotFoundError,
    "large": TooLargeError,
    "invalid": InvalidError,
}


@dataclass(frozen=True, kw_only=True)
class Document:
    """A notebook.

    :param sha256: of the file.
    :param size: bytes of the file.
    :param format: such as "4.5".
    :param kernel: name of the kernel that it names, "" for none.
    :param language: of its code, "" if it does not say.
    :param cells: how many it has.
    :param parameters: of the first cell that is tagged ``parameters``.
    :param has_parameters: whether there is such a cell.
    :param problem: why its parameters cannot be read, "" if they can.
    :param copy: the notebook without outputs, as a file; empty where it was not asked for.
    :param replaced: whether it has characters that are no text, which the copy has not.
    :param beside: files that could go with it.
    """

    sha256: str
    size: int
    format: str
    kernel: str
    language: str
    cells: int
    parameters: tuple[Parameter, ...] = ()
    has_parameters: bool = False
    problem: str = ""
    copy: bytes = field(default=b"", repr=False)
    replaced: bool = False
    beside: tuple[Beside, ...] = ()


def read(top: Path, path: str, *, copy: bool = False) -> Document:
    """Return a notebook below a folder, with the files beside it.

    :param path: as ``folders.checked`` returns it.
    :param copy: the notebook without outputs is wanted too.
    :raises NotFoundError: there is no such file.
    :raises TooLargeError: it is larger than the option ``max_notebook_size``, or than a copy may be.
    :raises InvalidError: it is no notebook.
    """
    largest = settings.max_notebook_size()
    item = {"top": str(top), "path": path, "largest": largest, "copy": copy}
    (answer,) = apart.each("notebooks.document.look", None, [item], seconds=PATIENCE)
    if answer.why:
        raise InvalidError(_given_up(path, answer.why), field="notebook")
    told = dict(answer.value)
    if kind := told.get("error"):
        raise _error(kind, told["message"] + (folders.at_a_hub() if kind == "missing" else ""))
    return _document(told)


def glance(top: Path, path: str) -> Document:
    """Return a notebook as ``read`` does, without a copy; a file that stayed the same is not read again."""
    try:
        with folders.opened(top, path) as file:
            status = os.fstat(file.fileno())
    except NotFoundError as error:
        raise NotFoundError(f"{error}{folders.at_a_hub()}") from error
    stamp = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    return replace(_known(top, path, settings.max_notebook_size(), stamp), beside=folders.beside(top, path))


@lru_cache(maxsize=64)
def _known(top: Path, path: str, _largest: int, _stamp: tuple[int, ...]) -> Document:
    return read(top, path)


def parameters_of(content: bytes) -> tuple[Parameter, ...]:
    """Return the parameters of a notebook that was read already; none if they cannot be found."""
    text = content.decode("utf-8", "replace")
    (answer,) = apart.each("notebooks.document.look_at_parameters", None, [text], seconds=PATIENCE)
    return tuple(Parameter(**each) for each in answer.value or ())


def look_at_parameters(_: None, text: str) -> list[dict[str, Any]]:
    """Be the other process for ``parameters_of``."""
    try:
        return list(described(text.encode("utf-8", "replace"), "the copy", copy=False)["parameters"])
    except CoutureError:
        return []


def copy_digests(top: Path, paths: Sequence[str]) -> list[str | None]:
    """Return the digest of what the copy of each notebook would be.

    It is "" for a notebook that is not there or cannot be read, None for one that there was no time for.

    A file that is the same as it was when it was read last is not read again: lists ask every few seconds.
    """
    states = {path: folders.state(top, path) for path in paths}
    found: dict[str, str | None] = {
        path: _digests[state] for path, state in states.items() if state is not None and state in _digests
    }
    if unread := [path for path in states if path not in found]:
        common = {"top": str(top), "largest": settings.max_notebook_size()}
        answers = apart.each("notebooks.document.look_at_copy", common, unread, seconds=PATIENCE)
        read = {
            path: None if answer.why in ("late", "time") else str(answer.value or "")
            for path, answer in zip(unread, answers, strict=True)
        }
        found |= read
        if len(_digests) + len(read) > _MOST_DIGESTS:
            _digests.clear()
        for path, digest in read.items():
            state = states[path]
            if digest and state and state.is_settled and state == folders.state(top, path):
                _digests[state] = digest
    return [found[path] for path in paths]


def look_at_copy(common: Mapping[str, Any], path: str) -> str:
    """Be the other process for ``copy_digests``."""
    try:
        content = folders.read(Path(common["top"]), path, largest=int(common["largest"]))
        text, _ = _copy(parsed(content, path), path)
    except CoutureError:
        return ""
    return hashlib.sha256(text.encode()).hexdigest()


def _error(kind: str, message: str) -> CoutureError:
    return InvalidError(message, field="notebook") if kind == "invalid" else _ERRORS[kind](message)


def _document(told: Mapping[str, Any]) -> Document:
    return Document(
        **{
            **told,
            "parameters": tuple(Parameter(**each) for each in told["parameters"]),
            "beside": tuple(Beside(**each) for each in told["beside"]),
            "copy": str(told["copy"]).encode(),
        }
    )


def _given_up(path: str, why: str) -> str:
    if why == "late":
        return (
            f"{quote(path)} could not be read yet: the server reads other notebooks at the moment. Try again "
            "in a minute."
        )
    reason = "needs more memory than is given to it" if why == "crashed" else "takes too long"
    return (
        f"{quote(path)} cannot be read as a notebook: to read it {reason}. Clear its outputs, or split it "
        "into smaller notebooks."
    )


def look(_: None, item: Mapping[str, Any]) -> dict[str, Any]:
    """Be the other process for ``read``."""
    top, path = Path(item["top"]), str(item["path"])
    try:
        content = folders.read(top, path, largest=int(item["largest"]))
        told = described(content, path, copy=bool(item["copy"]))
        told["beside"] = [vars(each) for each in folders.beside(top, path)]
        return told
    except CoutureError as error:
        kind = next(name for name, each in _ERRORS.items() if isinstance(error, each))
        return {"error": kind, "message": str(error)}


def described(content: bytes, path: str, *, copy: bool) -> dict[str, Any]:
    """Return what is told of a notebook's content; ``InvalidError`` if it is none."""
    data = parsed(content, path)
    cells = list(cells_of(data))
    if len(cells) > _MOST_CELLS:
        raise TooLargeError(f"{quote(path)} has more than {_MOST_CELLS:,} cells. Split it.")
    kernel, language = _kernel(data)
    tagged = next((each for each in cells if is_tagged(each, "parameters")), None)
    found, problem = _parameters(tagged, language)
    text, replaced = _copy(data, path) if copy else ("", False)
    return {
        "sha256": hashlib.sha256(content).hexdigest(),
        "size": len(content),
        "format": f"{data['nbformat']}.{_minor(data)}",
        "kernel": kernel,
        "language": language,
        "cells": len(cells),
        "parameters": [vars(each) for each in found],
        "has_parameters": tagged is not None,
        "problem": problem,
        "copy": text,
        "replaced": replaced,
        "beside": [],
    }


def _parameters(cell: Mapping[str, Any] | None, language: str) -> tuple[list[Parameter], str]:
    if cell is None:
        return [], ""
    if language.lower() not in _PYTHON:
        return [], f"The notebook's language is {language}: its parameters are not read. Add them by hand."
    return parameters.found_in(source_of(cell))


def parsed(content: bytes, path: str) -> dict[str, Any]:
    """Return the data of a notebook of a format that is known, or raise ``InvalidError``."""
    name = quote(path)
    try:
        data = json.loads(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InvalidError(f"{name} is not a notebook: it is not UTF-8 text.", field="notebook") from error
    except ValueError as error:
        raise InvalidError(
            f"{name} is broken: it is not JSON ({str(error)[:200]}). Open and save it in JupyterLab, or take "
            "an earlier copy.",
            field="notebook",
        ) from error
    except RecursionError as error:
        raise InvalidError(f"{name} is not a notebook: it is nested too deeply.", field="notebook") from error
    if not isinstance(data, dict) or "nbformat" not in data:
        raise InvalidError(f"{name} is not a notebook: it says no nbformat.", field="notebook")
    version = data["nbformat"]
    if isinstance(version, bool) or not isinstance(version, int):
        raise InvalidError(f"{name} is not a notebook: its nbformat is no whole number.", field="notebook")
    if version not in (3, 4):
        raise InvalidError(
            f"{name} has the format {str(version)[:10]}; notebooks of 3 to 4.5 are read. Open and save it "
            "in a present JupyterLab.",
            field="notebook",
        )
    if not isinstance(data.get("cells" if version == 4 else "worksheets"), list):
        raise InvalidError(f"{name} is not a notebook: it has no cells.", field="notebook")
    return data


def cells_of(data: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Iterate over the cells of a notebook; what is none is left out."""
    sheets: Sequence[Any] = [data] if data["nbformat"] == 4 else data["worksheets"]
    for sheet in sheets:
        found = sheet.get("cells") if isinstance(sheet, dict) else None
        for cell in found if isinstance(found, list) else ():
            if isinstance(cell, dict):
                yield cell


def source_of(cell: Mapping[str, Any]) -> str:
    """Return the text of a cell, with the line ends of Unix."""
    source = cell.get("source", cell.get("input", ""))
    if isinstance(source, list):
        source = "".join(line for line in source if isinstance(line, str))
    text = source if isinstance(source, str) else ""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def is_tagged(cell: Mapping[str, Any], tag: str) -> bool:
    """Tell whether a cell of code has a tag."""
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    return cell.get("cell_type") == "code" and isinstance(tags, list) and tag in tags


def _kernel(data: Mapping[str, Any]) -> tuple[str, str]:
    metadata = data.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    spec, info = (
        each if isinstance(each, dict) else {}
        for each in (metadata.get("kernelspec"), metadata.get("language_info"))
    )
    language = (
        info.get("name")
        or spec.get("language")
        or next((cell["language"] for cell in cells_of(data) if isinstance(cell.get("language"), str)), "")
    )
    return _short(spec.get("name")), _short(language)


def _short(name: Any) -> str:
    return name[:_NAME] if isinstance(name, str) and name.isprintable() else ""


def _minor(data: Mapping[str, Any]) -> int:
    minor = data.get("nbformat_minor")
    return minor if isinstance(minor, int) and not isinstance(minor, bool) and 0 <= minor < 1000 else 0


def _copy(data: dict[str, Any], path: str) -> tuple[str, bool]:
    """Return a notebook without what its runs left in it, and whether characters were replaced."""
    for cell in cells_of(data):
        if cell.get("cell_type") == "code":
            cell |= {name: [] if name == "outputs" else None for name in _OUTPUTS if name in cell}
            if data["nbformat"] == 4:
                cell |= {"outputs": [], "execution_count": None}
    metadata = data.get("metadata")
    if isinstance(metadata, dict):
        metadata.pop("widgets", None)
        metadata.pop("papermill", None)
    text = json.dumps(data, ensure_ascii=False, indent=1) + "\n"
    content = text.encode("utf-8", "replace")
    if len(content) > LARGEST_COPY:
        raise TooLargeError(
            f"{quote(path)} has {len(content):,} bytes without its outputs; {LARGEST_COPY:,} are allowed. "
            "Move data and pictures out of its cells, into files."
        )
    copied = content.decode("utf-8")
    return copied, copied != text
