"""What the text of DAG files tells without parsing: who imports whom, in time that grows with the text."""

from __future__ import annotations

import time

import pytest

from couture_workflow.services.dags import sources
from couture_workflow.services.dags.sources import Sources


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ("import a", "a.py"),
        ("import a.b.c", "a/b/c.py"),
        ("import a.b.c", "a/__init__.py"),
        ("import x, a.b", "a/b.py"),
        ("from a import b", "a/b.py"),
        ("from a import b", "a/__init__.py"),
        ("from a.b import c", "a/__init__.py"),
        ("from a import (\n  x,\n  b,\n)", "a/b.py"),
        ("from . import b", "folder/b.py"),
        ("from .b import c", "folder/b.py"),
        ("from ..b import c", "b.py"),
        ("    from a import b", "a/b.py"),
        ("import_module('a.b')", "a/b.py"),
        ("import lib", "put/on/the/path/lib.py"),
    ],
)
def test_a_file_that_imports_another_is_found(text: str, changed: str) -> None:
    assert Sources({"folder/user.py": text.encode(), "other.py": b"import os"}).importers([changed]) == {
        "folder/user.py"
    }


@pytest.mark.parametrize("text", ["import ab", "from a import bc", "# import a", "x = 'a.b'"])
def test_a_name_that_only_looks_alike_is_none(text: str) -> None:
    assert Sources({"user.py": text.encode()}).importers(["a/b.py"]) == set()


def test_importers_of_importers_are_found() -> None:
    files = {"a.py": b"", "b.py": b"import a", "c.py": b"from b import x", "d.py": b"import os"}

    assert Sources(files).importers(["a.py"]) == {"b.py", "c.py"}


def test_of_the_next_tree_only_what_changed_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    files = {"a.py": b"from .. import x\n", "b/a.py": b"from .. import x\nDAG('one')\n", "c.py": b"import b"}
    before = Sources(files)
    assert before.importers(["x.py"]) == {"a.py", "b/a.py"}
    looked: list[str] = []
    read = sources._read
    monkeypatch.setattr(sources, "_read", lambda path, content: looked.append(path) or read(path, content))

    after = Sources({**files, "c.py": b"import x, 'lit'", "d/a.py": files["a.py"]})

    assert after.importers(["x.py"]) == {"a.py", "b/a.py", "c.py", "d/a.py"}
    assert sorted(looked) == ["c.py", "d/a.py"]
    assert after.dag_ids("b/a.py") == {"one"}
    assert "lit" in after.literals()
    assert "lit" not in before.literals()


@pytest.mark.parametrize(
    "text",
    [
        "import " + "a." * 500_000,
        "from " + "." * 1_000_000,
        "from " + "." * 500_000 + " import a",
        "from" + " " * 1_000_000,
        "from a import (" * 70_000,
        "from " + "a" * 4000 + "." + "b" * 90 + " import " + "c," * 500_000,
        "from " + "a" * 500_000 + " import " + "b," * 250_000,
        ("import " + "a." * 400 + "\n") * 1000,
    ],
    ids=["dots", "up", "up and name", "blanks", "brackets", "members", "long module", "many"],
)
def test_time_grows_with_the_text_and_no_faster(text: str) -> None:
    began = time.process_time()

    Sources({"folder/a.py": text.encode(), "b.py": b""}).importers(["b.py", "a/a/a.py"])

    assert time.process_time() - began < 10  # it was minutes, and gigabytes
