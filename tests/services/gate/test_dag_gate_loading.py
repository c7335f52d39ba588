"""The save gate: what DAG files do each time that they are loaded, and what only looks like it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from textwrap import dedent
from typing import Any

import pytest

from couture_workflow.services.gate import check as dag_gate
from couture_workflow.services.gate.problems import Known, Problem, Waiting

KNOWN = Known(variables={"x": "1"}, connections=frozenset({"c"}))
HEAD = "from airflow.sdk import DAG, BaseHook, Variable, dag, task\n"
DAGS = "with DAG('d', schedule=None):\n    pass\n"
#: Modules that a DAG file imports: one asks for something when it is called, one is heavy.
MODULES = {
    "common/__init__.py": "",
    "common/ask.py": "from airflow.sdk import Variable\ndef ask():\n    return Variable.get('x')\n",
    "common/heavy.py": "import numpy.linalg\n",
}


def told(
    source: str, *, modules: Mapping[str, str] = MODULES, changed: Iterable[str] = (), known: Known = KNOWN
) -> list[Problem]:
    """Return the warnings of a DAG file."""
    files = {path: text.encode() for path, text in {"a.py": source, **modules}.items()}
    report = dag_gate.check(files, ["a.py", *changed], known=known, store=None)
    assert report.passed, report.errors
    return list(report.warnings)


def underlined(source: str, problem: Problem) -> str:
    return source.splitlines()[problem.line - 1][problem.column - 1 : problem.end_column - 1]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("from airflow.models import Variable as V\nV.get('x')", [("variable-at-load", "V.get('x')")]),
        ("x = Variable.get('none', default=1)", [("variable-at-load", "Variable.get('none', default=1)")]),
        ("from common.ask import ask\nx = ask()", [("variable-at-load", "ask()")]),
        ("BaseHook.get_connection('c')", [("connection-at-load", "BaseHook.get_connection('c')")]),
        ("from numpy import sum as s", [("import-at-load", "from numpy import sum as s")]),
        ("import json, numpy as np", [("import-at-load", "import json, numpy as np")]),
        (
            "import socket\ntry:\n    socket.create_connection(('192.0.2.1', 80))\nexcept OSError:\n    pass",
            [("network-at-load", "socket.create_connection(('192.0.2.1', 80))")],
        ),
    ],
)
def test_what_happens_at_each_load_is_told_with_its_place(
    lines: str, expected: list[tuple[str, str]]
) -> None:
    source = f"{HEAD}{lines}\n{DAGS}"

    found = told(source)

    assert [(each.code, underlined(source, each)) for each in found] == expected
    assert all(each.advice and each.message.endswith(".") for each in found)


def test_what_happens_in_tasks_only_is_not_told() -> None:
    source = HEAD + dedent("""\
        from typing import TYPE_CHECKING
        from airflow.providers.standard.operators.python import PythonOperator
        from datetime import datetime
        from common.ask import ask
        if TYPE_CHECKING:
            import pandas
        try:
            import pandas_of_another_name
        except ImportError:
            pass
        def call():
            import numpy, random
            return Variable.get("x"), BaseHook.get_connection("c"), datetime.now(), random.random()
        @dag(schedule=None, start_date=datetime(2026, 1, 1))
        def flow():
            @task
            def one():
                import numpy
                return ask(), datetime.now()
            one() >> PythonOperator(task_id="two", python_callable=call, op_args=["{{ var.value.x }}"])
        flow()
        """)

    assert told(source, changed=MODULES) == []


def test_a_module_is_told_what_it_does_at_its_top_when_it_changes() -> None:
    source = f"{HEAD}from common import heavy\nfrom common.ask import ask\nx = ask()\n{DAGS}"

    unchanged, changed = told(source), told(source, changed=MODULES)

    assert [(each.code, each.path, each.line) for each in unchanged] == [("variable-at-load", "a.py", 4)]
    assert 'This is done in "common/ask.py", line 3.' in unchanged[0].message
    assert [(each.code, each.path, each.line) for each in changed] == [
        ("variable-at-load", "common/ask.py", 3),
        ("import-at-load", "common/heavy.py", 1),
    ]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ("with DAG('d', schedule=None, start_date=datetime.now()):\n    pass", ("AIR304", "datetime.now()")),
        (
            "with DAG('d', schedule=None):\n    EmptyOperator(task_id=f'a{uuid.uuid4()}')",
            ("AIR304", "uuid.uuid4()"),
        ),
        ("now = datetime.now()\nDAG('d', schedule=None, end_date=now)", ("changing-value", "now")),
        (
            "args = {'start_date': pendulum.today()}\nDAG('d', schedule=None, default_args=args)",
            ("changing-value", "args"),
        ),
    ],
)
def test_values_that_change_from_load_to_load_are_told_once(lines: str, expected: tuple[str, str]) -> None:
    imports = (
        "import uuid, pendulum\nfrom datetime import datetime\n"
        "from airflow.providers.standard.operators.empty import EmptyOperator\n"
    )
    source = f"{HEAD}{imports}{lines}\n"

    (problem,) = told(source)

    assert (problem.code, underlined(source, problem)) == expected
    assert "gives another value each time that the file is loaded" in problem.message
    assert problem.advice.startswith("Give a fixed value, such as datetime(2026, 1, 1).")


@pytest.mark.parametrize(
    "body",
    [
        f"x = {'[' * 90}{']' * 90}",
        f"x = {'-' * 900}1",
        "for _ in range(2000):\n    Variable.get('x')",
        "for n in range(500):\n    exec(f'Variable.get(\"x\")\\n' * 2)",
        f"# {'é' * 2**21}",
    ],
)
def test_long_and_deep_files_are_looked_at_all_the_same(body: str) -> None:
    found = told(f"{HEAD}import numpy\n{body}\n{DAGS}")

    assert ("import-at-load", 2) in [(each.code, each.line) for each in found]
    assert len(found) <= 2


def test_a_task_that_unfinished_runs_still_have_to_do_is_told_when_it_goes() -> None:
    asked: list[Collection[str]] = []

    def waiting(dag_ids: Collection[str]) -> list[Waiting]:
        asked.append(set(dag_ids))
        return [
            Waiting("d", "gone", 2, True),
            Waiting("d", "gone_too", 1, False),
            Waiting("d", "there", 1, True),
        ]

    source = f"{HEAD}with DAG('d', schedule=None):\n    @task\n    def there(): ...\n    there()\n"
    values: dict[str, Any] = {"variables": {}, "connections": frozenset(), "waiting": waiting}

    found = told(source, known=Known(**values))

    assert asked == [{"d"}]
    assert [(each.code, each.path, each.line) for each in found] == [("removed-task", "a.py", 2)] * 2
    assert (
        '"gone" of the DAG "d" is removed, and 2 unfinished runs have still to do it. A run'
        in found[0].message
    )
    assert "the task is marked as removed and not done" in found[1].message
