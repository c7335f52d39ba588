"""Where DAG files and DAGs are used, found by reading the source."""

from __future__ import annotations

import pytest

from couture_workflow.services.dags.uses import Use, uses

FILES = {
    "common/tables.py": b"NAMES = []\n",
    "common/__init__.py": b"",
    "sql/report.sql": b"select 1",
    "daily.py": b"import os\nfrom common.tables import NAMES\n",
    "weekly.py": b"import common.tables as t\n",
    "monthly.py": b"from common import tables\nSQL = 'sql/report.sql'\n",
    "common/more.py": b"from . import tables\nfrom .tables import NAMES\n",
    "master.py": (
        b"TriggerDagRunOperator(\n  task_id='t',\n  trigger_dag_id='daily')\n"
        b"DagOperator(task_id='d', run_dag_id='daily')\nExternalTaskSensor(external_dag_id='daily')\n"
    ),
    "other.py": b"# common.tables, daily\ntables = 1\nNAME = 'daily'\n",
    "broken.py": b"from common.tables import (",
    "a'b\"<&>.py": b"import common.tables\n",
}


def test_imports_of_a_module_are_found_in_every_form() -> None:
    found = uses(FILES, ["common/tables.py"])

    assert found == [
        Use("a'b\"<&>.py", 1, "imports common/tables.py"),
        Use("common/more.py", 1, "imports common/tables.py"),
        Use("common/more.py", 2, "imports common/tables.py"),
        Use("daily.py", 2, "imports common/tables.py"),
        Use("monthly.py", 1, "imports common/tables.py"),
        Use("weekly.py", 1, "imports common/tables.py"),
    ]


def test_files_that_go_together_are_no_users() -> None:
    assert uses(FILES, [path for path in FILES if path != "daily.py"]) == [
        Use("daily.py", 2, "imports common/__init__.py"),
        Use("daily.py", 2, "imports common/tables.py"),
    ]


def test_files_named_in_a_text_are_found() -> None:
    assert uses(FILES, ["sql/report.sql"]) == [Use("monthly.py", 2, "names sql/report.sql")]


def test_operators_and_sensors_that_name_a_dag_are_found() -> None:
    assert uses(FILES, ["daily.py"], ["daily"]) == [
        Use("master.py", 3, "starts the DAG daily"),
        Use("master.py", 4, "starts the DAG daily"),
        Use("master.py", 5, "waits for the DAG daily"),
    ]


@pytest.mark.parametrize("source", [b"(" * 5000, b"\0", "x = 'ü'".encode("latin-1"), b"import a\n" * 200_000])
def test_source_that_python_cannot_read_is_passed_over(source: bytes) -> None:
    assert uses({"x.py": b"import mod\n" + source, "mod.py": b""}, ["mod.py"]) == []
