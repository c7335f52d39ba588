"""What a process of the sandbox answers: data that the file under check may have written itself.

It is read by this schema, in time that grows with it and no faster, and every text in it is made printable
here, at the border. Whatever does not fit is no answer.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, Field, ValidationError

from couture_workflow.store.names import printable

#: DAGs that one file may define, and tasks, edges and so on that all of these may have.
MOST_DAGS = 5_000
MOST_PARTS = 200_000

Text = Annotated[str, AfterValidator(printable)]
Line = Annotated[int, Field(ge=0, lt=2**31)]
Item = TypeVar("Item")
Few = Annotated[list[Item], Field(max_length=10_000)]


class AnswerError(Exception):
    """The answer does not fit.

    :param too_many: whether it is only too much of it.
    """

    def __init__(self, *, too_many: bool = False) -> None:
        super().__init__("too many" if too_many else "no answer")
        self.too_many = too_many


#: Line, column, end line, end column; 0: not known.
Place = tuple[Line, Line, Line, Line]


class _Failure(BaseModel):
    type: Text
    message: Text
    module: Text = ""
    frames: Few[tuple[Text, Line]] = []
    errno: int | None = None
    name: Text | None = None
    column: Line = 0
    place: Place | None = None


class _Warning(BaseModel):
    path: Text
    line: Line
    type: Text
    message: Text


class _Asked(BaseModel):
    variables: Few[Text] = []
    connections: Few[Text] = []
    made_up: Few[Text] = []


class _Loading(BaseModel):
    code: Text
    name: Text
    path: Text
    place: Place
    by: tuple[Text, Place]
    origin: Line


class _Task(BaseModel):
    id: Text
    label: Text
    operator: Text
    group: Text
    trigger_rule: Text
    mapped: bool
    child: Text
    line: Line
    path: Text
    arguments: dict[Text, Text]


class _Finding(BaseModel):
    code: Text
    name: Text
    task: Text
    argument: Text
    message: Text
    path: Text
    place: Place


class _Repeated(BaseModel):
    dag_id: Text
    lines: Few[Line]
    path: Text
    place: Place


class _Dag(BaseModel):
    dag_id: Text
    path: Text
    schedule: Text
    parameters: dict[Text, Text]
    tags: list[Text]
    owners: list[Text]
    tasks: list[_Task]
    edges: list[tuple[Text, Text]]
    groups: dict[Text, Text]
    settings: dict[Text, Text]
    line: Line
    mentions: list[tuple[Text, Text, Text]]
    connections: list[tuple[Text, Text]]
    templates: list[tuple[Text, Text, Text]]
    findings: list[_Finding] = []
    places: list[tuple[Text, Text, Line, Line, Line, Line]] = []


class _Problem(BaseModel):
    path: Text
    line: Line
    message: Text


class _Answer(BaseModel):
    """The answer to one question: which files there are, what is wrong with data, or what a DAG file has."""

    files: list[Text] = []
    problems: Few[_Problem] = []
    dags: list[_Dag] = []
    repeated: Few[_Repeated] = []
    errors: Few[_Failure] = []
    warnings: Few[_Warning] = []
    reads: list[Text] = []
    asked: _Asked = _Asked()
    loading: Few[_Loading] = []


def read(body: bytes, *, path: str) -> dict[str, Any]:
    """Return an answer as plain data; ``AnswerError`` if it does not fit.

    :param path: the file that was parsed, "" if none was: its DAGs are of no other file, whatever they say.
    """
    try:
        data = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise AnswerError from error
    if not isinstance(data, dict):
        raise AnswerError
    _check_size(data)
    try:
        found = _Answer.model_validate(data).model_dump(mode="json", exclude_unset=True)
    except (ValidationError, RecursionError) as error:
        raise AnswerError from error
    for dag in found.get("dags", ()):
        dag["path"] = path
    return found


def _check_size(data: dict[str, Any]) -> None:
    """Count before anything is made of it."""
    dags = data.get("dags", [])
    if not isinstance(dags, list):
        raise AnswerError
    known = (part for dag in dags if isinstance(dag, dict) for part in dag.values())
    parts = sum(len(part) for part in known if isinstance(part, list | dict))
    if len(dags) > MOST_DAGS or parts > MOST_PARTS:
        raise AnswerError(too_many=True)
