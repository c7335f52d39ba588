"""What a person fills in to schedule a notebook, as JSON has it, and what is found about its fields."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal

from couture_workflow.exceptions import InvalidError
from couture_workflow.services.notebooks import folders
from couture_workflow.store.names import is_text, quote

Kind = Literal["now", "at", "cron"]
Html = Literal["none", "code", "results"]
Level = Literal["error", "warning"]

#: Characters of a line of text of the form, and entries of a list of it, at most.
LONGEST, MOST = 1000, 200
#: Lists and objects in each other that a value of a parameter has at most.
_DEEPEST = 100
#: Runs whose outputs are kept where nothing else is said, here and by the operator.
KEPT = 30
#: Types that a value of a parameter can be typed in as.
TYPES = ("int", "float", "bool", "str", "date", "list", "dict", "None")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong with a field, or worth to know of it.

    :param field: such as ``name``, ``when.cron``, ``parameters.rows`` or ``files``.
    """

    field: str
    message: str
    level: Level = "error"


@dataclass(frozen=True, kw_only=True)
class When:
    """When a notebook runs.

    :param at: of ``at``: an ISO time, read in ``zone`` if it has no offset.
    :param cron: of ``cron``: five fields, or a word such as ``@daily``.
    :param zone: name of a time zone, such as ``Europe/Berlin``.
    """

    kind: Kind = "now"
    at: str = ""
    cron: str = ""
    zone: str = "UTC"


@dataclass(frozen=True, kw_only=True)
class Form:
    """A schedule as a person wants it.

    :param notebook: path below the folder of all notebooks, such as ``ann/report.ipynb``.
    :param name: id of the DAG, and name of its folder.
    :param parameters: values by name.
    :param types: how the text of a value was meant, by name, for values that come from fields of a page.
    :param kernel: name of a kernel, "" for the one that the notebook names.
    :param time_limit: seconds that a run may take, 0 for no limit.
    :param email: addresses, separated by commas, that get a mail when a run fails.
    :param html: whether the output becomes a page too: with the code, or with the results alone.
    :param files: paths from the notebook's folder that are pinned with it.
    :param keep_outputs: of how many runs the outputs are kept, 0 for all.
    :param keep_days: for how many days outputs are kept, 0 for ever.
    :param owner: of the DAG; "" for whoever saves.
    """

    notebook: str = ""
    name: str = ""
    when: When = field(default_factory=When)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    types: Mapping[str, str] = field(default_factory=dict)
    kernel: str = ""
    retries: int = 0
    time_limit: int = 0
    email: str = ""
    html: Html = "none"
    files: tuple[str, ...] = ()
    keep_outputs: int = KEPT
    keep_days: int = 0
    tags: tuple[str, ...] = ()
    owner: str = ""

    def json(self) -> dict[str, Any]:
        """Return it as a JSON object."""
        return asdict(self) | {"files": list(self.files), "tags": list(self.tags)}


_WORDS = {"kind": ("now", "at", "cron"), "html": ("none", "code", "results")}


def form_of(sent: Mapping[str, Any]) -> Form:
    """Return the form that a JSON object is; ``InvalidError`` names a field that has the wrong type.

    What is missing has its default; fields that do not exist are refused.
    """
    known = {each.name for each in fields(Form)}
    if strange := sorted(str(name) for name in sent if name not in known):
        raise InvalidError(
            f"There is no field {quote(strange[0])}. The fields are {', '.join(sorted(known))}.",
            field=strange[0][:60],
        )
    when = _object(sent, "when")
    return Form(
        notebook=_text(sent, "notebook"),
        name=_text(sent, "name"),
        kernel=_text(sent, "kernel"),
        email=_text(sent, "email"),
        owner=_text(sent, "owner"),
        retries=_number(sent, "retries"),
        time_limit=_number(sent, "time_limit"),
        keep_outputs=_number(sent, "keep_outputs", fallback=KEPT),
        keep_days=_number(sent, "keep_days"),
        files=_list(sent, "files"),
        tags=tuple(dict.fromkeys(tag.strip() for tag in _list(sent, "tags") if tag.strip())),
        html=_word(sent, "html", "html", "none"),
        when=When(
            kind=_word(when, "kind", "when.kind", "now"),
            at=_text(when, "at", "when.at"),
            cron=_text(when, "cron", "when.cron"),
            zone=_text(when, "zone", "when.zone") or "UTC",
        ),
        parameters={str(name): value for name, value in _object(sent, "parameters").items()},
        types={str(name): str(value) for name, value in _object(sent, "types").items()},
    )


def kept_form_of(sent: Mapping[str, Any]) -> Form:
    """Return the form that a file among the DAG files says, which anybody may have written.

    What ``checking.describe`` would find in a form that is sent is refused here: paths that lead elsewhere,
    and values that pages and JSON cannot carry.
    """
    form = form_of(sent)
    if strange := [path for path in form.files if not folders.is_path(path)]:
        raise InvalidError(f"files has {quote(strange[0])}, which is not beside the notebook", field="files")
    _refuse_unfit({"parameters": form.parameters, "types": form.types})
    return form


def _refuse_unfit(sent: Any) -> None:
    """Raise what is wrong with a value that JSON must carry, however deep it is."""
    todo: list[tuple[Any, int]] = [(sent, 0)]
    while todo:
        value, depth = todo.pop()
        fits = value is None or isinstance(value, (str, int, float, dict, list)) and depth <= _DEEPEST
        if isinstance(value, dict):
            todo += [(each, depth + 1) for pair in value.items() for each in pair]
        elif isinstance(value, list):
            todo += [(each, depth + 1) for each in value]
        elif isinstance(value, str):
            fits = is_text(value)
        elif isinstance(value, float):
            fits = math.isfinite(value)
        if not fits:
            message = "parameters has a value that is too deep, or no text or number of JSON"
            raise InvalidError(message, field="parameters")


def _text(sent: Mapping[str, Any], name: str, path: str = "") -> str:
    return _line(sent, name, path).strip()


def _line(sent: Mapping[str, Any], name: str, path: str = "") -> str:
    value = sent.get(name) or ""
    if not isinstance(value, str):
        raise InvalidError(f"{path or name} must be a text.", field=path or name)
    if len(value) > LONGEST or not value.isprintable():
        raise InvalidError(
            f"{path or name} must be one line of at most {LONGEST} printable characters.", field=path or name
        )
    return value


def _number(sent: Mapping[str, Any], name: str, *, fallback: int = 0) -> int:
    value = sent.get(name, fallback)
    value = fallback if value is None or value == "" else value
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value) < 10:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 10**9:
        raise InvalidError(f"{name} must be a whole number, 0 or more.", field=name)
    return value


def _list(sent: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = sent.get(name) or []
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) > MOST:
        raise InvalidError(f"{name} must be a list of at most {MOST} texts.", field=name)
    return tuple(dict.fromkeys(_line({name: each}, name) for each in value if each != ""))


def _object(sent: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = sent.get(name) or {}
    if not isinstance(value, Mapping) or len(value) > MOST:
        raise InvalidError(f"{name} must be an object of at most {MOST} entries.", field=name)
    return value


def _word(sent: Mapping[str, Any], name: str, path: str, fallback: str) -> Any:
    value = sent.get(name) or fallback
    if value not in _WORDS[name]:
        raise InvalidError(f"{path} must be one of {', '.join(_WORDS[name])}.", field=path)
    return value
