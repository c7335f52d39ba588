"""Which DAG files give an argument a value: what a Hadoop group is looked up by before it goes."""

from __future__ import annotations

import pytest

from couture_workflow.services.dags.uses import Use, naming

SET = "sets hadoop_group"


@pytest.mark.parametrize(
    ("code", "lines"),
    [
        ("Task(hadoop_group='prod')", [1]),
        ("x = dict(a=1)\nTask.partial(\n  hadoop_group='prod')", [3]),
        ("DAG(default_args={'hadoop_group': 'prod'})", [1]),
        ("Task(hadoop_group='prod2')", []),
        ("Task(hadoop_group=prod)", []),
        ("# hadoop_group='prod'", []),
        ("print('hadoop_group', 'prod')", []),
        ("Task(hadoop_group='prod'", []),  # no Python
    ],
)
def test_an_argument_is_found_where_code_gives_it_the_value(code: str, lines: list[int]) -> None:
    files = {"a.py": code.encode(), "a.txt": code.encode(), "b.py": b"Task(hadoop_group='other')"}

    assert naming(files, "hadoop_group", "prod") == [Use("a.py", line, SET) for line in lines]
