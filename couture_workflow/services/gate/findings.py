"""What is wrong with a DAG that loads all the same: from findings of the sandbox to problems in words."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from couture_workflow.exceptions import CoutureError, NotFoundError
from couture_workflow.services.gate.problems import Known, Problem
from couture_workflow.services.notebooks import run as notebook_run
from couture_workflow.store.names import quote

if TYPE_CHECKING:
    from couture_workflow.store.home import Store

#: Line, column, end line, end column; 0: not known.
Place = tuple[int, int, int, int]

_SHOWN = 120
#: What is the same in findings that are said once.
_SAME = ("code", "name", "argument", "message", "path", "place")


def found(
    dag: Mapping[str, Any], *, path: str, store: Store | None, known: Known, notebooks: Collection[str]
) -> Iterator[Problem]:
    """Iterate over problems of one DAG.

    :param dag: the DAG as the sandbox told it.
    :param path: the DAG file.
    :param notebooks: notebooks of the repository that the sandbox did not see, by their path from its folder.
    """
    for each in _once(_rows(dag.get("findings"))):
        code, name, message = (str(each.get(key) or "") for key in ("code", "name", "message"))
        if code == "pool":
            told = _pool(each, name, message, known)
        elif code == "notebook":
            told = _notebook(each, name, message, store=store, seen=name_of(name) in notebooks)
        elif code == "refused":
            told = _refused(name, message, known)
        else:
            told = _TOLD[code](each, name, message) if code in _TOLD else None
        if told is not None:
            kind, text, advice = told
            yield Problem(
                "error" if code == "refused" and known.database in name.split() else "warning",
                kind,
                text,
                str(each.get("path") or path),
                *place(each.get("place")),
                advice=advice,
            )


def _once(rows: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Iterate over findings; one that several tasks of one line have is told once, with their number."""
    found: dict[str, dict[str, Any]] = {}
    for row in rows:
        same = found.setdefault(repr([row.get(key) for key in _SAME]), {**row, "tasks": 0})
        same["tasks"] += 1
    yield from found.values()


def repeated(rows: object, *, path: str) -> Iterator[Problem]:
    """Iterate over the ids that more than one DAG of a file has.

    :param rows: them, as the sandbox told them.
    """
    for each in _rows(rows):
        lines = [str(line) for line in each.get("lines") or ()]
        where = f", in lines {', '.join(lines[:-1])} and {lines[-1]}" if len(lines) > 1 else ""
        yield Problem(
            "error",
            "duplicate-dag",
            f"The DAG id {quote(str(each.get('dag_id')))} is defined more than once in this file{where}. "
            "Airflow would show now one, now the other.",
            str(each.get("path") or path),
            *place(each.get("place")),
            advice="Give each of them a dag_id of its own.",
        )


def places(dag: Mapping[str, Any]) -> dict[tuple[str, str], tuple[int, int, int, int]]:
    """Return where names stand in a DAG: (task, name) -> its place."""
    rows = dag.get("places")
    return {
        (str(row[0]), str(row[1])): place(row[2:])
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, list) and len(row) == 6
    }


def place(data: object) -> Place:
    """Return line, column, end line and end column, 0 if they are not known."""
    if isinstance(data, list) and len(data) == 4 and all(isinstance(each, int) for each in data):
        line, column, end_line, end_column = data
        return line, column, end_line, end_column
    return 0, 0, 0, 0


_Told = tuple[str, str, str]


def _owner(each: Mapping[str, Any]) -> str:
    return f"argument {quote(str(each.get('argument')))} of {_task(each)}"


def _task(each: Mapping[str, Any]) -> str:
    more = each["tasks"] - 1
    others = f" (and {more} more)" if more else ""
    return f"the task {quote(str(each.get('task')))}{others}"


def _refused(databases: str, message: str, known: Known) -> _Told | None:
    """Return what is to be said of a value that some databases do not store; nothing if ours is another."""
    if known.database not in ("", "sqlite", *databases.split()):
        return None
    return "not-stored", message, "Give another value, or read it in the task itself."


def _missing_template(each: Mapping[str, Any], name: str, message: str) -> _Told:
    ending = f".{name.rpartition('.')[2]}"
    return (
        "missing-template",
        f"The text {_short(name)} in the {_owner(each)} ends in {ending}, so Airflow takes it for the name "
        "of a template file, which is not there.",
        "Add the file beside the DAG file or in a folder of template_searchpath. If it is no file, put a "
        "blank behind it.",
    )


def _missing_include(each: Mapping[str, Any], name: str, message: str) -> _Told:
    return (
        "missing-template",
        f"The template in the {_owner(each)} includes the file {_short(name)}, which is not there.",
        "Add it beside the DAG file or in a folder of template_searchpath, or correct the name.",
    )


def _template(each: Mapping[str, Any], name: str, message: str) -> _Told:
    return (
        "template",
        f"The template in the {_owner(each)} cannot be read: {message}.",
        "The task would fail. Write {{ ... }} around a value and {% ... %} around a statement.",
    )


_TOLD = {
    "missing-template": _missing_template,
    "missing-include": _missing_include,
    "template": _template,
}


def _pool(each: Mapping[str, Any], name: str, slots: str, known: Known) -> _Told | None:
    if known.pools is None:
        return None
    task = _task(each)
    if name not in known.pools:
        return (
            "missing-pool",
            f"The pool {quote(name)} of {task} does not exist: the task would wait for ever.",
            "Add it under Admin > Pools, or correct the name.",
        )
    there = known.pools[name]
    if slots.isdigit() and 0 <= there < int(slots):
        return (
            "small-pool",
            f"The pool {quote(name)} of {task} has {there} slots, and {slots} are needed: the task would "
            "wait for ever.",
            "Give the pool more slots under Admin > Pools, or lower pool_slots.",
        )
    return None


def _notebook(
    each: Mapping[str, Any], name: str, message: str, *, store: Store | None, seen: bool
) -> _Told | None:
    task = _task(each)
    if message:
        return "missing-notebook", f"The notebook of {task} cannot be found: {message}", ""
    if store is None or seen:  # without a home nobody knows what is in it
        return None
    try:
        notebook_run.find_input(name, [store.root / "notebooks"])
    except NotFoundError:
        return (
            "missing-notebook",
            f"The notebook {_short(name)} of {task} does not exist.",
            "Put it beside the DAG file or below a folder notebooks, or correct input_nb.",
        )
    except CoutureError:
        return None
    return None


def name_of(notebook: str) -> str:
    """Return the name of a notebook's file, whether it is given with its ending or without."""
    return str(PurePosixPath(notebook if notebook.endswith(".ipynb") else f"{notebook}.ipynb"))


def _short(text: str) -> str:
    return quote(text if len(text) <= _SHOWN else f"...{text[-_SHOWN:]}")


def _rows(data: object) -> list[dict[str, Any]]:
    return [row for row in data if isinstance(row, dict)] if isinstance(data, list) else []
