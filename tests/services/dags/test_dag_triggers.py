"""Loops of DAGs that run each other: found, told, and refused when a real DAG file is parsed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from couture_workflow.services.dags.triggers import File, Notes, loop_of, loops, sentence
from couture_workflow.store.home import Store

DAG = """
from airflow.sdk import DAG
from couture_workflow.operators import DagOperator
"""
CALLS = """
with DAG({dag!r}, schedule=None):
    DagOperator(task_id={task!r}, run_dag_id={child!r})
"""


def dag_file(*calls: tuple[str, str, str]) -> str:
    return DAG + "".join(CALLS.format(dag=dag, task=task, child=child) for dag, task, child in calls)


def parse(folder: Path, name: str) -> tuple[list[str], dict[str, str]]:
    from airflow.dag_processing.dagbag import BundleDagBag

    bag = BundleDagBag(dag_folder=str(folder / name), bundle_path=folder, bundle_name="dags")
    return sorted(bag.dags), bag.import_errors


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param({"a": [("t", "b")], "b": [("t", "c")]}, [], id="a chain"),
        pytest.param({"a": [("t", "b"), ("u", "c")], "b": [("t", "c")]}, [], id="two ways to one"),
        pytest.param({"a": [("t", "a")]}, [(("a", "t"),)], id="itself"),
        pytest.param(
            {"b": [("t2", "a")], "a": [("t1", "b")]}, [(("a", "t1"), ("b", "t2"))], id="through another"
        ),
        pytest.param({"x": [("t", "a")], "a": [("t", "a")]}, [(("a", "t"),)], id="who only calls a loop"),
    ],
)
def test_each_loop_is_found_once(
    calls: dict[str, list[tuple[str, str]]], expected: list[tuple[tuple[str, str], ...]]
) -> None:
    assert loops(calls) == expected


def test_a_long_chain_is_no_trouble() -> None:
    calls = {f"d{n}": [("t", f"d{n + 1}")] for n in range(5000)}

    assert loop_of("d0", calls) == ()
    assert loops(calls) == []


def test_of_a_ring_of_thousands_the_loop_is_told_once() -> None:
    calls = {f"d{n:04}": [("t", f"d{(n + 1) % 5000:04}")] for n in range(5000)}

    (loop,) = loops(calls)

    assert (loop[0], len(loop)) == (("d0000", "t"), 5000)


def test_dags_before_and_behind_a_loop_are_in_none() -> None:
    calls = {
        "a": [("t", "b")],
        "b": [("t", "c"), ("u", "e")],
        "c": [("t", "b"), ("u", "d")],
        "d": [("t", "x")],
    }

    assert loops(calls) == [(("b", "t"), ("c", "t"))]


def test_the_sentence_has_the_way_and_the_remedy() -> None:
    text = sentence((("a", "task1"), ("b", "task2")))

    assert text.startswith("DAG a would call itself: a.task1 -> b.task2 -> a.")
    assert "let one of these tasks run another DAG" in text


def test_the_dag_that_closes_a_loop_is_refused_and_accepted_when_it_is_open_again(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "a.py").write_text(dag_file(("a", "task1", "b")))
    (tmp_path / "b.py").write_text(dag_file(("b", "task2", "a")))

    assert parse(tmp_path, "a.py") == (["a"], {})
    dags, errors = parse(tmp_path, "b.py")
    assert dags == []
    assert "DAG b would call itself: b.task2 -> a.task1 -> b." in errors["b.py"]
    assert parse(tmp_path, "a.py") == (["a"], {}), "the one that was there first stays"

    # Of another size: Python takes a file of the same second and size for the one that it has compiled.
    (tmp_path / "a.py").write_text(dag_file(("a", "task1", "other")))
    assert parse(tmp_path, "b.py") == (["b"], {})
    assert parse(tmp_path, "a.py") == (["a"], {})


def test_a_deleted_file_stands_in_nobodys_way(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(dag_file(("a", "t", "b")))
    (tmp_path / "b.py").write_text(dag_file(("b", "t", "a")))
    parse(tmp_path, "a.py")

    (tmp_path / "a.py").unlink()

    assert parse(tmp_path, "b.py") == (["b"], {})


def test_in_one_file_the_same_dag_is_refused_at_every_parse(store: Store, tmp_path: Path) -> None:
    (tmp_path / "f.py").write_text(dag_file(("a", "t", "b"), ("b", "t", "a")))

    first = parse(tmp_path, "f.py")

    assert len(first[0]) == 1
    assert all(parse(tmp_path, "f.py") == first for _ in range(5))


def test_a_dag_that_calls_itself_is_refused(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(dag_file(("a", "again", "a")))

    assert "DAG a would call itself: a.again -> a." in parse(tmp_path, "a.py")[1]["a.py"]


def test_a_template_is_known_only_when_it_runs(store: Store, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(dag_file(("a", "t", "{{ dag.dag_id }}")))

    assert parse(tmp_path, "a.py") == (["a"], {})


@pytest.mark.parametrize("content", [b"", b"[]", b'{"version": 7}', b"\xff"], ids=repr)
def test_a_damaged_note_counts_for_nothing(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "x.json").write_bytes(content)
    (tmp_path / "a.py").write_text("")

    assert Notes(tmp_path / "notes").admit("a", (("t", "b"),), File.at(tmp_path, "a.py")) == ()


@pytest.mark.slow
def test_a_process_that_parses_nothing_loads_the_hook_alone() -> None:
    program = """
import sys
import airflow.settings
airflow.settings.initialize()
print(sorted(name for name in sys.modules if name.startswith("couture_workflow")))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    hook = ["policies", "provider", "services", "services.dags", "services.dags.submodule_imports"]
    assert done.stdout.strip().endswith(
        str(["couture_workflow", *(f"couture_workflow.{name}" for name in hook)])
    )
