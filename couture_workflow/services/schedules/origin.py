"""What ``schedule.json`` says: where a pinned copy came from, and what was asked for.

The file stands among the DAG files, so whoever may edit these may write anything into it. It is believed only
if it is such as the product writes, and it gives nobody a right: who reads a source must have that right.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.notebooks import folders
from couture_workflow.services.schedules.form import LONGEST, MOST, Form, kept_form_of
from couture_workflow.store.names import is_text, quote

#: Where the origin of a schedule stands, and bytes that it has at most.
ORIGIN, LARGEST = "schedule.json", 2**20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_YEARS = range(1970, 2300)


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the pinned copy came from, and who saved it.

    :param account: who saved the schedule last.
    :param pinned_by: who took the copy, whose folder the notebook may be in.
    :param source: path of the notebook below the folder of all notebooks.
    :param sha256: of the notebook when it was copied.
    :param files: digest by path of the files that were copied with it.
    :param saved_at: when the schedule was saved last; ``pinned_at``: when the copy was taken; ``started_at``:
        from when on its time counts.
    :param dag_sha256: digest of the DAG file as it was written.
    """

    account: str = ""
    pinned_by: str = ""
    source: str = ""
    sha256: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    saved_at: str = ""
    pinned_at: str = ""
    started_at: str = ""
    dag_sha256: str = ""

    def json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return {**vars(self), "files": dict(self.files)}


def digest(content: bytes) -> str:
    """Return the digest that an origin keeps of a file."""
    return hashlib.sha256(content).hexdigest()


def written(form: Form, origin: Origin) -> bytes:
    """Return the content of ``schedule.json``."""
    data = {"form": form.json(), "origin": origin.json()}
    return (json.dumps(data, indent=1) + "\n").encode()


def read(content: bytes, name: str) -> tuple[Form, Origin]:
    """Return what ``schedule.json`` says.

    :param name: of the schedule: its folder's.
    :raises InvalidError: it is not such as ``written`` returns; the sentence says in what.
    """
    try:
        if len(content) > LARGEST:
            raise InvalidError(f"it has more than {LARGEST:,} bytes")
        data = _object(json.loads(content, parse_constant=_refused), "it")
        form = kept_form_of(_object(data.get("form"), "form"))
        return replace(form, name=name), _origin(_object(data.get("origin"), "origin"))
    except (ValueError, RecursionError) as error:
        raise _unfit(name, "it is not JSON") from error
    except InvalidError as error:
        raise _unfit(name, str(error).rstrip(".")) from error


def _unfit(name: str, why: str) -> InvalidError:
    return InvalidError(
        f"The {ORIGIN} of {quote(name)} was changed by hand and is not used: {why}. Take it back in DAG "
        "History, or edit the schedule and choose its notebook once more.",
        field="notebook",
    )


def _origin(sent: Mapping[str, Any]) -> Origin:
    known = {each.name for each in fields(Origin)}
    if strange := sorted(set(sent) - known):
        raise InvalidError(f"there is no field {quote(strange[0])} in origin")
    for name, value in sent.items():
        if name != "files":
            _check(name, value)
    files = _object(sent.get("files", {}), "files")
    if len(files) > MOST or not all(map(folders.is_path, files)):
        raise InvalidError(f"files must be at most {MOST} paths from the notebook's folder")
    for value in files.values():
        _check("sha256", value)
    return Origin(**{**sent, "files": files})


def _check(name: str, value: Any) -> None:
    """Raise what is wrong with a text of an origin; each may be empty."""
    if not isinstance(value, str) or len(value) > LONGEST or not is_text(value):
        raise InvalidError(f"{name} must be a text of at most {LONGEST} characters")
    if not value:
        return
    if name == "source" and not folders.is_path(value):
        raise InvalidError(f"source is {quote(value)}, which is no path of a notebook")
    if name.endswith("sha256") and not _SHA256.fullmatch(value):
        raise InvalidError(f"{name} must be the digest of a file")
    if name.endswith("_at") and not _is_time(value):
        raise InvalidError(f"{name} must be a time such as 2026-12-01T06:00:00+00:00")


def _is_time(value: str) -> bool:
    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return False
    return found.tzinfo is not None and found.year in _YEARS


def _object(value: Any, name: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise InvalidError(f"{name} must be an object")
    return value


def _refused(word: str) -> Any:
    raise InvalidError(f"{word} is no number that JSON has")
