"""A value on its way from task to task: what is large goes to the storage, a reference to the database."""

from __future__ import annotations

import gzip
import json
from collections import OrderedDict, defaultdict
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

from couture_workflow import settings
from couture_workflow.exceptions import XComError
from couture_workflow.services.xcoms import frames, other_pythons, readers, references, storage
from couture_workflow.services.xcoms.frames import Kind
from couture_workflow.services.xcoms.packing import Source, Target

_PLAIN = frozenset({int, float, str, bool, type(None)})
_DICTIONARIES = (dict, defaultdict, OrderedDict)
JSON_SUFFIX = ".json.gz"
#: What a reference of a large value that is no frame is called by.
_JSON = "json"
#: Characters that a person sees of such a value.
_BEGINNING = 200


def without_frames(value: Any, *, dag_id: str, run_id: str) -> Any:
    """Return a value with a reference for each data frame in it, once these are in the storage.

    Frames are found in dictionaries, lists and tuples, however deep; one with names comes back without.
    """
    if type(value) in _PLAIN:  # of which there may be a million in one list
        return value
    if (kind := frames.kind_of(value)) is not None:
        return _kept_frame(kind, value, dag_id=dag_id, run_id=run_id)
    if remedy := frames.remedy_for(value):
        name = f"{type(value).__module__.partition('.')[0]}.{type(value).__name__}"
        raise XComError(f"A value of the class {name} cannot be handed on. {remedy}")
    if type(value) in _DICTIONARIES:  # Airflow makes one of each too
        return {name: without_frames(part, dag_id=dag_id, run_id=run_id) for name, part in value.items()}
    if type(value) is list:
        if _PLAIN.issuperset(map(type, value)):
            return value
        return [without_frames(part, dag_id=dag_id, run_id=run_id) for part in value]
    if type(value) is tuple or (isinstance(value, tuple) and hasattr(value, "_fields")):
        return tuple(without_frames(part, dag_id=dag_id, run_id=run_id) for part in value)
    return value


def kept_if_large(value: Any, *, dag_id: str, run_id: str) -> Any:
    """Return JSON as it is, or a reference to it, once it is in the storage."""
    limit = settings.xcom_database_limit()
    if not isinstance(value, str | list | dict) or _is_short(value, limit):
        return value
    try:
        text = json.dumps(value)
    except TypeError as error:
        raise XComError(
            f"The value cannot be handed on: {error}. Return numbers, texts, lists, dictionaries or frames."
        ) from error
    _check_characters(value, text)
    if len(text) <= limit:
        return value
    content = gzip.compress(text.encode(), compresslevel=1)
    owner = readers.owner()
    name = references.new_name(dag_id, run_id, JSON_SUFFIX, owner=owner)
    size = storage.chosen().write(name, lambda target: _write(content, target))
    about = {"type": _type_name(value), "beginning": text[:_BEGINNING], "characters": len(text)}
    inside = list(references.named_in(value))
    return references.made(_JSON, about, size=size, owner=owner, file=name, inside=inside)


def restored(value: Any) -> Any:
    """Return a value of Airflow's database with what its references stand for, or raise ``XComError``."""
    if references.is_reference(value):
        return _read(value)
    if type(value) is dict:
        return {name: restored(part) for name, part in value.items()}
    if type(value) is list:
        return [restored(part) for part in value]
    return value


def forget(value: Any, *, dag_id: str, run_id: str) -> None:
    """Remove from the storage what a value of a run refers to, as far as the run made it."""
    named = references.of_run(references.named_in(value), dag_id=dag_id, run_id=run_id)
    if doomed := list(named):
        held = storage.chosen()
        for name in doomed:
            held.delete(name)


def _kept_frame(kind: Kind, value: Any, *, dag_id: str, run_id: str) -> dict[str, Any]:
    owner, packed = readers.owner(), frames.packed(kind, value)
    name = references.new_name(dag_id, run_id, packed.suffix, owner=owner)
    size = storage.chosen().write(name, lambda target: frames.write(packed, target))
    about = frames.described(kind, value, rows=settings.xcom_preview_rows())
    return references.made(kind.name, about, size=size, owner=owner, file=name)


def _read(reference: Mapping[str, Any]) -> Any:
    name, what = str(reference[references.FILE]), str(reference[references.MARK])
    readers.check(name, owner=str(reference.get(references.OWNER) or ""))
    try:
        source = storage.chosen().read(name)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise XComError(
            f"The value {what} of another task is gone from the storage ({name}): its run was deleted, or "
            "the storage is another one now. Clear the task that returned it, and it is made again."
        ) from error
    if what == _JSON:
        return restored(_load_json(name, source))
    if (kind := frames.KINDS.get(what)) is None:
        raise XComError(
            f"The value of another task is of the class {what}, which this version does not know. Upgrade "
            "Couture Workflow on this worker."
        )
    value = frames.read(kind, source, name=name)
    if what == "pandas.DataFrame":
        other_pythons.prepare(value)
    return value


def _load_json(name: str, source: Source) -> Any:
    try:
        content = source.read_bytes() if isinstance(source, Path) else source
        return json.loads(gzip.decompress(content))
    except (OSError, EOFError, ValueError) as error:
        raise frames.damaged(name, error) from error


def _write(content: bytes, target: Target) -> None:
    if isinstance(target, BytesIO):
        target.write(content)
    else:
        target.write_bytes(content)


def _is_short(value: Any, limit: int) -> bool:
    """Tell cheaply of most values that they are small; JSON makes six characters of one at most."""
    return isinstance(value, str) and 6 * len(value) < limit and value.isascii()


def _check_characters(value: Any, text: str) -> None:
    """Raise ``XComError`` for a lone surrogate: Airflow cannot send it, nor show it as a task's argument.

    :param text: the value as JSON.
    """
    if r"\ud" not in text:
        return
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise XComError(
            "The value cannot be handed on: a text in it has half a character (a lone surrogate). Read it "
            "with errors='replace', or return text.encode(errors='replace').decode()."
        ) from error


def _type_name(value: Any) -> str:
    if isinstance(value, dict) and isinstance(name := value.get("__classname__"), str):
        return name.removeprefix("builtins.")
    return type(value).__name__
