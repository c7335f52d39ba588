"""Inside the sandbox: variables and connections that a DAG file asks for while it is parsed.

There is no database. Values come from the question; connections are empty shells with a name, because what
a DAG file needs of one at parse time is that it exists.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from couture_workflow.patches import dag_parsing

#: Stands for the value of a variable where values are not known.
UNKNOWN = "1"


class Answers:
    """A secrets backend over the question."""

    def __init__(self, question: Mapping[str, Any], told: Callable[[str, str], None]) -> None:
        self._told = told
        self._variables: Mapping[str, str] | None = question.get("variables")
        self._connections: list[str] | None = question.get("connections")
        self._complete = bool(question.get("complete", True))
        self.asked: dict[str, dict[str, None]] = {"variables": {}, "connections": {}, "made_up": {}}

    def get_variable(self, key: str, team_name: str | None = None) -> str | None:
        """Return the value of a variable, None if there is none."""
        self.asked["variables"][str(key)] = None
        self._told("variable", str(key))
        if self._variables is not None and key in self._variables:
            return self._variables[key]
        if self._variables is None or not self._complete:
            self.asked["made_up"][str(key)] = None
            return UNKNOWN
        return None

    def get_connection(self, conn_id: str, team_name: str | None = None) -> Any:
        """Return a connection without contents, None if there is none of that name."""
        from airflow.sdk import Connection

        self.asked["connections"][str(conn_id)] = None
        self._told("connection", str(conn_id))
        if self._connections is None or conn_id in self._connections or not self._complete:
            return Connection(conn_id=conn_id, conn_type="generic", host="not-shown-while-parsing")
        return None


class _NoSupervisor:
    """Stands where the DAG processor would answer."""

    def send(self, message: Any, **_: Any) -> Any:
        """Refuse; DAG files have no business with the API while they are parsed."""
        raise RuntimeError(f"{type(message).__name__} is not answered while a DAG file is checked.")


def install(question: Mapping[str, Any], told: Callable[[str, str], None]) -> dict[str, dict[str, None]]:
    """Answer from now on; the names that are returned grow with what is asked for.

    :param told: is called with "variable" or "connection", and the name that is asked for.
    """
    answers = Answers(question, told)
    dag_parsing.answer(answers, _NoSupervisor())
    return answers.asked
