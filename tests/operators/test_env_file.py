"""Files of environment variables are read as they are written, or refused with the line that is wrong."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from couture_workflow.exceptions import InvalidError, NotFoundError
from couture_workflow.operators import env_file

GOOD = """\ufeff# what the load needs
export STAGE = dev   # not production

PASSWORD=a#b$HOME\\n
QUOTED="two\\nlines, a \\"quote\\" and # no comment"  # a comment
LITERAL='$HOME \\n "'
EMPTY=
EMPTY_TOO= # nothing
SEPARATED=a\fB=b\u2028c\x85d\xa0
"""


def test_what_is_beside_the_dag_file_is_read(tmp_path: Path) -> None:
    (tmp_path / "load.env").write_text(GOOD, encoding="utf-8")
    dag = tmp_path / "dag.py"
    dag.write_text("from couture_workflow.operators import env_file\nfound = env_file('load.env')\n")

    assert runpy.run_path(str(dag))["found"] == {
        "STAGE": "dev",
        "PASSWORD": "a#b$HOME\\n",
        "QUOTED": 'two\nlines, a "quote" and # no comment',
        "LITERAL": '$HOME \\n "',
        "EMPTY": "",
        "EMPTY_TOO": "",
        "SEPARATED": "a\fB=b\u2028c\x85d\xa0",
    }


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("hunter2", "line 2 is no variable. A line is NAME=value"),
        ("2ND=hunter2", "line 2 is no variable"),
        ("A='hunter2", "the value of A begins with ' and does not end with it"),
        ('A="hunter2" more', 'the value of A begins with " and does not end with it'),
        ("FIRST=hunter2", "FIRST has a value in an earlier line"),
    ],
)
def test_a_bad_line_is_named_without_what_may_be_a_secret(tmp_path: Path, line: str, sentence: str) -> None:
    (tmp_path / "bad.env").write_text(f"FIRST=1\n{line}\n")

    with pytest.raises(InvalidError) as raised:
        env_file(tmp_path / "bad.env")

    assert sentence in str(raised.value) and "bad.env, line 2" in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_file_that_is_not_there_or_no_text_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError, match="tests/operators/none.env cannot be read"):
        env_file("none.env")
    (tmp_path / "b.env").write_bytes(b"A=\xff")
    with pytest.raises(NotFoundError, match="it is not text in UTF-8. Put it beside the DAG file"):
        env_file(tmp_path / "b.env")
