"""Inside the sandbox: what is wrong with a DAG that Airflow loads, and where names stand in it."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from couture_workflow.exceptions import CoutureError, NotFoundError
from couture_workflow.services.gate.inside import stored, templates

if TYPE_CHECKING:
    from couture_workflow.services.gate.inside.recorder import Recorder

_NOWHERE = (0, 0, 0, 0)
_DEFAULT_POOL = "default_pool"
#: The operator that runs a notebook.
_NOTEBOOKS = ("couture_workflow.operators.jupyter", "CoutureJupyterOperator")
#: Arguments that a name of each kind is given with.
_ARGUMENTS: Mapping[str, tuple[str, ...]] = {"child": ("run_dag_id", "trigger_dag_id"), "pool": ("pool",)}


def found(dag: Any, data: Mapping[str, Any], recorder: Recorder) -> Iterator[dict[str, Any]]:
    """Iterate over findings: ``code``, ``name``, ``task``, ``message``, ``path`` and the place in that.

    :param data: the DAG as Airflow stores it.
    """
    for culprit, databases in stored.refused(data):
        thing = dag.task_dict.get(culprit.task, dag)
        told = _finding("refused", thing, recorder, argument=culprit.argument, message=str(culprit))
        yield {**told, "name": " ".join(databases)}
    for fault in templates.faults(recorder.texts.get(id(dag), ()), tree=recorder.tree):
        yield _of_template(fault, recorder)
    for task in dag.tasks:
        yield from _pool(task, recorder)
        yield from _notebooks(task, recorder)


def repeated(dags: Sequence[Any], recorder: Recorder) -> Iterator[dict[str, Any]]:
    """Iterate over the ids that more than one DAG of a file has, with the places of the DAGs.

    :param dags: the DAGs that the file registers, each once.
    """
    of: dict[str, list[Any]] = defaultdict(list)
    for dag in dags:
        of[str(dag.dag_id)].append(dag)
    for dag_id, same in of.items():
        if len(same) > 1 and not _is_one(same, recorder):
            places = [recorder.origin(dag) for dag in same]
            last = max(range(len(same)), key=lambda each: places[each])
            yield {
                "dag_id": dag_id,
                "lines": sorted({line for _, line in places if line}),
                "path": places[last][0],
                "place": recorder.place(same[last], names=["dag_id"], text=dag_id) or _NOWHERE,
            }


def places(dag: Any, told: Mapping[str, Any], recorder: Recorder) -> Iterator[tuple[Any, ...]]:
    """Iterate over (task, name, place) of each name that something is looked up with; task "" is the DAG.

    :param told: the DAG as it is told so far.
    """
    names = {(task, name) for _, name, task in told["mentions"]}
    names |= {(task, name) for name, task in told["connections"]}
    names |= {(task, name) for _, name, task in told["templates"]}
    if (path := recorder.origin(dag)[0]) == told["path"] and path:
        if place := recorder.place(dag, names=["dag_id"], text=str(dag.dag_id)):
            yield "", str(dag.dag_id), *place
    children = {(task["id"], task["child"]) for task in told["tasks"] if task["child"]}
    for task_id, name in sorted(names | children):
        task = dag.task_dict.get(task_id)
        arguments = _ARGUMENTS["child"] if (task_id, name) in children else ()
        place = recorder.place(task, names=arguments, text=name) if task is not None else None
        if place:
            yield task_id, name, *place


def _is_one(same: Sequence[Any], recorder: Recorder) -> bool:
    """Tell whether one line made them all, and the same each time, so that any of them will do."""
    if len({recorder.origin(dag) for dag in same}) > 1:
        return False
    with contextlib.suppress(Exception):  # whatever the file's own objects raise
        forms = [_form(dag) for dag in same]
        return all(form == forms[0] for form in forms)
    return False


def _form(dag: Any) -> dict[str, Any]:
    """Return a DAG as it is stored, without what it gets only when Airflow takes it."""
    data = stored.stored(dag)["dag"]
    return {name: value for name, value in data.items() if name not in ("fileloc", "relative_fileloc")}


def _finding(
    code: str,
    thing: Any,
    recorder: Recorder,
    *,
    argument: str = "",
    name: str = "",
    message: str = "",
) -> dict[str, Any]:
    path, line = recorder.origin(thing)
    place = recorder.place(thing, names=[argument] if argument else [], text=name)
    return {
        "code": code,
        "name": name,
        "task": str(getattr(thing, "task_id", "")),
        "argument": argument,
        "message": message,
        "path": path,
        "place": place or (line, 0, 0, 0),
    }


def _of_template(fault: templates.Fault, recorder: Recorder) -> dict[str, Any]:
    name = fault.message if fault.code != "template" else ""
    given = fault.text
    told = _finding(fault.code, given.task, recorder, argument=given.field, name=name, message=fault.message)
    if fault.path:
        told |= {"path": fault.path, "place": (fault.line, 0, 0, 0)}
    return told


def _pool(task: Any, recorder: Recorder) -> Iterator[dict[str, Any]]:
    pool, slots = task.pool, task.pool_slots
    if isinstance(pool, str) and (pool != _DEFAULT_POOL or slots != 1):
        told = _finding("pool", task, recorder, argument="pool", name=pool)
        yield {**told, "message": str(slots) if isinstance(slots, int) and abs(slots) < 2**31 else "1"}


def _notebooks(task: Any, recorder: Recorder) -> Iterator[dict[str, Any]]:
    """Iterate over notebooks that a task names and that are not among the files."""
    from couture_workflow.services.notebooks import run as notebook_run

    kind = task.operator_class if task.is_mapped else type(task)
    if _NOTEBOOKS not in {(each.__module__, each.__name__) for each in getattr(kind, "__mro__", ())}:
        return
    top = Path(recorder.tree)
    folders = notebook_run.input_folders(Path(task.dag.fileloc), top=top, home=None)
    for name in _inputs(task):
        if "{{" in name or "{%" in name:
            continue
        try:
            notebook_run.find_input(name, folders)
        except NotFoundError:
            yield _finding("notebook", task, recorder, argument="input_nb", name=name)
        except CoutureError as error:
            yield _finding("notebook", task, recorder, argument="input_nb", name=name, message=str(error))


def _inputs(task: Any) -> Iterator[str]:
    for field, value in templates.fields(task):
        if field == "input_nb":
            yield from templates.strings(value)
