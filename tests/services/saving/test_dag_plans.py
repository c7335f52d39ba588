"""What a change would do, and what else belongs to it: messages, upgrades, examples, downloads."""

from __future__ import annotations

import io
import zipfile

import pytest

from couture_workflow.exceptions import InvalidNameError, NotFoundError
from couture_workflow.services.dags import downloads as dag_downloads
from couture_workflow.services.dags import examples as dag_examples
from couture_workflow.services.dags.uploads import Incoming
from couture_workflow.services.saving import plans as dag_plans
from couture_workflow.services.saving.plans import Planned

OLD = """from airflow import DAG
from airflow.operators.dummy_operator import DummyOperator

with DAG("x", schedule_interval=None) as dag:
    DummyOperator(task_id="a")
"""


def test_changes_are_compared_with_what_there_is() -> None:
    current = {"a.py": b"one\ntwo\nthree\n", "same.py": b"x", "gone.py": b"1\n2\n", "b.bin": b"\0\1"}
    changes = {
        "a.py": b"one\n2\nthree\nfour\n",
        "same.py": b"x",
        "gone.py": None,
        "b.bin": b"\0",
        "n.py": b"1",
    }

    assert dag_plans.planned(current, changes) == [
        Planned("a.py", "replaces", added=2, removed=1, size=17),
        Planned("b.bin", "replaces", size=1),
        Planned("gone.py", "deleted", added=0, removed=2),
        Planned("n.py", "new", added=1, removed=0, size=1),
        Planned("same.py", "same", added=0, removed=0, size=1),
    ]


def test_rename_is_shown_as_pairs() -> None:
    changes = {"old/a.py": None, "old/b/c.py": None, "new/a.py": b"12", "new/b/c.py": b""}

    assert dag_plans.renamed("old", changes, "new") == [
        Planned("new/a.py", "renamed", was="old/a.py", size=2),
        Planned("new/b/c.py", "renamed", was="old/b/c.py", size=0),
    ]


@pytest.mark.parametrize(
    ("paths", "message"),
    [(["a.py"], "Delete a.py"), (list("abcde"), "Delete a, b, c and 2 more")],
    ids=["one", "many"],
)
def test_message_names_the_first_files(paths: list[str], message: str) -> None:
    assert dag_plans.message("Delete", paths) == message


def test_upgrade_is_offered_for_old_code_and_done_where_it_is_chosen() -> None:
    files = [Incoming("old.py", "old.py", OLD.encode()), Incoming("new.py", "new.py", b"x = 1\n")]

    same, offers = dag_plans.upgraded(files, [])
    done, chosen = dag_plans.upgraded(files, ["old.py"])

    assert same == files
    assert list(offers) == ["old.py"]
    assert not offers["old.py"]["chosen"]
    assert '-with DAG("x", schedule_interval=None) as dag:' in offers["old.py"]["diff"].splitlines()
    assert '+with DAG("x", schedule=None) as dag:' in offers["old.py"]["diff"].splitlines()
    assert chosen["old.py"]["chosen"]
    assert b"schedule_interval" not in done[0].content
    assert done[1] == files[1]


def test_example_is_copied_with_its_data_under_an_id_of_its_own() -> None:
    found = dag_examples.copies(["penguins.py"], folder="examples")

    assert set(found) == {"examples/dags/penguins.py", "examples/data/penguins.csv"}
    assert b'dag_id="penguins_copy"' in found["examples/dags/penguins.py"]
    master = dag_examples.copies(["master.py"])["dags/master.py"]
    assert (master.count(b'dag_id="stock_order_copy"'), b'"stock_order"' in master) == (2, False)
    notebook = dag_examples.copies(["penguin_notebook.py"], folder="examples")
    assert {"examples/notebooks/penguins.ipynb", "examples/data/penguins.csv"} < set(notebook)
    assert "dags/penguin_containers.env" in dag_examples.copies(["penguin_containers.py"])
    with pytest.raises(NotFoundError):
        dag_examples.copies(["../jobs/penguins.py"])
    with pytest.raises(InvalidNameError):
        dag_examples.copies(["penguins.py"], folder="../x")


def test_examples_tell_what_they_are() -> None:
    found = {example.name: example.summary for example in dag_examples.examples()}

    assert found["word_count.py"] == "One Spark task in Java: count the words of a text."


def test_download_of_folder_and_files_is_an_archive_in_pieces() -> None:
    paths = ["a.py", "dir/b.py", "dir/sub/c.sql", "dirt.py"]

    chosen = dag_downloads.chosen(paths, ["dir/", "a.py"])
    pieces = list(dag_downloads.zipped((path, path.encode()) for path in chosen))

    assert chosen == ["a.py", "dir/b.py", "dir/sub/c.sql"]
    assert len(pieces) == 4
    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert {name: archive.read(name).decode() for name in archive.namelist()} == {p: p for p in chosen}
